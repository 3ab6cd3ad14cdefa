package tcpclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
	"workbook.example/tools/labtest"
)

// An outcome is what Ask, Login or Chat returned.
type outcome struct {
	answer tcpclient.Message
	err    error
}

// asking calls Ask in a goroutine.
func asking(c *testClient, ctx context.Context, r tcpclient.Request) <-chan outcome {
	returned := make(chan outcome, 1)
	go func() {
		m, err := c.Ask(ctx, r)
		returned <- outcome{m, err}
	}()
	return returned
}

// asked is the next request that the server gets: its type and its id.
func asked(server *labtest.Peer, want msg) (id any) {
	want["id"] = labtest.NonEmpty
	return server.Expect(want).Value("id")
}

// confirm answers a chat.
func confirm(server *labtest.Peer, id any, seq int) {
	server.SendJSON(msg{"type": "chat_response", "id": id, "success": true, "seq": seq})
}

// chats checks that c can ask and is answered.
func chats(t *labtest.T, c *testClient, server *labtest.Peer, after string) {
	t.Helper()
	returned := asking(c, within(t), say("still there?"))
	confirm(server, asked(server, msg{"type": "chat", "content": "still there?"}), 4711)
	got := next(t, after+": the answer to another Ask", returned)
	if got.err != nil || got.answer.Seq != 4711 {
		t.Broken("%s: another Ask was answered with seq 4711, and returned seq %d and %s.", after, got.answer.Seq, orNil(got.err))
	}
}

func TestQuickAnswerIsNotMissed(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	// A network so fast that the answer has been received, and the client
	// waits for more, before Write returns.
	reads := make(chan struct{}, 100)
	c, server := startOn(t, func(conn net.Conn) net.Conn {
		return &tamperedConn{Conn: conn,
			read: func(b []byte) (int, error) {
				reads <- struct{}{}
				return conn.Read(b)
			},
			write: func(b []byte) (int, error) {
				<-reads // the read that waits for the answer
				n, err := conn.Write(b)
				select {
				case <-reads: // the one after it
				case <-time.After(labtest.Patience / 2):
				}
				reads <- struct{}{}
				return n, err
			}}
	})
	for i := range 5 {
		returned := asking(c, within(t), say("hi"))
		confirm(server, asked(server, msg{"type": "chat"}), i)
		var got outcome
		select {
		case got = <-returned:
		case <-time.After(labtest.Patience):
			t.Broken("Ask did not return, although its answer was sent: it came before the Write of the request had returned.")
		}
		if got.err != nil || got.answer.Seq != uint64(i) {
			t.Broken("The answer, with seq %d, came before Write had returned; Ask returned seq %d and %s.", i, got.answer.Seq, orNil(got.err))
		}
	}
}

func TestAnswerGoesToWhoAsked(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	c, server := start(t)
	const questions = 10
	var returned []<-chan outcome
	ids := make(map[string]any)
	for i := range questions {
		returned = append(returned, asking(c, within(t), say(fmt.Sprint(i))))
	}
	for range questions {
		m := server.Expect(msg{"type": "chat", "id": labtest.NonEmpty})
		ids[m.String("content")] = m.Value("id")
	}
	for i := questions - 1; i >= 0; i-- { // the last question first, and something else between
		confirm(server, ids[fmt.Sprint(i)], 100+i)
		server.Send(chatMessage(i, "by the way"))
	}
	for i, r := range returned {
		got := next(t, fmt.Sprintf("The answer to question %d of %d", i, questions), r)
		if got.err != nil || got.answer.Seq != uint64(100+i) {
			t.Broken("Ten questions were answered in reverse order. Ask number %d returned seq %d and %s; expected seq %d.", i, got.answer.Seq, orNil(got.err), 100+i)
		}
	}
}

func TestNoTwoRequestsHaveTheSameID(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	c, server := start(t)
	seen := make(map[string]bool)
	see := func(id any, how string) {
		t.Helper()
		text, _ := json.Marshal(id)
		if seen[string(text)] {
			t.Broken("The id %s came twice, %s.", text, how)
		}
		seen[string(text)] = true
	}
	for range 5 { // one after the other
		returned := asking(c, within(t), say("hi"))
		id := asked(server, msg{"type": "chat"})
		see(id, "in requests one after the other")
		confirm(server, id, 1)
		next(t, "The answer", returned)
	}
	ctx, cancel := context.WithCancel(context.Background())
	for range 5 { // some that give up
		returned := asking(c, ctx, say("hi"))
		see(asked(server, msg{"type": "chat"}), "the second time after some requests that nobody had answered")
		if len(seen) == 8 {
			cancel()
			next(t, "The return of Ask after cancel", returned)
			ctx, cancel = context.WithCancel(context.Background())
		}
	}
	defer cancel()
	var all sync.WaitGroup
	for range 20 { // and many at once
		all.Go(func() { c.Ask(ctx, say("hi")) })
	}
	for range 20 {
		see(asked(server, msg{"type": "chat"}), "in requests made at the same time")
	}
	cancel()
	t.Returns("Ask, after cancel,", all.Wait)
}

