package tcpserver_test

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

func TestChatReachesEverybodyElse(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	alice, bob, carol := member(t, srv, "alice"), member(t, srv, "bob"), member(t, srv, "carol")
	before := float64(time.Now().UnixMicro()) / 1e6
	alice.SendJSON(msg{"type": "chat", "content": "hello, 世界"})
	for _, p := range []*labtest.Peer{bob, carol} {
		m := p.Await(msg{"type": "chat_message", "username": "alice", "content": "hello, 世界"})
		after := float64(time.Now().UnixMicro()) / 1e6
		if at := m.Number("timestamp"); at < before-1 || at > after+1 {
			t.Broken("The message has the timestamp %f; it was sent between %f and %f, Unix seconds.", at, before, after)
		}
	}
	// What alice said does not come back to alice.
	alice.Await(msg{"type": "joined", "username": "carol"})
	nothingElse(alice)
}

func TestSenderIsAcknowledged(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	alice, bob := member(t, srv, "alice"), member(t, srv, "bob")
	alice.SendJSON(msg{"type": "chat", "content": "first", "id": "a-1"})
	ack := alice.Await(msg{"type": "chat_response", "id": "a-1", "success": true})
	bob.Await(msg{"type": "chat_message", "content": "first", "seq": ack.Number("seq")})
	// Who gives no id asks for no answer.
	alice.SendJSON(msg{"type": "chat", "content": "second"})
	nothingElse(alice)
	bob.Await(msg{"type": "chat_message", "content": "second", "seq": ack.Number("seq") + 1})
}

func TestIdentityBelongsToTheConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	bob, mallory := member(t, srv, "bob"), member(t, srv, "mallory")
	mallory.SendJSON(msg{"type": "chat", "content": "the password is 1234", "username": "admin"})
	if m := bob.Await(msg{"type": "chat_message"}); m.String("username") != "mallory" {
		t.Broken("mallory wrote another name into a message, and to bob it came from %q.", m.String("username"))
	}
}

func TestEmptyContentIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	bob, alice := member(t, srv, "bob"), member(t, srv, "alice")
	alice.SendJSON(msg{"type": "chat", "content": "", "id": 1})
	alice.Expect(msg{"type": "error", "code": tcpserver.CodeEmptyContent, "id": 1})
	bob.Expect(msg{"type": "joined", "username": "alice"})
	nothingElse(bob)
}

func TestStrangersHearNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	stranger := t.Dial("stranger", srv.Addr())
	nothingElse(stranger) // served, but not logged in
	alice, bob := member(t, srv, "alice"), member(t, srv, "bob")
	alice.SendJSON(msg{"type": "chat", "content": "among us"})
	bob.Await(msg{"type": "chat_message", "content": "among us"})
	nothingElse(stranger)
}

func TestJoiningAndLeavingAreAnnounced(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	alice := member(t, srv, "alice")
	bob := member(t, srv, "bob")
	alice.Expect(msg{"type": "joined", "username": "bob"})
	nothingElse(bob) // one's own arrival is no news
	stranger := t.Dial("stranger", srv.Addr())
	nothingElse(stranger)
	stranger.Close()
	bob.Close()
	alice.Expect(msg{"type": "left", "username": "bob"})
	carol := member(t, srv, "carol")
	alice.Expect(msg{"type": "joined", "username": "carol"})
	carol.Reset()
	alice.Expect(msg{"type": "left", "username": "carol"})
	nothingElse(alice)
}

