package labtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"workbook.example/tools/wire"
)

// Peer is one end of a connection whose other end is what is tested: it does
// what the test says, and records what went over the connection. It speaks
// frames: JSON objects, one a line.
//
// A Peer reads only when the test asks it to, in the test's own goroutine, and
// never for longer than Patience. Different peers may be used by different
// goroutines at once; one peer belongs to one goroutine at a time.
type Peer struct {
	t     *T
	name  string
	other string // the participant at the other end
	conn  net.Conn
	come  []byte // what has been read and not been taken yet
	over  error  // why no more can come
}

// Dial connects to addr as the participant called name. The connection is
// closed when the test ends.
func (t *T) Dial(name, addr string) *Peer {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, Patience)
	if err != nil {
		t.Broken(saidNoDial, name, t.subjectName(), cause(err))
	}
	return t.Peer(name, conn)
}

// Peer makes a peer of a connection that the test has made, and closes it when
// the test ends.
func (t *T) Peer(name string, conn net.Conn) *Peer {
	p := &Peer{t: t, name: name, other: t.subjectName(), conn: conn}
	t.talk.Join(p.name, p.other)
	// The cleanup is also what keeps the connection alive until then: Go closes
	// one that nothing refers to any more.
	t.Cleanup(func() { p.conn.Close() })
	return p
}

// Name is the participant's name.
func (p *Peer) Name() string { return p.name }

// Conn is the connection itself, for what a Peer cannot do. What is read and
// written there is not recorded.
func (p *Peer) Conn() net.Conn { return p.conn }

// Send sends line as one frame: the line and its LF, in one Write.
func (p *Peer) Send(line string) {
	p.t.Helper()
	p.write([]byte(line+"\n"), label([]byte(line), nil))
}

// SendJSON sends v as one frame.
func (p *Peer) SendJSON(v any) {
	p.t.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("labtest: SendJSON: %v", err))
	}
	p.Send(string(line))
}

// SendRaw sends bytes as they are, in one Write.
func (p *Peer) SendRaw(b []byte) {
	p.t.Helper()
	p.write(b, rawLabel(b))
}

// SendBytewise sends bytes as they are, each in a Write of its own, so that
// they can arrive one by one.
func (p *Peer) SendBytewise(b []byte) {
	p.t.Helper()
	if tcp, ok := p.conn.(*net.TCPConn); ok {
		tcp.SetNoDelay(true) // the default; a proxy's or a lab's connection may differ
	}
	p.record(wire.Event{Kind: wire.Send, Text: fmt.Sprintf(labelBytewise, rawLabel(b)), Bytes: b})
	for i := range b {
		p.put(b[i:i+1], rawLabel(b))
	}
}

// SendTogether sends several lines as frames, all in one Write.
func (p *Peer) SendTogether(lines ...string) {
	p.t.Helper()
	var b []byte
	for i, line := range lines {
		b = append(append(b, line...), '\n')
		text := label([]byte(line), nil)
		if i > 0 {
			text = fmt.Sprintf(labelTogether, text)
		}
		p.record(wire.Event{Kind: wire.Send, Text: text, Bytes: []byte(line + "\n")})
	}
	p.put(b, fmt.Sprintf(wordFrames, len(lines)))
}

func (p *Peer) write(b []byte, text string) {
	p.t.Helper()
	p.record(wire.Event{Kind: wire.Send, Text: text, Bytes: b})
	p.put(b, text)
}

// put writes, and says in the protocol's words why it could not.
func (p *Peer) put(b []byte, what string) {
	p.t.Helper()
	p.conn.SetWriteDeadline(time.Now().Add(Patience))
	_, err := p.conn.Write(b)
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.record(wire.Event{Kind: wire.Note, Text: fmt.Sprintf(labelUnread, seconds(Patience)), Mark: markRead})
		p.t.Broken(saidNoReader, p.other, p.name, what, seconds(Patience))
	case isReset(err):
		p.record(wire.Event{Kind: wire.Note, Text: labelUnsent, Mark: markConnected})
		p.t.Broken(saidSendReset, p.other, p.name, what)
	default:
		p.t.Broken(saidSendFailed, p.name, what, cause(err))
	}
}

// CloseWrite says that nothing more will be sent (FIN), and goes on reading.
func (p *Peer) CloseWrite() {
	p.t.Helper()
	half, ok := p.conn.(interface{ CloseWrite() error })
	if !ok {
		panic(fmt.Sprintf("labtest: a %T cannot be closed for writing only", p.conn))
	}
	p.record(wire.Event{Kind: wire.FIN, Text: labelFIN})
	if err := half.CloseWrite(); err != nil {
		p.t.Broken(saidSendFailed, p.name, labelFIN, cause(err))
	}
}

// Reset throws the connection away (RST), as a crashing machine does.
func (p *Peer) Reset() {
	tcp, ok := p.conn.(*net.TCPConn)
	if !ok {
		panic(fmt.Sprintf("labtest: a %T cannot be reset", p.conn))
	}
	p.record(wire.Event{Kind: wire.RST, Text: labelRST})
	tcp.SetLinger(0)
	tcp.Close()
}

// Close closes the connection in both directions. When something that came was
// not read yet, the other end sees a reset, as with any program that does so.
func (p *Peer) Close() {
	p.record(wire.Event{Kind: wire.FIN, Text: labelClose})
	p.conn.Close()
}

// StopReading makes the peer a slow one: its receive buffer is made as small as
// the system lets it be, and the test reads nothing from here on, so that the
// other end's writes soon have no room left. A later Receive reads again.
func (p *Peer) StopReading() {
	if tcp, ok := p.conn.(*net.TCPConn); ok {
		tcp.SetReadBuffer(1)
	}
	p.note(wire.Event{From: p.name, To: p.other, Kind: wire.Note, Text: labelStopped})
}

// record adds an event that goes from the peer to the other end.
func (p *Peer) record(e wire.Event) {
	e.From, e.To = p.name, p.other
	p.t.talk.Add(e)
}

func (p *Peer) note(e wire.Event) { p.t.talk.Add(e) }

const (
	readSize = 16 << 10
	maxLine  = 4 << 20 // a frame so long that no lab has a use for it
)

var errLongLine = errors.New("no line end within 4 MiB")

// next is the next frame, without its line end. The error says why there is
// none: os.ErrDeadlineExceeded after the time given, io.EOF, or what reading
// failed with.
func (p *Peer) next(patience time.Duration) ([]byte, error) {
	p.conn.SetReadDeadline(time.Now().Add(patience))
	seen := 0
	for {
		if i := bytes.IndexByte(p.come[seen:], '\n'); i >= 0 {
			frame := p.come[:seen+i]
			p.come = p.come[seen+i+1:]
			return bytes.TrimSuffix(frame, []byte("\r")), nil
		}
		if seen = len(p.come); seen > maxLine {
			return nil, errLongLine
		}
		if p.over != nil {
			return nil, p.over
		}
		buf := make([]byte, readSize)
		n, err := p.conn.Read(buf)
		p.come = append(p.come, buf[:n]...)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			p.over = err // whatever has come is taken first
		} else if err != nil {
			return nil, err
		}
	}
}

// cause is the innermost error, which is what a learner would look up.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		err = sys.Err
	}
	if errors.Is(err, io.EOF) {
		return errors.New(wordEOF)
	}
	return err
}
