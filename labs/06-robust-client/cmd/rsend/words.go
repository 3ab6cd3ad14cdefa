package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"

	robustclient "workbook.example/labs/06-robust-client"
)

// say tells what happens, beside what the server sends.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (s *sender) showAttempt(a robustclient.Attempt) {
	switch {
	case a.Err == nil:
		say("attempt %-3d connected, %s after the first attempt began", a.Number, short(time.Since(s.began)))
	case a.Wait > 0:
		say("attempt %-3d %s; waits %s", a.Number, cause(a.Err), short(a.Wait))
	default:
		say("attempt %-3d %s", a.Number, cause(a.Err))
	}
}

func (s *sender) showLost(err error) {
	if errors.Is(err, net.ErrClosed) {
		return // by ourselves, and we have said why
	}
	if s.unanswered {
		say("connection lost: %s; what was sent last may not have arrived", cause(err))
		return
	}
	say("connection lost: %s", cause(err))
}

// cause is an error in a few words.
func cause(err error) string {
	var name *net.DNSError
	var network *net.OpError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("there is no host called %q", name.Name)
	case errors.As(err, &name):
		return fmt.Sprintf("the name server cannot say where %q is (%s)", name.Name, name.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused: nobody listens there"
	case errors.Is(err, syscall.ECONNRESET):
		return "the connection was reset"
	case errors.Is(err, syscall.EPIPE):
		return "the server is gone (broken pipe)"
	case err == io.EOF:
		return "the server has ended it"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the server has ended it in the middle of a line"
	case errors.Is(err, robustclient.ErrAttemptTimeout), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &network):
		return network.Err.Error()
	}
	return strings.TrimSuffix(err.Error(), ": EOF")
}

// printable is text of a stranger, fit for a terminal: without what would move
// the cursor or change colours.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\t' {
			return r
		}
		return unicode.ReplacementChar
	}, strings.TrimRight(string(text), "\r\n"))
}

// short is a duration as one reads it.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
