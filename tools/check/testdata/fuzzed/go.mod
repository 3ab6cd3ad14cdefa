module example.test/fuzzed

go 1.26