func TestEverybodySeesTheSameOrder(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	receivers := []*labtest.Peer{member(t, srv, "x"), member(t, srv, "y")}
	const senders, each = 4, 50
	var sending sync.WaitGroup
	for i := range senders {
		p := member(t, srv, fmt.Sprintf("sender%d", i+1))
		sending.Go(func() {
			for n := range each {
				p.SendJSON(msg{"type": "chat", "content": fmt.Sprintf("%s says %d", p.Name(), n)})
			}
		})
	}
	sending.Wait()
	var orders [][]string
	for _, p := range receivers {
		var order []string
		last := 0.0
		for range senders * each {
			m := p.Await(msg{"type": "chat_message"})
			if seq := m.Number("seq"); last != 0 && seq != last+1 {
				t.Broken("%s was sent the message with seq %v after that with seq %v.", p.Name(), seq, last)
			}
			last = m.Number("seq")
			order = append(order, m.String("content"))
		}
		orders = append(orders, order)
	}
	for i := range orders[0] {
		if orders[0][i] != orders[1][i] {
			t.Broken("The message that came to x as number %d is %q, and to y %q.", i+1, orders[0][i], orders[1][i])
		}
	}
	for i := range senders {
		want := 0
		for _, content := range orders[0] {
			if strings.HasPrefix(content, fmt.Sprintf("sender%d says ", i+1)) {
				if content != fmt.Sprintf("sender%d says %d", i+1, want) {
					t.Broken("sender%d's message %d came as %q: what one sender says stays in order.", i+1, want, content)
				}
				want++
			}
		}
	}
}

func TestSlowReaderDelaysNobody(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := startNarrow(t, func(s *tcpserver.Server) { s.OutboxLimit = 128 << 10 })
	slow := member(t, srv, "slow")
	slow.StopReading()
	bob, alice := member(t, srv, "bob"), member(t, srv, "alice")
	text := strings.Repeat("x", 16<<10)
	for i := range 60 {
		alice.SendJSON(msg{"type": "chat", "content": fmt.Sprint(i, " ", text)})
		for {
			m := bob.Receive()
			if m.String("type") == "chat_message" {
				break // what it says is another law's matter
			}
		}
	}
	member(t, srv, "dave") // and the door is open too
}

func TestSlowReaderIsDisconnected(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	const limit = 128 << 10
	srv := startNarrow(t, func(s *tcpserver.Server) { s.OutboxLimit = limit })
	slow := member(t, srv, "slow")
	slow.StopReading()
	bob, alice := member(t, srv, "bob"), member(t, srv, "alice")
	logged := len(srv.log.String())
	text := strings.Repeat("x", 8<<10)
	for sent := 0; ; sent += len(text) {
		if sent > 8<<20 {
			t.Broken("%d MiB were said to a client that reads nothing and may have %d KiB waiting, and it is still there.", sent>>20, limit>>10)
		}
		alice.SendJSON(msg{"type": "chat", "content": text})
		m := bob.Await(msg{"type": labtest.NonEmpty})
		for m.String("type") == "joined" {
			m = bob.Receive()
		}
		if m.String("type") == "left" {
			break
		}
	}
	addr := slow.Conn().LocalAddr().String()
	t.Eventually(fmt.Sprintf("A line in the log that slow, or %s, was disconnected", addr), func() bool {
		since := srv.log.String()[logged:]
		return strings.Contains(since, "slow") || strings.Contains(since, addr)
	})
	t.Eventually("That slow's name is free again", func() bool { return isFree(srv, "slow") })
}

func TestBurstOfSmallMessagesIsDelivered(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := startNarrow(t)
	bob := member(t, srv, "bob") // who does not look for a while
	carol, alice := member(t, srv, "carol"), member(t, srv, "alice")
	const burst = 5000 // small ones: together half of what an outbox holds
	for i := range burst {
		alice.SendJSON(msg{"type": "chat", "content": fmt.Sprint(i)})
	}
	for _, p := range []*labtest.Peer{carol, bob} { // when carol has all of it, all of it has been said
		for i := range burst {
			m := p.Await(msg{"type": "chat_message"})
			if got := m.String("content"); got != fmt.Sprint(i) {
				t.Broken("Of a burst of %d small messages %s was sent %q where %q comes next, and nobody said that some are missing.", burst, p.Name(), got, fmt.Sprint(i))
			}
		}
	}
}

func TestDeadReaderIsRemoved(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	alice, carol := member(t, srv, "alice"), member(t, srv, "carol")
	for i := range 5 {
		bob := member(t, srv, fmt.Sprintf("bob%d", i))
		bob.Reset()
		for n := range 3 {
			alice.SendJSON(msg{"type": "chat", "content": "hello?", "id": fmt.Sprint(i, ".", n)})
			alice.Await(msg{"type": "chat_response", "id": fmt.Sprint(i, ".", n)})
		}
		carol.Await(msg{"type": "left", "username": bob.Name()})
	}
	t.Eventually("That the dead one's name is free again", func() bool { return isFree(srv, "bob0") })
}

