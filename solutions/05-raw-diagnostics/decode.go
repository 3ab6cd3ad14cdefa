package rawdiag

import "errors"

// Decode takes an Ethernet frame apart. It takes no memory, keeps nothing but
// references to frame, and never panics, whatever the frame holds.
//
// A frame that ends too early, or whose lengths cannot be, gives an error that
// wraps ErrShort or ErrMalformed; l has the layers before that. What this package
// does not know is no error: it is the Payload.
func Decode(frame []byte, l *Layers) error {
	return errors.New("Decode: not implemented yet (labs/05-raw-diagnostics/README.md#6-decoding)")
}
