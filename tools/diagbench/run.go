package diagbench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"workbook.example/tools/bench"
	"workbook.example/tools/netlab"
)

// Options say how much is measured, and where. Run must be called inside of the network
// that they describe, with diag in the PATH.
type Options struct {
	Rounds   int
	Requests int    // echo requests of a ping
	Frames   int    // datagrams of a capture
	Far      string // the address of the host at the end of the way
	Iface    string // the interface through which it is reached
	Progress func(string)
}

// A work is one thing that two programs do: once, and they take turns.
type work struct {
	name   string
	once   func(ctx context.Context, o Options, argv []string) (figure, dropped float64, err error)
	ours   []string
	theirs []string
	called string // theirs, in the table
	drops  bool
}

func works(o Options) []work {
	const loopback = "127.0.0.1"
	count := strconv.Itoa(o.Requests)
	filter := []string{"udp", "port", strconv.Itoa(port)}
	return []work{
		{name: "ping on loopback, round trips/s", once: rate, called: "ping -f",
			ours: []string{"diag", "ping", "-q", "-i", "0s", "-c", count, loopback},
			// In its own namespace ping takes itself for root's, who alone may flood.
			theirs: []string{"unshare", "-r", "ping", "-f", "-q", "-c", count, loopback}},
		{name: "trace, five hops, ms", once: elapsed, called: "traceroute -n",
			ours:   []string{"diag", "trace", o.Far},
			theirs: []string{"traceroute", "-n", o.Far}},
		{name: "the same, less the start of the program", once: own, called: "traceroute -n",
			ours:   []string{"diag", "trace", o.Far},
			theirs: []string{"traceroute", "-n", o.Far}},
		{name: "capture, frames/s offered", once: capture, called: "tcpdump -w", drops: true,
			ours:   append([]string{"diag", "sniff", "-w", os.DevNull, "-s", "96", o.Iface}, filter...),
			theirs: append([]string{"tcpdump", "-i", o.Iface, "-w", os.DevNull, "-s", "96"}, filter...)},
	}
}

// Run measures all rounds.
func Run(ctx context.Context, o Options) ([]Contest, error) {
	all := works(o)
	contests := make([]Contest, len(all))
	for i, w := range all {
		contests[i] = Contest{Work: w.name, Ours: Rival{Name: "diag"}, Theirs: Rival{Name: w.called}}
		if _, err := exec.LookPath(strings.Fields(w.called)[0]); err != nil {
			contests[i].Theirs.Missing = err
		}
	}
	for round := range o.Rounds {
		for i, w := range all {
			o.Progress(fmt.Sprintf("round %d of %d: %s", round+1, o.Rounds, w.name))
			c := &contests[i]
			turns := []struct {
				rival *Rival
				argv  []string
			}{{&c.Ours, w.ours}, {&c.Theirs, w.theirs}}
			if round%2 == 1 {
				turns[0], turns[1] = turns[1], turns[0]
			}
			for _, turn := range turns {
				if turn.rival.Missing != nil {
					continue
				}
				figure, dropped, err := w.once(ctx, o, turn.argv)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", strings.Join(turn.argv, " "), err)
				}
				turn.rival.Figures = append(turn.rival.Figures, figure)
				if w.drops {
					turn.rival.Dropped = append(turn.rival.Dropped, dropped)
				}
			}
		}
	}
	return contests, nil
}

// run runs a program to its end. What it says counts if it fails.
func run(ctx context.Context, argv []string) (string, error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return string(out), nil
}

var answered = regexp.MustCompile(`(\d+) (?:answered|received)`)

// rate is how many round trips a ping makes in a second, its start and its end
// included. None of them may be lost.
func rate(ctx context.Context, o Options, argv []string) (float64, float64, error) {
	begun := time.Now()
	out, err := run(ctx, argv)
	took := time.Since(begun)
	if err != nil {
		return 0, 0, err
	}
	if m := answered.FindStringSubmatch(out); m == nil || m[1] != strconv.Itoa(o.Requests) {
		return 0, 0, fmt.Errorf("not each of %d requests was answered:\n%s", o.Requests, out)
	}
	return float64(o.Requests) / took.Seconds(), 0, nil
}

// elapsed is how long a traceroute takes, in milliseconds: the median of some, since one
// is short.
func elapsed(ctx context.Context, o Options, argv []string) (float64, float64, error) {
	took, err := median(ctx, argv, func(out string) error {
		if !strings.Contains(out, "\n 5  "+o.Far) {
			return fmt.Errorf("the destination is not five hops away:\n%s", out)
		}
		return nil
	})
	return took, 0, err
}

// own is elapsed, less what the program takes to say its usage.
func own(ctx context.Context, o Options, argv []string) (float64, float64, error) {
	all, _, err := elapsed(ctx, o, argv)
	if err != nil {
		return 0, 0, err
	}
	start, err := median(ctx, []string{argv[0], "--help"}, func(string) error { return nil })
	return all - start, 0, err
}

func median(ctx context.Context, argv []string, check func(out string) error) (float64, error) {
	var took []float64
	for range 9 {
		begun := time.Now()
		out, err := run(ctx, argv)
		took = append(took, time.Since(begun).Seconds()*1000)
		if err == nil {
			err = check(out)
		}
		if err != nil {
			return 0, err
		}
	}
	return bench.SpreadOf(took).Median, nil
}

// port is where the datagrams go that are captured: discard, RFC 863.
const port = 9

var (
	captured = regexp.MustCompile(`(\d+) (?:frames|packets) captured`)
	lost     = regexp.MustCompile(`(\d+) (?:packets )?dropped by (?:the )?kernel`)
)

// capture sends datagrams as fast as they go, and is how many a second these were, and
// which part of them the capturing program missed.
func capture(ctx context.Context, o Options, argv []string) (float64, float64, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	before := netlab.Captures()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer cmd.Process.Kill()
	for limit := time.Now().Add(10 * time.Second); netlab.Captures() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			return 0, 0, fmt.Errorf("it does not capture:\n%s", &said)
		}
	}
	offered, err := flood(o)
	if err != nil {
		return 0, 0, err
	}
	// Neither hands over a frame at once; tcpdump waits for a second.
	time.Sleep(1500 * time.Millisecond)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		return 0, 0, err
	}
	if err := cmd.Wait(); err != nil {
		return 0, 0, fmt.Errorf("%w\n%s", err, &said)
	}
	got, missed := number(captured, said.String()), number(lost, said.String())
	if got < 0 || missed < 0 || got > o.Frames {
		return 0, 0, fmt.Errorf("it does not say what it captured, or more than was sent:\n%s", &said)
	}
	return offered, 1 - float64(got)/float64(o.Frames), nil
}

// number is what an expression finds, and -1 if it finds nothing.
func number(e *regexp.Regexp, text string) int {
	m := e.FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// flood sends the datagrams, and is how many a second.
func flood(o Options) (float64, error) {
	to, err := net.ResolveUDPAddr("udp4", net.JoinHostPort(o.Far, strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	datagram, dst := make([]byte, 64), to.AddrPort()
	begun := time.Now()
	for range o.Frames {
		if _, err := conn.WriteToUDPAddrPort(datagram, dst); err != nil {
			return 0, err
		}
	}
	return float64(o.Frames) / time.Since(begun).Seconds(), nil
}
