package tcpserver_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

// expectFrames reads frames and compares them, then expects the stream to end
// with the error end.
func expectFrames(t *labtest.T, stream io.Reader, how string, end error, want ...string) {
	t.Helper()
	frames := tcpserver.NewDecoder(stream)
	for i, w := range want {
		got, err := frames.Next()
		if err != nil {
			t.Broken("Frame %d of %d, %s: Next returned the error %q; expected %s.", i+1, len(want), how, err, short(w))
		}
		if string(got) != w {
			t.Broken("Frame %d of %d, %s: Next returned %s; expected %s.", i+1, len(want), how, short(string(got)), short(w))
		}
	}
	switch got, err := frames.Next(); {
	case err == nil:
		t.Broken("After %d frames, %s: Next returned one more, %s; expected the error %q.", len(want), how, short(string(got)), end)
	case !errors.Is(err, end):
		t.Broken("After %d frames, %s: Next returned the error %q; expected %q.", len(want), how, err, end)
	}
}

// short quotes s, or its beginning.
func short(s string) string {
	if len(s) <= 40 {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:40], len(s))
}

func TestCoalescedFramesComeOutOneByOne(tt *testing.T) {
	t := labtest.Begin(tt)
	expectFrames(t, strings.NewReader("one\ntwo\n\nfour\n"), "all in one read", io.EOF, "one", "two", "", "four")
}

func TestFrameMayComeInAnyPieces(tt *testing.T) {
	t := labtest.Begin(tt)
	const stream = "{\"type\":\"login\"}\n{\"type\":\"chat\"}\n"
	want := []string{`{"type":"login"}`, `{"type":"chat"}`}
	for cut := 1; cut < len(stream); cut++ {
		pieces := io.MultiReader(strings.NewReader(stream[:cut]), strings.NewReader(stream[cut:]))
		expectFrames(t, pieces, fmt.Sprintf("cut in two after byte %d of %d", cut, len(stream)), io.EOF, want...)
	}
	expectFrames(t, iotest.OneByteReader(strings.NewReader(stream)), "a byte at a time", io.EOF, want...)
	expectFrames(t, iotest.DataErrReader(strings.NewReader(stream)), "with EOF beside the last bytes", io.EOF, want...)
}

func TestFrameMayBeLargerThanAnyBuffer(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, size := range []int{4094, 4095, 4096, 4097, 32 << 10, tcpserver.MaxFrame - 1} {
		frame := strings.Repeat("x", size)
		expectFrames(t, strings.NewReader(frame+"\nnext\n"), fmt.Sprintf("the first of %d bytes and its LF", size), io.EOF, frame, "next")
	}
}

func TestTooLongFrameIsRefusedBeforeItEnds(tt *testing.T) {
	t := labtest.Begin(tt)
	endless := &countingReader{r: zeros('x')}
	_, err := tcpserver.NewDecoder(endless).Next()
	if !errors.Is(err, tcpserver.ErrFrameTooLong) {
		t.Broken("A line without an end gave the error %v; expected ErrFrameTooLong.", err)
	}
	if most := 2 * tcpserver.MaxFrame; endless.n > most {
		t.Broken("%d bytes of a line without an end were read before it was refused; the limit is MaxFrame, %d.", endless.n, tcpserver.MaxFrame)
	}
	// One byte too many, and then nothing: whoever reads on waits for ever.
	readOn := errors.New("Next read on")
	stream := io.MultiReader(strings.NewReader(strings.Repeat("x", tcpserver.MaxFrame+1)), iotest.ErrReader(readOn))
	switch _, err := tcpserver.NewDecoder(stream).Next(); {
	case errors.Is(err, readOn):
		t.Broken("MaxFrame+1 bytes of a line had come, and Next read on instead of refusing it.")
	case !errors.Is(err, tcpserver.ErrFrameTooLong):
		t.Broken("MaxFrame+1 bytes without an LF gave the error %v; expected ErrFrameTooLong.", err)
	}
	line := strings.Repeat("x", tcpserver.MaxFrame) // with its LF one byte over
	if _, err := tcpserver.NewDecoder(strings.NewReader(line + "\n")).Next(); !errors.Is(err, tcpserver.ErrFrameTooLong) {
		t.Broken("A line of MaxFrame+1 bytes, LF included, gave the error %v; expected ErrFrameTooLong.", err)
	}
}

