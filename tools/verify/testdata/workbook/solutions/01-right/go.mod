module workbook.example/solutions/01-right

go 1.26.0
