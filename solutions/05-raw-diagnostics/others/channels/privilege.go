package rawdiag

import "strings"

// A PrivilegeError says that the kernel allows none of the sockets that were
// wanted. errors.Is finds os.ErrPermission in it.
type PrivilegeError struct {
	Ping error // why there was no ping socket; nil if none was wanted
	Raw  error // why there was no raw socket; nil if none was wanted
}

// Error says what is not allowed, and what would change that.
func (e *PrivilegeError) Error() string {
	var why []string
	if e.Ping != nil {
		why = append(why, "a ping socket is not allowed ("+e.Ping.Error()+"): it needs your group in net.ipv4.ping_group_range, so for everybody: sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'")
	}
	if e.Raw != nil {
		why = append(why, "a raw socket is not allowed ("+e.Raw.Error()+"): it needs CAP_NET_RAW; `make net-lab` is a network of your own where you have it, sudo has it everywhere")
	}
	return strings.Join(why, "; ")
}

// Unwrap returns the kernel's errors.
func (e *PrivilegeError) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Ping, e.Raw} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}
