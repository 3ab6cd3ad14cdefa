package fixture_test

import (
	"errors"
	"net"

	fixture "workbook.example/labs/01-fixture"
	"workbook.example/tools/labtest"
)

type msg = labtest.Fields

// start serves with handle until the test ends, and returns the address.
func start(t *labtest.T, handle func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go new(fixture.Server).Serve(l, handle)
	return l.Addr().String()
}

func init() {
	labtest.Probe(1, func() error { return errors.New("Decoder.Next returned nothing; want a frame") })
	labtest.Probe(2, func() error { new(fixture.Server).Shutdown(); return nil })
	labtest.Probe(3, func() error { new(fixture.Server).Third(nil); return nil })
	labtest.Probe(4, func() error { return nil })
}
