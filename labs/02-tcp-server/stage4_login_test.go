package tcpserver_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

func TestLoginIsAnswered(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr())
	alice.SendJSON(msg{"type": "login", "username": "alice", "password": "x", "id": "first"})
	alice.Expect(msg{"type": "login_response", "success": true, "id": "first", "message": labtest.NonEmpty, "user_id": labtest.NonEmpty})
}

func TestChatNeedsALogin(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr())
	alice.SendJSON(msg{"type": "chat", "content": "hi", "username": "admin", "id": 1})
	alice.Expect(msg{"type": "error", "code": tcpserver.CodeNotLoggedIn, "id": 1})
	login(alice, "alice") // and the connection is still good for it
}

func TestNameBelongsToOneConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	alice, carol := t.Dial("alice", srv.Addr()), t.Dial("carol", srv.Addr())
	login(alice, "bob")
	carol.SendJSON(msg{"type": "login", "username": "bob", "password": "x"})
	carol.Expect(msg{"type": "login_response", "success": false, "code": tcpserver.CodeNameTaken})
	carol.SendJSON(msg{"type": "login", "username": "carol", "password": "x"})
	carol.Await(msg{"type": "login_response", "success": true})
}

func TestRacingLoginsHaveOneWinner(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	const rounds, racers = 10, 20
	for round := range rounds {
		name := fmt.Sprintf("racer%d", round)
		var ready, done sync.WaitGroup
		start := make(chan struct{})
		welcome := make(chan bool, racers)
		for range racers {
			conn, err := net.Dial("tcp", srv.Addr())
			if err != nil {
				t.Fatalf("dial: %v", err)
			}
			t.Cleanup(func() { conn.Close() })
			ready.Add(1)
			done.Go(func() {
				ready.Done()
				<-start
				welcome <- isWelcome(conn, name)
			})
		}
		ready.Wait()
		close(start)
		done.Wait()
		winners := 0
		for range racers {
			if <-welcome {
				winners++
			}
		}
		if winners != 1 {
			t.Broken("%d connections asked for the name %q at the same moment, and %d of them got it.", racers, name, winners)
		}
	}
}

// isWelcome logs in on conn and tells whether that succeeded.
func isWelcome(conn net.Conn, name string) bool {
	c := &probeConn{Conn: deadlined(conn)}
	return c.ask(loginAs(name), "login_response") == nil && c.last.Success
}

// isFree tells whether a new connection can log in under name; it ends at once.
func isFree(s *testServer, name string) bool {
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		return false
	}
	defer conn.Close()
	return isWelcome(conn, name)
}

func TestNameIsFreeAgainAfterTheConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	member(t, srv, "bob").Close()
	for _, whose := range []string{"the first", "the next"} {
		t.Eventually(fmt.Sprintf("That the name is free again after %s connection of bob has ended", whose), func() bool { return isFree(srv, "bob") })
	}
}

func TestRefusedLoginTakesNothingAlong(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	bob := member(t, srv, "bob")
	mallory := t.Dial("mallory", srv.Addr())
	mallory.SendJSON(msg{"type": "login", "username": "bob", "password": "x"})
	mallory.Expect(msg{"type": "login_response", "success": false})
	mallory.SendJSON(msg{"type": "chat", "content": "I am bob", "id": 1})
	mallory.Expect(msg{"type": "error", "code": tcpserver.CodeNotLoggedIn, "id": 1})
	mallory.CloseWrite()
	mallory.ExpectClosed() // the server is done with mallory
	// bob's name is still bob's.
	carol := t.Dial("carol", srv.Addr())
	carol.SendJSON(msg{"type": "login", "username": "bob", "password": "x"})
	carol.Expect(msg{"type": "login_response", "success": false})
	stillThere(bob)
}

func TestConnectionLogsInOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	alice := member(t, srv, "alice")
	alice.SendJSON(msg{"type": "login", "username": "admin", "password": "x"})
	alice.Await(msg{"type": "login_response", "success": false, "code": tcpserver.CodeAlreadyLoggedIn})
	// Nothing has changed: admin is free, alice is taken.
	admin := member(t, srv, "admin")
	second := t.Dial("second", srv.Addr())
	second.SendJSON(msg{"type": "login", "username": "alice", "password": "x"})
	second.Expect(msg{"type": "login_response", "success": false})
	stillThere(admin)
}

func TestBadNamesAreRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr())
	for _, name := range []string{
		"", " ", "two words", strings.Repeat("x", 33), "a\nb", "tab\t", "\x1b[31mred", "semi;colon", "slash/", "nul\x00", "alice ", "🙂",
	} {
		alice.SendJSON(msg{"type": "login", "username": name, "password": "x"})
		alice.Expect(msg{"type": "login_response", "success": false, "code": tcpserver.CodeBadName})
	}
	for i, name := range []string{"a", strings.Repeat("x", 32), "A-1_b.c", "小明", strings.Repeat("é", 32)} {
		login(t.Dial(fmt.Sprintf("good%d", i+1), srv.Addr()), name)
	}
}

func TestPasswordIsChecked(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t, func(s *tcpserver.Server) {
		s.Authenticate = func(username, password string) error {
			if username == "alice" && password == "open sesame" {
				return nil
			}
			return errors.New("no")
		}
	})
	alice := t.Dial("alice", srv.Addr())
	for _, wrong := range []string{"", "open", "Open Sesame"} {
		alice.SendJSON(msg{"type": "login", "username": "alice", "password": wrong})
		alice.Expect(msg{"type": "login_response", "success": false, "code": tcpserver.CodeDenied})
	}
	alice.SendJSON(msg{"type": "login", "username": "alice", "password": "open sesame"})
	alice.Expect(msg{"type": "login_response", "success": true})
	// Without Authenticate any password will do, except none.
	open := start(t)
	bob := t.Dial("bob", open.Addr())
	bob.SendJSON(msg{"type": "login", "username": "bob", "password": ""})
	bob.Expect(msg{"type": "login_response", "success": false, "code": tcpserver.CodeDenied})
	login(bob, "bob")
}

func TestSlowPasswordCheckDelaysNobody(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	asked, answer := make(chan struct{}), make(chan struct{})
	srv := start(t, func(s *tcpserver.Server) {
		s.Authenticate = func(username, _ string) error {
			if username == "slow" {
				close(asked)
				<-answer
			}
			return nil
		}
	})
	slow, bob := t.Dial("slow", srv.Addr()), t.Dial("bob", srv.Addr())
	slow.SendJSON(msg{"type": "login", "username": "slow", "password": "x"})
	t.Returns("Authenticate, after a login,", func() { <-asked })
	login(bob, "bob") // while the check of slow's password goes on
	close(answer)
	slow.Await(msg{"type": "login_response", "success": true})
}

func TestUserIDTellsNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	const users = 4
	seen := make(map[string]bool)
	telling := make(map[string]int) // in how many ids a secret stands; a port can stand in a random one by chance
	for i := range users {
		p := t.Dial(fmt.Sprintf("user%d", i+1), srv.Addr())
		id := login(p, p.Name()).String("user_id")
		host, port, _ := net.SplitHostPort(p.Conn().LocalAddr().String())
		for what, secret := range map[string]string{"address": host, "port": port, "name": p.Name()} {
			if strings.Contains(id, secret) {
				telling[what]++
			}
			if telling[what] == users {
				t.Broken("The user_id %q holds the client's %s, %s.", id, what, secret)
			}
		}
		if seen[id] {
			t.Broken("Two users have the user_id %q.", id)
		}
		seen[id] = true
		if len(id) < 8 {
			t.Broken("The user_id %q has %d characters; whoever wants can guess it.", id, len(id))
		}
	}
}

func TestLogKeepsSecretsAndLines(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	mallory := t.Dial("mallory", srv.Addr())
	const password, forged = "s3cret-p4ssword", "level=ERROR msg=forged"
	for _, name := range []string{"x\n" + forged, "\x1b[2Jx"} {
		mallory.SendJSON(msg{"type": "login", "username": name, "password": password})
		mallory.Expect(msg{"type": "login_response", "success": false})
	}
	mallory.SendJSON(msg{"type": "chat", "content": "x\n" + forged})
	mallory.Expect(msg{"type": "error"})
	mallory.SendJSON(msg{"type": "x\n" + forged + "\x1b[2J"})
	mallory.Expect(msg{"type": "error"})
	mallory.SendJSON(msg{"type": "login", "username": "mallory", "password": password})
	mallory.Expect(msg{"type": "login_response", "success": true})
	mallory.SendJSON(msg{"type": "login", "username": "mallory", "password": password})
	mallory.Await(msg{"type": "login_response", "success": false})
	mallory.CloseWrite()
	mallory.ExpectClosed()
	log := srv.log.String()
	for line := range strings.Lines(log) {
		switch {
		case strings.Contains(line, password):
			t.Broken("The password is in the log: %q", line)
		case strings.HasPrefix(line, forged):
			t.Broken("A client's text made a line of its own in the log: %q", line)
		case strings.ContainsRune(line, '\x1b'):
			t.Broken("A client's escape sequence is in the log as it came; it would act on the operator's terminal: %q", line)
		}
	}
}
