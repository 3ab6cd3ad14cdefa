package tcpclient_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
	"workbook.example/tools/labtest"
)

// contents registers a handler that passes on what chat messages say.
func contents(c *testClient) <-chan string {
	said := make(chan string, 1000)
	c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) { said <- m.Content })
	return said
}

// hears checks that handlers are called with these contents, in this order.
func hears(t *labtest.T, said <-chan string, want ...string) {
	t.Helper()
	for i, content := range want {
		if got := next(t, fmt.Sprintf("The call of a handler with %q (%d of %d)", content, i+1, len(want)), said); got != content {
			t.Broken("A handler was called with %q; expected %q, message %d of %d.", got, content, i+1, len(want))
		}
	}
}

// hold registers a handler that does not return from its first call until goOn
// is called, which is called at the end of the test at the latest.
func hold(t *labtest.T, c *testClient) (inside <-chan struct{}, goOn func()) {
	entered, left := make(chan struct{}), make(chan struct{})
	var first sync.Once
	c.On(tcpclient.TypeChatMessage, func(tcpclient.Message) {
		first.Do(func() {
			close(entered)
			<-left
		})
	})
	goOn = sync.OnceFunc(func() { close(left) })
	t.Cleanup(goOn)
	return entered, goOn
}

func TestHandlersAreCalledInOrder(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t)
	said := make(chan string, 1000)
	c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) { said <- m.Content })
	c.On(tcpclient.TypeJoined, func(m tcpclient.Message) { said <- m.Username + " joined" })
	c.On(tcpclient.TypeLeft, func(m tcpclient.Message) { said <- m.Username + " left" })
	c.On(tcpclient.TypeLeft, func(m tcpclient.Message) { said <- "and was missed" })
	var lines, want []string
	for i := range 50 {
		lines = append(lines, `{"type":"joined","username":"bob"}`, chatMessage(i, fmt.Sprint("number ", i)), `{"type":"left","username":"bob"}`)
		want = append(want, "bob joined", fmt.Sprint("number ", i), "bob left", "and was missed")
	}
	server.SendTogether(lines...)
	hears(t, said, want...)
}

func TestOtherTypesHaveTheirOwnHandlers(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t)
	said := contents(c)
	others := make(chan string, 1000)
	c.OnOther(func(m tcpclient.Message) { others <- m.Type })
	server.SendTogether(chatMessage(1, "one"), `{"type":"weather","outlook":"fine"}`, `{"type":"joined","username":"bob"}`, chatMessage(2, "two"))
	hears(t, said, "one", "two")
	for _, want := range []string{"weather", "joined"} {
		if got := next(t, fmt.Sprintf("The call of the handler for other types with a message of type %s", want), others); got != want {
			t.Broken("The handler for other types was called with a message of type %s; expected one of type %s.", got, want)
		}
	}
	select {
	case got := <-others:
		t.Broken("The handler for other types was called with a message of type %s, too.", got)
	case got := <-said:
		t.Broken("The handler for chat messages was called with %q, too.", got)
	default:
	}

	// Without a handler for other types nobody hears of them.
	c, server = start(t)
	said = contents(c)
	server.SendTogether(`{"type":"weather","outlook":"fine"}`, chatMessage(1, "one"))
	hears(t, said, "one")
}

func TestPanicEndsNothing(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t)
	c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) {
		if m.Content == "boom" {
			panic("a handler panics, as the test wants it to")
		}
	})
	said := contents(c)
	server.SendTogether(chatMessage(1, "one"), chatMessage(2, "boom"), chatMessage(3, "three"))
	hears(t, said, "one", "boom", "three")
	t.Eventually("That the log tells of the panic in a handler", func() bool {
		return strings.Contains(c.log.String(), "as the test wants it to")
	})
	stillGoing(t, c, server, "A handler panicked")
}

func TestSlowHandlerDoesNotHoldUpReceiving(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t)
	inside, _ := hold(t, c)
	server.SendTogether(chatMessage(1, "one"), chatMessage(2, "two"), chatMessage(3, "three"))
	next(t, "The call of a handler", inside)
	stillGoing(t, c, server, "A handler was at work, and two messages waited for it")
}