func TestCarriageReturnIsTolerated(tt *testing.T) {
	t := labtest.Begin(tt)
	expectFrames(t, strings.NewReader("a\r\nb\n\r\nc\rd\r\r\n"), "some lines ending with CR LF", io.EOF, "a", "b", "", "c\rd\r")
}

func TestCutFrameIsNotAFrame(tt *testing.T) {
	t := labtest.Begin(tt)
	expectFrames(t, strings.NewReader("whole\ncut of"), "the stream ending within the second", io.ErrUnexpectedEOF, "whole")
	expectFrames(t, strings.NewReader("whole\n"), "the stream ending after the first", io.EOF, "whole")
	expectFrames(t, strings.NewReader(""), "the stream being empty", io.EOF)
}

func TestReadErrorReachesTheCaller(tt *testing.T) {
	t := labtest.Begin(tt)
	failing := io.MultiReader(strings.NewReader("whole\ncut"), iotest.ErrReader(os.ErrDeadlineExceeded))
	expectFrames(t, failing, "reading failing within the second", os.ErrDeadlineExceeded, "whole")
}

func TestSplitCharacterStaysWhole(tt *testing.T) {
	t := labtest.Begin(tt)
	const text = "héllo, 世界 🙂"
	for cut := 1; cut < len(text); cut++ {
		pieces := io.MultiReader(strings.NewReader(text[:cut]), strings.NewReader(text[cut:]+"\n"))
		expectFrames(t, pieces, fmt.Sprintf("cut in two after byte %d of %d", cut, len(text)), io.EOF, text)
	}
}

func TestFrameIsUTF8(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, bad := range []string{"caf\xe9", "\xff", "\xe4\xb8", "\xed\xa0\x80"} {
		if got, err := tcpserver.NewDecoder(strings.NewReader(bad + "\n")).Next(); !errors.Is(err, tcpserver.ErrNotUTF8) {
			t.Broken("The line %q is not UTF-8, and Next returned %q and the error %v; expected ErrNotUTF8.", bad, got, err)
		}
	}
}

func TestFrameIsWrittenAtOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	w := new(writeCounter)
	for _, payload := range []string{"first", "", `{"type":"chat"}`, strings.Repeat("x", tcpserver.MaxFrame-1)} {
		*w = writeCounter{}
		if err := tcpserver.WriteFrame(w, []byte(payload)); err != nil {
			t.Broken("WriteFrame of %s returned the error %q.", short(payload), err)
		}
		if got := w.String(); got != payload+"\n" {
			t.Broken("WriteFrame of %s wrote %s; expected the same with one LF at its end.", short(payload), short(got))
		}
		if w.calls != 1 {
			t.Broken("WriteFrame of %s called Write %d times; expected once.", short(payload), w.calls)
		}
	}
	broken := errors.New("broken pipe")
	if err := tcpserver.WriteFrame(&writeCounter{err: broken}, []byte("x")); !errors.Is(err, broken) {
		t.Broken("Write failed with %q, and WriteFrame returned %v; expected the same error.", broken, err)
	}
}

func TestPayloadCannotSmuggleAFrame(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, try := range []struct {
		payload string
		want    error
	}{
		{"hi\n{\"type\":\"logout\"}", tcpserver.ErrLineFeed},
		{"hi\n", tcpserver.ErrLineFeed},
		{strings.Repeat("x", tcpserver.MaxFrame), tcpserver.ErrFrameTooLong},
	} {
		w := new(writeCounter)
		if err := tcpserver.WriteFrame(w, []byte(try.payload)); !errors.Is(err, try.want) {
			t.Broken("WriteFrame of %s returned the error %v; expected %q.", short(try.payload), err, try.want)
		}
		if w.calls > 0 {
			t.Broken("WriteFrame refused %s, but had written %s already.", short(try.payload), short(w.String()))
		}
	}
}

