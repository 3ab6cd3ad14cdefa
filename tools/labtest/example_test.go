package labtest_test

import (
	"bufio"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/labtest"
)

// start is what a lab's harness_test.go has: it starts the judged code.
func start(t *labtest.T) string {
	return target(t, func(c *net.TCPConn) {
		for in := bufio.NewScanner(c); in.Scan(); {
			c.Write([]byte(`{"type":"echo","content":` + in.Text() + "}\n"))
		}
	})
}

func init() {
	labtest.Probe(1, func() error {
		if strings.ToUpper("é") != "É" {
			return errors.New("ToUpper(é) gave something else than É")
		}
		return nil
	})
}

func TestEveryLineIsAnsweredOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	t.Needs(1)
	srv := start(t)

	alice, bob := t.Dial("alice", srv), t.Dial("bob", srv)
	alice.SendTogether(`"one"`, `"two"`)
	bob.SendBytewise([]byte("\"three\"\n"))
	for p, want := range map[*labtest.Peer][]string{alice: {"one", "two"}, bob: {"three"}} {
		for _, content := range want {
			p.Expect(labtest.Fields{"type": "echo", "content": content})
		}
		p.CloseWrite()
		p.ExpectEOF()
	}
}

// The example that authors read in the package's documentation is the test
// above, letter by letter.
func TestDocumentedExampleIsReal(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	var example strings.Builder
	for line := range strings.Lines(string(doc)) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			example.WriteString(code)
		} else if line == "//\n" {
			example.WriteString("\n")
		}
	}
	source, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	_, law, _ := strings.Cut(string(source), "\nfunc TestEveryLine")
	law, _, _ = strings.Cut(law, "\n}\n")
	require.Contains(t, strings.ReplaceAll(example.String(), "\n\n\n", "\n\n"), "func TestEveryLine"+law+"\n}\n")
}
