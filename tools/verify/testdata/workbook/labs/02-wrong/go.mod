module workbook.example/labs/02-wrong

go 1.26.0
