module example.test/fast

go 1.26
