package echo_test

import (
	"errors"
	"net"

	echo "workbook.example/labs/01-echo"
	"workbook.example/tools/labtest"
)

func init() {
	labtest.Probe(1, func() error {
		if echo.Sum(1, 1) != 2 {
			return errors.New("1 and 1 is not 2")
		}
		return nil
	})
}

type server struct {
	*echo.Server
	net.Listener
	served chan error
}

func start(t *labtest.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Server: new(echo.Server), Listener: l, served: make(chan error, 1)}
	go func() { s.served <- s.Serve(l) }()
	t.Cleanup(func() {
		t.Returns("Stop", s.Stop)
		l.Close()
	})
	return s
}
