package wrong

// Greet greets somebody by name.
func Greet(name string) (string, error) {
	panic("not implemented")
}