func TestLoginWaitsForItsAnswer(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	c, server := start(t)
	login := func(name string) <-chan outcome {
		returned := make(chan outcome, 1)
		go func() {
			m, err := c.Login(within(t), name, "x")
			returned <- outcome{m, err}
		}()
		return returned
	}
	returned := login("bob")
	id := asked(server, msg{"type": "login", "username": "bob", "password": "x"})
	server.SendJSON(msg{"type": "login_response", "id": id, "success": false, "code": "name_taken", "message": "somebody else is here under that name"})
	got := next(t, "The return of Login after its answer", returned)
	refused, ok := errors.AsType[*tcpclient.ServerError](got.err)
	if !ok || refused.Code != "name_taken" {
		t.Broken("The server refused a login with the code name_taken, and Login returned %s; expected a *ServerError with that code.", orNil(got.err))
	}
	returned = login("bob2")
	id = asked(server, msg{"type": "login", "username": "bob2"})
	server.SendJSON(msg{"type": "login_response", "id": id, "success": true, "message": "welcome, bob2", "user_id": "Q7", "users": []string{"bob", "bob2"}})
	got = next(t, "The return of Login after its answer", returned)
	if got.err != nil || got.answer.UserID != "Q7" || len(got.answer.Users) != 2 {
		t.Broken("The server answered a login with the user_id Q7 and two users; Login returned the user_id %q, the users %q and %s.", got.answer.UserID, got.answer.Users, orNil(got.err))
	}
}

func TestChatReturnsItsNumber(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	c, server := start(t)
	type result struct {
		seq uint64
		err error
	}
	returned := make(chan result, 1)
	chat := func(content string) {
		seq, err := c.Chat(within(t), content)
		returned <- result{seq, err}
	}
	go chat("hi")
	confirm(server, asked(server, msg{"type": "chat", "content": "hi"}), 42)
	if got := next(t, "The return of Chat after its answer", returned); got.seq != 42 || got.err != nil {
		t.Broken("The server confirmed a chat with seq 42; Chat returned %d and %s.", got.seq, orNil(got.err))
	}
	go chat("")
	server.SendJSON(msg{"type": "error", "id": asked(server, msg{"type": "chat", "content": ""}), "code": "empty_content", "message": "content is empty"})
	got := next(t, "The return of Chat after an error", returned)
	if refused, ok := errors.AsType[*tcpclient.ServerError](got.err); !ok || refused.Code != "empty_content" {
		t.Broken("The server answered a chat with the error empty_content; Chat returned %d and %s.", got.seq, orNil(got.err))
	}
	chats(t, c, server, "A chat was refused")
}

func TestAskEndsWithItsContext(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	c, server := start(t)
	ctx, cancel := context.WithCancel(context.Background())
	returned := asking(c, ctx, say("one"))
	late := asked(server, msg{"type": "chat", "content": "one"})
	cancel()
	got := next(t, "The return of Ask after cancel", returned)
	if !errors.Is(got.err, context.Canceled) {
		t.Broken("Ask was cancelled while it waited for its answer, and returned %s; expected context.Canceled.", orNil(got.err))
	}
	// The late answer is not that of the next question.
	returned = asking(c, within(t), say("two"))
	id := asked(server, msg{"type": "chat", "content": "two"})
	confirm(server, late, 1)
	confirm(server, id, 2)
	got = next(t, "The return of Ask after its answer", returned)
	if got.err != nil || got.answer.Seq != 2 {
		t.Broken("The answer to a question that was given up came late, with seq 1, and then that to the next one, with seq 2. The next Ask returned seq %d and %s.", got.answer.Seq, orNil(got.err))
	}

	var took time.Duration
	var err error
	onFakeTime(t, func(c *testClient, server net.Conn) {
		go readLine(server)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		_, err = c.Ask(ctx, say("hi"))
		took = time.Since(begun)
	})
	if !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
		t.Broken("The server did not answer, and Ask had a context of 3 s; it returned %s after %v.", orNil(err), took)
	}
}

func TestDisconnectFailsAllWhoWait(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	c, server := start(t)
	const questions = 10
	var returned []<-chan outcome
	for range questions {
		returned = append(returned, asking(c, context.Background(), say("hi")))
	}
	for range questions {
		asked(server, msg{"type": "chat"})
	}
	server.Reset()
	for i, r := range returned {
		got := next(t, fmt.Sprintf("The return of Ask, %d of %d that waited when the connection was reset,", i+1, questions), r)
		if !errors.Is(got.err, syscall.ECONNRESET) {
			t.Broken("The connection was reset while ten waited for answers. One of them got %s; expected what Err gives, %q.", orNil(got.err), c.Err())
		}
	}
	if _, err := c.Ask(within(t), say("hi")); !errors.Is(err, syscall.ECONNRESET) {
		t.Broken("The connection had been reset, and a new Ask returned %s; expected what Err gives, %q.", orNil(err), c.Err())
	}
}

