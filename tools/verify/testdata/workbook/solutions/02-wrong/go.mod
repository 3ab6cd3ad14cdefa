module workbook.example/solutions/02-wrong

go 1.26.0