func TestRandomTrafficSurvivesAnyCutting(tt *testing.T) {
	t := labtest.Begin(tt)
	rnd := t.Rand()
	for round := range 50 {
		var want []string
		var wire bytes.Buffer
		for range rnd.IntN(20) {
			frame := strings.Repeat(string(rune('a'+rnd.IntN(26))), rnd.IntN(6000))
			want = append(want, frame)
			if err := tcpserver.WriteFrame(&wire, []byte(frame)); err != nil {
				t.Broken("WriteFrame of %s returned the error %q.", short(frame), err)
			}
		}
		cut := readerFunc(func(p []byte) (int, error) {
			return wire.Read(p[:min(len(p), 1+rnd.IntN(3000))])
		})
		expectFrames(t, cut, fmt.Sprintf("round %d, cut at random", round+1), io.EOF, want...)
	}
}

func TestLengthPrefixIsNetworkOrder(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, size := range []int{0, 1, 255, 256, 70_000} {
		payload := bytes.Repeat([]byte{0xA5}, size)
		w := new(writeCounter)
		if err := tcpserver.WritePrefixed(w, payload); err != nil {
			t.Broken("WritePrefixed of %d bytes returned the error %q.", size, err)
		}
		prefix := []byte{byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}
		if got := w.Bytes(); !bytes.Equal(got, append(prefix, payload...)) {
			t.Broken("WritePrefixed of %d bytes wrote %d bytes that begin with % x; expected %d that begin with the length, % x.",
				size, len(got), got[:min(4, len(got))], 4+size, prefix)
		}
		if w.calls != 1 {
			t.Broken("WritePrefixed of %d bytes called Write %d times; expected once.", size, w.calls)
		}
		got, err := tcpserver.ReadPrefixed(iotest.OneByteReader(&w.Buffer), 1<<20)
		if err != nil || !bytes.Equal(got, payload) {
			t.Broken("ReadPrefixed of what WritePrefixed wrote for %d bytes returned %d bytes and the error %v.", size, len(got), err)
		}
	}
}

func TestLengthPrefixIsAStrangersWord(tt *testing.T) {
	t := labtest.Begin(tt)
	rest := &countingReader{r: zeros(0)}
	if _, err := tcpserver.ReadPrefixed(io.MultiReader(strings.NewReader("\x00\x01\x00\x01"), rest), 1<<16); !errors.Is(err, tcpserver.ErrFrameTooLong) {
		t.Broken("A length of 65537 where 65536 is the most gave the error %v; expected ErrFrameTooLong.", err)
	}
	if rest.n > 0 {
		t.Broken("A frame was refused for its length, but %d bytes of it were read.", rest.n)
	}
	const claimed = 1 << 30
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := tcpserver.ReadPrefixed(strings.NewReader("\x40\x00\x00\x00only this"), claimed)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Broken("A frame that claims 1 GiB and ends after 9 bytes was taken for a whole one.")
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Broken("A frame that claims 1 GiB and ends after 9 bytes made ReadPrefixed take %d MiB of memory.", took>>20)
	}
}

func TestCutPrefixedFrameIsNotAFrame(tt *testing.T) {
	t := labtest.Begin(tt)
	const whole = "\x00\x00\x00\x03abc"
	for cut := range len(whole) {
		want := io.ErrUnexpectedEOF
		if cut == 0 {
			want = io.EOF
		}
		if got, err := tcpserver.ReadPrefixed(strings.NewReader(whole[:cut]), 100); err == nil || !errors.Is(err, want) {
			t.Broken("The stream ended after byte %d of %d: ReadPrefixed returned %q and the error %v; expected %q.", cut, len(whole), got, err, want)
		}
	}
}

// The streams and writers that the laws above are tried on.

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// zeros is an endless stream of one byte.
func zeros(b byte) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		for i := range p {
			p[i] = b
		}
		return len(p), nil
	})
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	if c.n > 8<<20 {
		return 0, errors.New("the test gave up: 8 MiB were read")
	}
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

type writeCounter struct {
	bytes.Buffer
	calls int
	err   error
}

func (w *writeCounter) Write(p []byte) (int, error) {
	w.calls++
	if w.err != nil {
		return 0, w.err
	}
	return w.Buffer.Write(p)
}
