package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
)

// maxLine is the longest line that is read: more than a message can hold.
const maxLine = 1 << 20

const help = `what you type is said to everybody; ✓ and a number mean that it was
/who    who is here
/quit   leave (so does Ctrl-D)
/help   this
//text  says /text
When a message comes in while you type, your line is still there: Ctrl-R shows it again.`

// A chat is a client with somebody in front of it.
type chat struct {
	*tcpclient.Client
	screen *screen
	name   string

	mu   sync.Mutex
	here map[string]bool // who is there
}

// newChat shows what others say and do, from the moment when client is
// connected.
func newChat(client *tcpclient.Client, screen *screen, name string) *chat {
	c := &chat{Client: client, screen: screen, name: name, here: map[string]bool{}}
	c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) {
		screen.show(m.Timestamp, "%s: %s", m.Username, m.Content)
	})
	c.On(tcpclient.TypeJoined, func(m tcpclient.Message) {
		c.mark(m.Username, true)
		screen.show(time.Now(), "* %s has joined", m.Username)
	})
	c.On(tcpclient.TypeLeft, func(m tcpclient.Message) {
		c.mark(m.Username, false)
		screen.show(time.Now(), "* %s has left", m.Username)
	})
	c.On(tcpclient.TypeError, func(m tcpclient.Message) {
		if said, ok := errors.AsType[*tcpclient.ServerError](m.Err()); !ok || !said.Ends() { // else it is told with the end
			screen.show(time.Now(), "! the server says: %s", m.Text)
		}
	})
	return c
}

func (c *chat) mark(name string, here bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if here {
		c.here[name] = true
	} else {
		delete(c.here, name)
	}
}

// who lists who is there.
func (c *chat) who() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(c.here)), ", ")
}

// logIn logs in and says who is there.
func (c *chat) logIn(ctx context.Context) error {
	password := os.Getenv("CHAT_PASSWORD")
	if password == "" {
		password = "guest" // lab 2's server takes any
	}
	welcome, err := c.Login(ctx, c.name, tcpclient.Secret(password))
	if err != nil {
		return err
	}
	for _, name := range welcome.Users {
		c.mark(name, true)
	}
	c.screen.show(time.Now(), "* %s; here are: %s (/help lists what you can do)", welcome.Text, c.who())
	return nil
}

// readLines does what the lines of in say, until they end, one says /quit, or
// there is no connection any more.
func (c *chat) readLines(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for c.screen.prompt(); lines.Scan(); c.screen.prompt() {
		c.screen.entered()
		line := strings.ToValidUTF8(strings.TrimSpace(lines.Text()), "\uFFFD")
		switch {
		case line == "":
		case line == "/quit":
			return nil
		case line == "/help":
			for line := range strings.Lines(help) {
				c.screen.note("  %s", line)
			}
		case line == "/who":
			c.screen.show(time.Now(), "* here are: %s", c.who())
		case strings.HasPrefix(line, "//"):
			c.say(line[1:])
		case strings.HasPrefix(line, "/"):
			c.screen.note("! there is no %s; /help lists what there is, and //… says /…", strings.Fields(line)[0])
		default:
			c.say(line)
		}
		if c.Err() != nil {
			return nil
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return errors.New("a line of more than 1 MiB")
	}
	return lines.Err()
}

// say says something to everybody, and shows whether the server has it.
func (c *chat) say(content string) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	seq, err := c.Chat(ctx, content)
	refused, isRefusal := errors.AsType[*tcpclient.ServerError](err)
	switch {
	case err == nil:
		c.screen.show(time.Now(), "✓ %d", seq)
	case c.Err() != nil: // the end is explained elsewhere
		c.screen.note("! this may not have been said: %s", content)
	case isRefusal:
		c.screen.note("! not said: %s", refused.Message)
	case errors.Is(err, tcpclient.ErrFrameTooLong):
		c.screen.note("! not said: it is too long, a message has at most 64 KiB")
	case errors.Is(err, context.DeadlineExceeded):
		c.screen.note("! the server has not confirmed this within %v: %s", answerTimeout, content)
	default:
		c.screen.note("! not said: %v", err)
	}
}

// leave says goodbye.
func (c *chat) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	return c.Close(ctx)
}