func TestAnswerBeforeTheEndCounts(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	for try := range 20 {
		// Answer and end have both been received when Write returns.
		var c *testClient
		conn, server := connection(t)
		c = newClient(t)
		run(t, c, &tamperedConn{Conn: conn, write: func(b []byte) (int, error) {
			n, err := conn.Write(b)
			select {
			case <-c.Done():
			case <-time.After(labtest.Patience):
			}
			return n, err
		}})
		returned := asking(c, within(t), say("hi"))
		confirm(server, asked(server, msg{"type": "chat"}), 7)
		server.CloseWrite()
		got := next(t, "The return of Ask after its answer", returned)
		if got.err != nil || got.answer.Seq != 7 {
			t.Broken("The server answered, and then ended the connection, before Ask had looked (try %d). Ask returned seq %d and %s; expected the answer, with seq 7.", try+1, got.answer.Seq, orNil(got.err))
		}
	}
}

func TestStrayAnswerDoesNoHarm(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	c, server := start(t)
	// The five are read at once, mostly before the Ask that waits for one has run. Not
	// always, so that is tried often.
	for range 100 {
		returned := asking(c, within(t), say("hi"))
		id := asked(server, msg{"type": "chat"})
		server.SendTogether(slices.Repeat([]string{fmt.Sprintf(`{"type":"chat_response","id":%s,"success":true,"seq":1}`, jsonOf(id))}, 5)...)
		if got := next(t, "The return of Ask after five answers", returned); got.err != nil {
			t.Broken("A question was answered five times, and Ask returned %s.", orNil(got.err))
		}
	}
	server.SendTogether(
		`{"type":"chat_response","id":"nobody asked","success":true,"seq":1}`,
		`{"type":"chat_response","id":{"strange":[1]},"success":true,"seq":1}`,
		`{"type":"chat_response","success":true,"seq":1}`,
		`{"type":"error","code":"bad_json","message":"about nothing in particular"}`,
		`{"type":"logout_response","id":null,"success":true}`,
	)
	chats(t, c, server, "The server had sent answers that nobody waited for")
}

func TestAnswersAreNotForHandlers(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 4, 5)
	c, server := start(t)
	handled := make(chan string, 100)
	c.OnOther(func(m tcpclient.Message) { handled <- string(m.Frame) })
	returned := asking(c, within(t), say("one"))
	id := asked(server, msg{"type": "chat", "content": "one"})
	confirm(server, id, 1)
	next(t, "The return of Ask after its answer", returned)
	confirm(server, id, 1) // once more
	ctx, cancel := context.WithCancel(context.Background())
	returned = asking(c, ctx, say("two"))
	late := asked(server, msg{"type": "chat", "content": "two"})
	cancel()
	next(t, "The return of Ask after cancel", returned)
	confirm(server, late, 2)
	confirm(server, "nobody asked", 3)
	server.Send(`{"type":"joined","username":"carol"}`)
	if got := next(t, "The call of the handler for other types with joined", handled); !strings.Contains(got, "joined") {
		t.Broken("One answer came twice, one when Ask had given up, and one that nobody had asked for. A handler was called with %s; expected that answers which nobody waits for are dropped.", got)
	}
}

func TestMessageIsNoAnswer(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5)
	c, server := start(t)
	returned := asking(c, within(t), say("hi"))
	id := asked(server, msg{"type": "chat"})
	// Somebody else's words, and an error about nothing in particular.
	server.Send(strings.Replace(chatMessage(1, "not for you"), `{`, fmt.Sprintf(`{"id":%v,`, jsonOf(id)), 1))
	server.Send(`{"type":"error","code":"bad_json","message":"about nothing in particular"}`)
	confirm(server, id, 9)
	if got := next(t, "The return of Ask after its answer", returned); got.err != nil || got.answer.Seq != 9 {
		t.Broken("While Ask waited, other messages came: one that somebody said, and an error without an id. Ask returned a %s with seq %d and %s; expected its own answer, with seq 9.", got.answer.Type, got.answer.Seq, orNil(got.err))
	}
}

func jsonOf(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func TestHandlersMayAsk(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 4, 5)
	c, server := start(t)
	returned := make(chan outcome, 1)
	c.On(tcpclient.TypeJoined, func(m tcpclient.Message) {
		answer, err := c.Ask(within(t), say("welcome, "+m.Username))
		returned <- outcome{answer, err}
	})
	server.Send(`{"type":"joined","username":"carol"}`)
	confirm(server, asked(server, msg{"type": "chat", "content": "welcome, carol"}), 3)
	if got := next(t, "The return of Ask, called by a handler,", returned); got.err != nil || got.answer.Seq != 3 {
		t.Broken("A handler asked, and was answered with seq 3; Ask returned seq %d and %s.", got.answer.Seq, orNil(got.err))
	}
	inside, _ := hold(t, c)
	server.Send(chatMessage(1, "hi"))
	next(t, "The call of a handler", inside)
	chats(t, c, server, "A handler was at work")
}
