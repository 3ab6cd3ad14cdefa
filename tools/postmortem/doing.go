package postmortem

import (
	"strings"

	"github.com/maruel/panicparse/v2/stack"
)

// Doing says what a goroutine is at.
type Doing struct {
	Verb string // "waits", "sleeps" or "computes"
	For  string // what it waits for, e.g. "a sync.Mutex"; empty when it does not wait

	rank  int  // how telling it is: lower comes first
	first bool // it is inside Scope.First
}

// A cause is a way of standing still.
type cause struct {
	is  string // a whole state, or the beginning of a function's name
	why string // a key of forWhat; see words.go
}

// byCall are the functions of the standard library whose name says more than
// the state that the runtime gives ("IO wait", "select"). The outermost one
// that is found counts.
var byCall = []cause{
	{"net.(*TCPListener).Accept", "accept"},
	{"net.(*UnixListener).Accept", "accept"},
	{"crypto/tls.(*listener).Accept", "accept"},
	{"net.(*Dialer).Dial", "dial"},
	{"net.Dial", "dial"},
	{"net.(*conn).Read", "read"},
	{"net.(*pipe).Read", "read"},
	{"crypto/tls.(*Conn).Read", "read"},
	{"net.(*UDPConn).Read", "datagram"},
	{"net.(*IPConn).Read", "datagram"},
	{"net.(*UnixConn).Read", "read"},
	{"net.(*conn).Write", "write"},
	{"net.(*pipe).Write", "write"},
	{"net.(*Buffers).WriteTo", "write"},
	{"net.(*TCPConn).ReadFrom", "write"},
	{"net.(*TCPConn).WriteTo", "read"},
	{"crypto/tls.(*Conn).Write", "write"},
	{"io.(*PipeReader).Read", "pipe read"},
	{"io.(*PipeWriter).Write", "pipe write"},
	{"sync.(*Once).", "once"},
	{"sync.(*Mutex).Lock", "mutex"},
	{"sync.(*RWMutex).", "rwmutex"},
	{"sync.(*WaitGroup).Wait", "waitgroup"},
	{"sync.(*Cond).Wait", "cond"},
	{"net.(*conn).Close", "close"},
}

// byState are the states that the runtime gives to a goroutine.
var byState = []cause{
	{"sync.Mutex.Lock", "mutex"},
	{"sync.RWMutex.Lock", "rwmutex"},
	{"sync.RWMutex.RLock", "rwmutex"},
	{"sync.WaitGroup.Wait", "waitgroup"},
	{"sync.Cond.Wait", "cond"},
	{"semacquire", "mutex"},
	{"chan receive", "receive"},
	{"chan send", "send"},
	{"chan receive (nil chan)", "nil receive"},
	{"chan send (nil chan)", "nil send"},
	{"select", "select"},
	{"select (no cases)", "no cases"},
	{"IO wait", "io"},
	{"syscall", "syscall"},
	{"sleep", "sleep"},
	{"running", "compute"},
	{"runnable", "compute"},
}

// doing reads the state of a goroutine and the calls that it made from its
// last line of judged code, the innermost first.
func doing(state string, calls []stack.Call) Doing {
	// The state may say more after a comma (how long, in which bubble) and, in a
	// bubble of testing/synctest, that nothing outside can end the wait.
	state, _, _ = strings.Cut(state, ",")
	state = strings.TrimSuffix(state, " (durable)")
	computing := state == "running" || state == "runnable"
	for i := len(calls) - 1; i >= 0 && !computing; i-- {
		for _, c := range byCall {
			if strings.HasPrefix(calls[i].Func.Complete, c.is) {
				return explained(c.why)
			}
		}
	}
	for _, c := range byState {
		if state == c.is {
			return explained(c.why)
		}
	}
	return Doing{Verb: verbWaits, For: state, rank: len(causes)}
}

func explained(why string) Doing {
	for i, c := range causes {
		if c.key == why {
			return Doing{Verb: c.verb, For: c.what, rank: i}
		}
	}
	return Doing{Verb: verbWaits, For: why, rank: len(causes)}
}
