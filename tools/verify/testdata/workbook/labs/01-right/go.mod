module workbook.example/labs/01-right

go 1.26.0
