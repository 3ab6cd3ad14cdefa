module workbook.example/tools

go 1.26
