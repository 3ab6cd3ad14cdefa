package right

import "errors"

// Greet greets somebody by name.
func Greet(name string) (string, error) {
	if name == "" {
		return "", errors.New("nobody to greet")
	}
	return "Hello, " + name, nil
}
