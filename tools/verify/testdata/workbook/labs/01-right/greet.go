package right

import "errors"

// Greet greets somebody by name.
func Greet(name string) (string, error) {
	return "", errors.New("Greet: not implemented yet")
}