func TestFramesNeverMix(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	srv := startOn(t, politeListener{l})
	bob := member(t, srv, "bob")
	const senders, each, questions = 3, 40, 300
	var writing sync.WaitGroup
	for i := range senders {
		p := member(t, srv, fmt.Sprintf("sender%d", i+1))
		writing.Go(func() {
			for range each {
				p.SendJSON(msg{"type": "chat", "content": strings.Repeat(p.Name(), 100)})
			}
		})
	}
	// Answers to bob and messages for bob come from different places in the
	// server, and meet on one connection.
	writing.Go(func() {
		for n := range questions {
			fmt.Fprintf(bob.Conn(), "{\"type\":\"dance\",\"id\":%d}\n", n)
		}
	})
	messages, answers := 0, 0
	for messages < senders*each || answers < questions {
		switch m := bob.Receive(); m.String("type") { // Receive breaks the law on what is no message
		case "chat_message":
			messages++
			if who := m.String("username"); m.String("content") != strings.Repeat(who, 100) {
				t.Broken("A message of %s came to bob with bytes that %s did not send: %s", who, who, short(m.String("content")))
			}
		case "error":
			if id := m.Number("id"); id != float64(answers) {
				t.Broken("The answer to question %v came to bob where that to question %d is next.", id, answers)
			}
			answers++
		}
	}
	writing.Wait()
}

// A politeListener's connections let others go first after each Write, so that
// two writers to one connection meet there, as they would sooner or later.
type politeListener struct{ net.Listener }

func (l politeListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		conn = politeConn{tcp}
	}
	return conn, err
}

type politeConn struct{ *net.TCPConn }

func (c politeConn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	runtime.Gosched()
	return n, err
}

func TestNoFrameIsTooLong(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	bob, alice := member(t, srv, "bob"), member(t, srv, "alice")
	// It fits as alice's request, but not with what the server adds.
	request := fmt.Sprintf(`{"type":"chat","content":%q}`, "")
	alice.Send(fmt.Sprintf(`{"type":"chat","content":%q}`, strings.Repeat("x", tcpserver.MaxFrame-1-len(request))))
	alice.Expect(msg{"type": "error"})
	// It fits, unless the server writes six characters for each of these.
	arrows := strings.Repeat("<", 40_000)
	alice.SendJSON(msg{"type": "chat", "content": "next"})
	alice.Send(`{"type":"chat","content":"` + arrows + `"}`)
	first := bob.Await(msg{"type": "chat_message"})
	if first.String("content") != "next" {
		t.Broken("A message that is too long for one frame was sent to bob all the same, in a frame of %d bytes.", len(first.Raw())+1)
	}
	m := bob.Await(msg{"type": "chat_message", "seq": first.Number("seq") + 1})
	if m.String("content") != arrows || len(m.Raw())+1 > tcpserver.MaxFrame {
		t.Broken("A content of 40000 %q came to bob in a frame of %d bytes; the limit is %d.", "<", len(m.Raw())+1, tcpserver.MaxFrame)
	}
}

func TestNewcomerHearsOnlyWhatComesAfter(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4)
	srv := start(t)
	alice := member(t, srv, "alice")
	stop := make(chan struct{})
	var talking sync.WaitGroup
	talking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := alice.Conn().Write([]byte("{\"type\":\"chat\",\"content\":\"bla\"}\n")); err != nil {
					return
				}
			}
		}
	})
	defer talking.Wait()
	defer close(stop)
	for i := range 10 {
		p := t.Dial(fmt.Sprintf("new%d", i), srv.Addr())
		m := login(p, p.Name()) // the welcome is the first thing that a newcomer gets
		if users, ok := m.Value("users").([]any); !ok || !slices.Contains(users, any(p.Name())) || !slices.Contains(users, any("alice")) {
			t.Broken("The welcome of %s lists the users %v; expected everybody who is there, alice and %s too.", p.Name(), m.Value("users"), p.Name())
		}
		p.Close()
	}
}
