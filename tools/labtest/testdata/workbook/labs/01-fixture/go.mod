module workbook.example/labs/01-fixture

go 1.26

require workbook.example/tools v0.0.0

replace workbook.example/tools => ../../../../..