func TestNothingIsLostWhileAHandlerWorks(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t)
	inside, goOn := hold(t, c)
	said := make(chan string, 1500)
	c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) { said <- m.Content })
	// About half of what may wait, and the end of the connection behind it.
	var lines, want []string
	for i := range 1500 {
		lines = append(lines, chatMessage(i, fmt.Sprint(i))+"\n")
		want = append(want, fmt.Sprint(i))
	}
	server.SendRaw([]byte(lines[0]))
	next(t, "The call of a handler", inside)
	server.SendRaw([]byte(strings.Join(lines[1:], "")))
	server.CloseWrite()
	if err := ends(t, c, "The server sent 1500 messages while a handler was at work, and ended the connection"); !errors.Is(err, io.EOF) {
		t.Broken("The server sent 1500 messages, %d KB, while a handler was at work, and ended the connection. The client ended with %q; expected io.EOF.", len(strings.Join(lines, ""))>>10, err)
	}
	goOn()
	hears(t, said, want...)
}

func TestFullQueueEndsTheConnection(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	const limit = 32 << 10
	c, server := start(t, func(o *tcpclient.Options) { o.QueueLimit = limit })
	line := chatMessage(1, strings.Repeat("x", 8<<10))
	said := make(chan string, 100)
	remove := c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) { said <- m.Content })
	for i := range 10 { // what has been handled waits no longer
		server.Send(line)
		next(t, fmt.Sprintf("The call of a handler with message %d of 10, of 8 KiB each and one after the other,", i+1), said)
	}
	remove()
	inside, _ := hold(t, c)
	server.Send(chatMessage(0, "hold on"))
	next(t, "The call of a handler", inside)
	for range 3 {
		server.Send(line) // these fit
	}
	select {
	case <-c.Done():
		t.Broken("Three messages of 8 KiB waited for a handler, QueueLimit is 32 KiB, and the client ended with %s.", orNil(c.Err()))
	case <-time.After(20 * ms):
	}
	server.SendTogether(line, line, line, line, line)
	err := ends(t, c, "Eight messages of 8 KiB waited for a handler, and QueueLimit is 32 KiB")
	if !errors.Is(err, tcpclient.ErrTooSlow) {
		t.Broken("Eight messages of 8 KiB waited for a handler, and QueueLimit is 32 KiB. The client ended, and Err gave %q; expected ErrTooSlow.", err)
	}
}

func TestHandlersMayChangeHandlers(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t)
	said := make(chan string, 100)
	changed := make(chan struct{})
	var remove, removeOther func()
	remove = c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) {
		said <- "first " + m.Content
		c.On(tcpclient.TypeJoined, func(m tcpclient.Message) { said <- m.Username })
		removeOther()
		remove()
		remove()
		close(changed)
	})
	removeOther = c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) { said <- "second " + m.Content })
	c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) { said <- "third " + m.Content })
	server.SendTogether(chatMessage(1, "one"), `{"type":"joined","username":"bob"}`, chatMessage(2, "two"))
	hears(t, said, "first one")
	t.Returns("On or a function that it returned, called by a handler,", func() { <-changed })
	if t.Failed() {
		t.FailNow()
	}
	got := next(t, "The call of a handler after the first one", said)
	if got == "second one" {
		t.Broken("The first handler took out the second while both were to be called with the same message, and then the second was called all the same.")
	}
	if got != "third one" {
		t.Broken("The handler after the one that was taken out was to be called, and what came was the call %q.", got)
	}
	hears(t, said, "bob", "third two")
}

func TestOnlyOneRegistrationIsTakenOut(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t)
	said := make(chan string, 100)
	f := func(m tcpclient.Message) { said <- m.Content }
	c.On(tcpclient.TypeChatMessage, f)
	remove := c.On(tcpclient.TypeChatMessage, f)
	end := make(chan string, 100)
	c.On(tcpclient.TypeLeft, func(m tcpclient.Message) { end <- m.Username })
	server.Send(chatMessage(1, "one"))
	hears(t, said, "one", "one")
	remove()
	remove()
	server.SendTogether(chatMessage(2, "two"), `{"type":"left","username":"bob"}`)
	hears(t, said, "two")
	next(t, "The call of a handler for left", end)
	select {
	case got := <-said:
		t.Broken("One function was registered twice and taken out once. For one message it was called again, with %q.", got)
	default:
	}
}

func TestHandlersMayChangeAtAnyTime(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t)
	said := contents(c)
	var changing sync.WaitGroup
	stop := make(chan struct{})
	defer changing.Wait()
	defer close(stop)
	for range 4 {
		changing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					remove := c.On(tcpclient.TypeChatMessage, func(tcpclient.Message) {})
					c.OnOther(func(tcpclient.Message) {})()
					remove()
				}
			}
		})
	}
	var lines, want []string
	for i := range 200 {
		lines = append(lines, chatMessage(i, fmt.Sprint(i)), `{"type":"weather"}`)
		want = append(want, fmt.Sprint(i))
	}
	server.SendTogether(lines...)
	hears(t, said, want...)
}
