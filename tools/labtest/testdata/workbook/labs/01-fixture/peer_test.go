package fixture_test

import (
	"net"
	"strings"
	"testing"
	"time"

	fixture "workbook.example/labs/01-fixture"
	"workbook.example/tools/labtest"
)

const (
	welcome = `{"type":"login_response","success":true,"message":"Welcome!","user_id":"u1"}` + "\n"
	hello   = `{"type":"chat_message","username":"bob","content":"Hello, everybody out there!","timestamp":1700000000.25,"seq":7}` + "\n"
)

func TestExpectOtherField(tt *testing.T) {
	t := labtest.Begin(tt)
	addr := start(t, func(c net.Conn) { fixture.Answer(welcome)(c) })
	for _, p := range []*labtest.Peer{t.Dial("alice", addr), t.Dial("carol", addr)} {
		p.SendJSON(msg{"type": "login", "username": "bob", "password": "x"})
		p.Expect(msg{"type": "login_response", "success": p.Name() == "alice"})
	}
}

func TestExpectOtherType(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once(`{"type":"error","code":"not_logged_in","message":"Log in first, then try again, please."}`+"\n")))
	alice.Expect(msg{"type": "chat_response", "id": 1, "seq": labtest.Any})
}

func TestExpectMissingField(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once(`{"type":"chat_response","success":true}`+"\n")))
	alice.Expect(msg{"type": "chat_response", "success": true, "id": 12345678901234567})
}

func TestExpectMatchers(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once(`{"type":"left","username":"","room":"x","seq":1.0,"list":[1,{"a":"b"}]}`+"\n")))
	alice.Expect(msg{
		"type": "left", "username": labtest.NonEmpty, "room": labtest.Absent, "age": labtest.Any, "seq": 1,
		"list": []any{1, msg{"a": func(v any) bool { return v == "c" }}},
	})
}

func TestExpectAndNothingComes(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Answer()))
	alice.SendJSON(msg{"type": "chat", "content": "hi"})
	alice.Expect(msg{"type": "chat_message", "content": "hi"})
}

func TestExpectAndTheServerIsLocked(tt *testing.T) {
	t := labtest.Begin(tt)
	s := new(fixture.Server)
	alice := t.Dial("alice", start(t, func(net.Conn) { s.Shutdown() }))
	alice.Expect(msg{"type": "welcome"})
}

func TestReceiveAndNothingComes(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Dial("alice", start(t, fixture.Answer())).Receive()
}

func TestExpectAndNoLineEndComes(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Answer(strings.TrimSuffix(hello, "\n"))))
	alice.Send("?")
	alice.Expect(msg{"type": "chat_message"})
}

func TestExpectAndItCloses(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once(welcome)))
	alice.Expect(msg{"type": "login_response"})
	alice.Expect(msg{"type": "chat_message", "content": "hi"})
}

func TestExpectAndItResets(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Drop))
	alice.SendJSON(msg{"type": "logout"})
	alice.Expect(msg{"type": "logout_response"})
}

func TestExpectAndJunkComes(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once("\x1b[31m\xff\u202e not json at all, and rather long too\n")))
	alice.Expect(msg{"type": "login_response"})
}

func TestExpectNothingAndSomethingComes(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once(hello)))
	alice.ExpectNothing(labtest.Patience)
}

func TestExpectNothingAndItCloses(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once("")))
	alice.ExpectNothing(labtest.Patience)
}

func TestExpectEOFAndSomethingComes(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once(hello)))
	alice.ExpectEOF()
}

func TestExpectEOFAndItResets(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Drop))
	alice.Send("?")
	alice.ExpectEOF()
}

func TestExpectEOFAndItStaysOpen(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Answer()))
	alice.ExpectEOF()
}

func TestExpectEOFWithinAFrame(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once(welcome+`{"type":"chat_mess`)))
	alice.Receive()
	alice.ExpectEOF()
}

func TestExpectResetAndItCloses(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Once("")))
	alice.ExpectReset()
}

func TestAwaitAndItNeverComes(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Answer(welcome, hello+hello)))
	alice.SendTogether(`{"type":"login","username":"alice","password":"x"}`, `{"type":"chat","content":"hi"}`)
	alice.Await(msg{"type": "chat_response", "id": "a"})
}

func TestAwaitClosedAndItStaysOpen(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Answer(welcome)))
	alice.Send(`{"type":"logout"}`)
	alice.AwaitClosed()
}

func TestSendAfterReset(tt *testing.T) {
	t := labtest.Begin(tt)
	alice := t.Dial("alice", start(t, fixture.Drop))
	alice.Send("?")
	alice.ExpectClosed()
	alice.SendJSON(msg{"type": "logout"})
}

func TestSendAndNobodyReads(tt *testing.T) {
	t := labtest.Begin(tt)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	alice := t.Dial("alice", start(t, fixture.Ignore(done)))
	alice.SendRaw(make([]byte, 64<<20))
}

func TestDialAndNobodyListens(tt *testing.T) {
	t := labtest.Begin(tt)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	t.Dial("alice", l.Addr().String())
}

func TestClientDoesNotCome(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("client")
	t.Server("server").Accept("server")
}

func TestClientSaysTheWrongThing(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("client")
	srv := t.Server("server")
	c, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte(`{"type":"login","username":"al"}` + "\n"))
	srv.Accept("server").Expect(msg{"type": "login", "username": "alice"})
}

func TestEverythingAPeerDoes(tt *testing.T) {
	t := labtest.Begin(tt)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	addr := start(t, fixture.Ignore(done))
	alice, bob, carol := t.Dial("alice", addr), t.Dial("bob", addr), t.Dial("carol", addr)
	alice.Send("not json")
	alice.SendRaw([]byte(`{"type":"lo`))
	alice.SendBytewise([]byte("gout\"}\n"))
	bob.SendTogether(`{"type":"chat","content":"one"}`, `{"type":"chat","content":"two"}`)
	carol.StopReading()
	carol.ExpectNothing(20 * time.Millisecond)
	alice.CloseWrite()
	bob.Close()
	carol.Reset()
	t.Broken("This is what a conversation looks like.")
}

func TestProxyDoesWhatItDoes(tt *testing.T) {
	t := labtest.Begin(tt)
	addr := start(t, fixture.Answer(welcome, hello))
	proxy := t.Proxy("proxy", addr, labtest.ToServer.Fragment(1, 5), labtest.ToClient.CutAfter(int64(len(welcome)+20)))
	alice := t.Dial("alice", proxy.Addr())
	alice.SendJSON(msg{"type": "login", "username": "alice"})
	alice.Expect(msg{"type": "login_response"})
	proxy.Stall()
	proxy.Resume()
	alice.SendJSON(msg{"type": "chat", "content": "hi"})
	alice.Expect(msg{"type": "chat_message", "seq": 7})
}
