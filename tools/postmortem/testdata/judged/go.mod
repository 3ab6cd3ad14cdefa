module judged.example

go 1.26
