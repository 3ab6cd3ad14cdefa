package tcpserver_test

import (
	"errors"
	"strings"
	"testing"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

// expectRefusal parses line, which must give a *RequestError with code.
func expectRefusal(t *labtest.T, line, code string) *tcpserver.RequestError {
	t.Helper()
	req, err := tcpserver.ParseRequest([]byte(line))
	if err == nil {
		t.Broken("ParseRequest took %s for a %q request; expected an error with the code %s.", short(line), req.Type, code)
	}
	var refusal *tcpserver.RequestError
	if !errors.As(err, &refusal) {
		t.Broken("ParseRequest of %s returned the error %q, a %T; expected a *RequestError, which has a code for the client.", short(line), err, err)
	}
	if refusal.Code != code {
		t.Broken("ParseRequest of %s returned the code %s (%s); expected %s.", short(line), refusal.Code, refusal.Message, code)
	}
	return refusal
}

// expectRequest parses line, which must be fine.
func expectRequest(t *labtest.T, line string) tcpserver.Request {
	t.Helper()
	req, err := tcpserver.ParseRequest([]byte(line))
	if err != nil {
		t.Broken("ParseRequest of %s returned the error %q; expected a request.", line, err)
	}
	return req
}

func TestRequestIsRead(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, try := range []struct {
		line string
		want tcpserver.Request
	}{
		{`{"type":"login","username":"alice","password":"x"}`, tcpserver.Request{Type: "login", Username: "alice", Password: "x"}},
		{`{"type":"login","username":"","password":""}`, tcpserver.Request{Type: "login"}},
		{` { "content" : "hi" , "type" : "chat" } `, tcpserver.Request{Type: "chat", Content: "hi"}},
		{`{"type":"chat","content":""}`, tcpserver.Request{Type: "chat"}},
		{`{"type":"logout"}`, tcpserver.Request{Type: "logout"}},
		{`{"type":"ping"}`, tcpserver.Request{Type: "ping"}},
		{`{"type":"pong"}`, tcpserver.Request{Type: "pong"}},
	} {
		got := expectRequest(t, try.line)
		if got.Type != try.want.Type || got.Username != try.want.Username || got.Password != try.want.Password || got.Content != try.want.Content {
			t.Broken("ParseRequest of %s read %+v; expected %+v.", try.line, got, try.want)
		}
	}
}

func TestWhatIsNotAnObjectIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, line := range []string{
		`[1]`, `42`, `null`, `true`, `"login"`, ``, ` `, `{`, `{"type":"logout"`, `{"type":"logout",}`, `{"type" "logout"}`,
		`{"type":"logout"}x`, `{"type":"logout"} {"type":"logout"}`, `{type:"logout"}`, `{'type':'logout'}`, `hello`,
	} {
		expectRefusal(t, line, tcpserver.CodeBadJSON)
	}
}

func TestFieldOfTheWrongTypeIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, line := range []string{
		`{"type":[]}`, `{"type":42}`, `{"type":{}}`, `{"type":null}`,
		`{"type":"chat","content":42}`, `{"type":"chat","content":["hi"]}`, `{"type":"chat","content":null}`,
		`{"type":"login","username":{"name":"alice"},"password":"x"}`, `{"type":"login","username":"alice","password":1234}`,
		`{"type":"logout","id":"` + strings.Repeat("x", 127) + `"}`, `{"type":"logout","id":1` + strings.Repeat("0", 128) + `}`,
		`{"type":"logout","id":[1]}`, `{"type":"logout","id":{}}`, `{"type":"logout","id":true}`,
	} {
		expectRefusal(t, line, tcpserver.CodeBadField)
	}
}

func TestMissingFieldIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, line := range []string{
		`{}`, `{"content":"hi"}`, `{"type":"chat"}`, `{"type":"login"}`,
		`{"type":"login","username":"alice"}`, `{"type":"login","password":"x"}`,
	} {
		expectRefusal(t, line, tcpserver.CodeMissingField)
	}
}

func TestUnknownTypeIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, line := range []string{
		`{"type":"dance"}`, `{"type":""}`, `{"type":"LOGIN","username":"alice","password":"x"}`,
		`{"type":"chat_message","content":"hi"}`, `{"type":"chat ","content":"hi"}`,
	} {
		expectRefusal(t, line, tcpserver.CodeUnknownType)
	}
}

func TestKeysAreComparedExactly(tt *testing.T) {
	t := labtest.Begin(tt)
	expectRefusal(t, `{"Type":"logout"}`, tcpserver.CodeMissingField)
	expectRefusal(t, `{"type":"chat","CONTENT":"hi"}`, tcpserver.CodeMissingField)
	if got := expectRequest(t, `{"type":"chat","content":"hi","Content":"bye","TYPE":"logout"}`); got.Type != "chat" || got.Content != "hi" {
		t.Broken(`A message with "content":"hi" and "Content":"bye" was read as %q.`, got.Content)
	}
}

func TestKeyComesOnlyOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	expectRefusal(t, `{"type":"chat","content":"hi","content":"bye"}`, tcpserver.CodeBadJSON)
	expectRefusal(t, `{"type":"chat","type":"logout","content":"hi"}`, tcpserver.CodeBadJSON)
	expectRefusal(t, `{"type":"chat","content":"hi","cont\u0065nt":"bye"}`, tcpserver.CodeBadJSON)
}

func TestDeepNestingDoesNoHarm(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, line := range []string{
		strings.Repeat("[", 60_000),
		strings.Repeat(`{"a":`, 12_000),
		`{"type":"chat","content":` + strings.Repeat("[", 60_000),
	} {
		expectRefusal(t, line, tcpserver.CodeBadJSON)
	}
}

func TestRefusalCarriesTheID(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, id := range []string{`"a"`, `7`, `-1.5e3`, `12345678901234567890`, `"é"`, `""`} {
		for _, line := range []string{
			`{"id":` + id + `,"type":"dance"}`, `{"type":"chat","id":` + id + `}`, `{"type":"chat","content":1,"id":` + id + `}`,
		} {
			var refusal *tcpserver.RequestError
			if _, err := tcpserver.ParseRequest([]byte(line)); !errors.As(err, &refusal) {
				t.Broken("ParseRequest of %s returned %v; expected a *RequestError.", line, err)
			}
			if string(refusal.ID) != id {
				t.Broken("The request %s was refused with the id %q; expected its own, %s, digit by digit.", line, refusal.ID, id)
			}
		}
		if req := expectRequest(t, `{"type":"logout","id":`+id+`}`); string(req.ID) != id {
			t.Broken("The id %s was read as %q; the answer must return it as it came.", id, req.ID)
		}
	}
	if req := expectRequest(t, `{"type":"logout"}`); req.ID != nil {
		t.Broken("A request without an id was read with the id %q.", req.ID)
	}
}

func TestUnknownFieldsAreIgnored(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, extra := range []string{`"colour":"red"`, `"room":{"name":"a","type":"b"}`, `"tags":[1,[2],{"content":"no"}]`, `"user_id":null`} {
		got := expectRequest(t, `{"type":"chat",`+extra+`,"content":"hi"}`)
		if got.Type != "chat" || got.Content != "hi" {
			t.Broken("With the unknown field %s beside it, the content %q was read as %q.", extra, "hi", got.Content)
		}
	}
}

func TestTextIsReadAsItWasMeant(tt *testing.T) {
	t := labtest.Begin(tt)
	for in, want := range map[string]string{
		`"\"quoted\" \\ \/"`: `"quoted" \ /`,
		`"two\nlines"`:       "two\nlines",
		`"\u4f60\u597d 世界"`:  "你好 世界",
		`"\ud83d\ude42"`:     "🙂",
		`"<b>&amp;</b>"`:     "<b>&amp;</b>",
		`"\u001b[31mred"`:    "\x1b[31mred",
	} {
		if got := expectRequest(t, `{"type":"chat","content":`+in+`}`); got.Content != want {
			t.Broken("The content %s was read as %q; expected %q.", in, got.Content, want)
		}
	}
}

func TestJunkNeverPanics(tt *testing.T) {
	t := labtest.Begin(tt)
	rnd := t.Rand()
	seeds := []string{
		`{"type":"login","username":"alice","password":"x","id":1}`,
		`{"type":"chat","content":"h\u00e9 🙂","id":"a"}`,
		`{"a":[{"b":[null,true,-1.5e300]}],"type":"logout"}`,
	}
	for range 5000 {
		line := []byte(seeds[rnd.IntN(len(seeds))])
		for range 1 + rnd.IntN(4) {
			at := rnd.IntN(len(line))
			switch rnd.IntN(3) {
			case 0:
				line[at] = byte(rnd.IntN(256))
			case 1:
				line = append(line[:at], line[min(len(line), at+1+rnd.IntN(8)):]...)
			default:
				line = append(line[:at:at], append([]byte(`[]{}",:nul`)[rnd.IntN(10):], line[at:]...)...)
			}
			if len(line) == 0 {
				line = []byte("{")
			}
		}
		panicked, err := parse(line)
		if panicked != nil {
			t.Broken("ParseRequest of %q panicked: %v", line, panicked)
		}
		if refusal := (*tcpserver.RequestError)(nil); err != nil && !errors.As(err, &refusal) {
			t.Broken("ParseRequest of %q returned the error %q, a %T; expected a *RequestError.", line, err, err)
		}
	}
}

// parse tells with what ParseRequest panicked, or else what it returned.
func parse(line []byte) (panicked any, err error) {
	defer func() { panicked = recover() }()
	_, err = tcpserver.ParseRequest(line)
	return nil, err
}
