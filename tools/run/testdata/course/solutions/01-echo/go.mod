module workbook.example/solutions/01-echo

go 1.26
