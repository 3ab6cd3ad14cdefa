package rawdiag

// A Socket is a Conn of the kernel's.
type Socket struct{}
