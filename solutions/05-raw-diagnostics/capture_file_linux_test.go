package rawdiag_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	rawdiag "workbook.example/solutions/05-raw-diagnostics"
	"workbook.example/tools/netlab"
)

// patience is for what should take no time.
const patience = 10 * time.Second

// A buffer may be written and read at the same time. It has no other way in than Write:
// io.Copy would find a ReadFrom, and that takes no lock.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) copy() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.b.Bytes())
}

func (b *buffer) String() string { return string(b.copy()) }

// packets are the frames of a capture, as far as it is there.
func packets(r interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}, err error) (frames []recorded, _ error) {
	if err != nil {
		return nil, err
	}
	for {
		data, info, err := r.ReadPacketData()
		if err != nil {
			return frames, err
		}
		frames = append(frames, recorded{at: info.Timestamp, frame: data, length: info.Length})
	}
}

// from are the frames from the last one on that holds a word.
func from(word string, frames []recorded) []recorded {
	for i := len(frames) - 1; i >= 0; i-- {
		if bytes.Contains(frames[i].frame, []byte(word)) {
			return frames[i:]
		}
	}
	return nil
}

func TestCaptureIsWhatDumpcapSees(t *testing.T) {
	dumpcap := other(t, "dumpcap", "wireshark-common")
	r := random(t)
	n := netlab.Line(tb{t}, 0)
	far, iface := n.Node("far"), n.Here().Interface()
	for _, snaplen := range []int{0, 70, 128} {
		t.Run(fmt.Sprint("snaplen ", snaplen), func(t *testing.T) {
			compareCaptures(t, r, dumpcap, far, iface, snaplen)
		})
	}
}

// compareCaptures captures with both. Of the programs that capture with libpcap it is not
// tcpdump, which insists on giving up root's groups, and a user namespace has none.
func compareCaptures(t *testing.T, r *rand.Rand, dumpcap string, far *netlab.Node, iface string, snaplen int) {
	there, err := far.ListenPacket("udp", "[::]:0") // of both versions
	require.NoError(t, err)
	defer there.Close()
	here, err := net.ListenPacket("udp", "[::]:0")
	require.NoError(t, err)
	defer here.Close()
	port := there.LocalAddr().(*net.UDPAddr).Port
	say := func(data []byte, i int) {
		to := &net.UDPAddr{IP: far.Addrs()[i].AsSlice(), Port: port}
		_, err := here.WriteTo(data, to)
		require.NoError(t, err)
		require.NoError(t, there.SetReadDeadline(time.Now().Add(patience)))
		buf := make([]byte, 1500)
		_, back, err := there.ReadFrom(buf)
		require.NoError(t, err)
		_, err = there.WriteTo(data, back) // the other direction
		require.NoError(t, err)
		require.NoError(t, here.SetReadDeadline(time.Now().Add(patience)))
		_, _, err = here.ReadFrom(buf)
		require.NoError(t, err)
	}

	// Both begin.
	args := []string{"-q", "-i", iface, "-s", fmt.Sprint(snaplen), "-w", "-", "-f", fmt.Sprintf("udp port %d", port)}
	var theirs, said buffer
	cmd := exec.CommandContext(t.Context(), dumpcap, args...)
	cmd.Stdout, cmd.Stderr = &theirs, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	filter, err := rawdiag.Filter(rawdiag.Spec{Protocol: rawdiag.UDP, Port: uint16(port)})
	require.NoError(t, err)
	var ours buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stats rawdiag.CaptureStats
	var captureErr error
	var capturing sync.WaitGroup
	capturing.Go(func() {
		stats, captureErr = rawdiag.Capture(ctx, iface, &ours, rawdiag.CaptureOptions{Filter: filter, Snaplen: snaplen})
	})
	require.Eventually(t, func() bool { return packetSockets(t) == 2 }, patience, time.Millisecond, "both open a socket: %s", &said)
	// dumpcap may still be about to filter, or to read.
	theirsNow := func() []recorded {
		frames, _ := packets(pcapgo.NewNgReader(bytes.NewReader(theirs.copy()), pcapgo.DefaultNgReaderOptions))
		return frames
	}
	seen := func(word string) func() bool {
		return func() bool { return from(word, theirsNow()) != nil }
	}
	require.Eventually(t, func() bool { say([]byte("not yet"), 0); return seen("not yet")() }, patience, 10*time.Millisecond, "%s", &said)

	began := time.Now()
	say([]byte("begin"), 0)
	for i := range 100 {
		say(noise(r, 1200), i%2)
	}
	say([]byte("the end"), 1)
	ended := time.Now()
	require.Eventually(t, seen("the end"), patience, 10*time.Millisecond, "%s", &said)
	stop()
	capturing.Wait()
	require.NoError(t, captureErr)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait(), "%s", &said)

	// What is in the file is what dumpcap has.
	frames, err := packets(pcapgo.NewNgReader(bytes.NewReader(ours.copy()), pcapgo.DefaultNgReaderOptions))
	require.ErrorIs(t, err, io.EOF, "a whole file")
	require.Equal(t, stats.Captured, len(frames))
	require.Zero(t, stats.Dropped)
	got, want := from("begin", frames), from("begin", theirsNow())
	require.Equal(t, 203, len(got), "the second \"begin\", and all that follows it")
	require.Equal(t, len(got), len(want), "frames that dumpcap has")
	fine := 0
	for i := range got {
		require.Equal(t, want[i].frame, got[i].frame, "frame %d", i)
		require.Equal(t, want[i].length, got[i].length, "frame %d", i)
		// The kernel reads the clock for each socket, or once for both.
		require.WithinRange(t, got[i].at, began, ended, "frame %d", i)
		require.WithinRange(t, want[i].at, began, ended, "frame %d", i)
		if got[i].at.Nanosecond()%1000 != 0 {
			fine++
		}
	}
	require.Greater(t, fine, len(got)/2, "times are of nanoseconds")
	file := filepath.Join(t.TempDir(), "ours.pcapng")
	require.NoError(t, os.WriteFile(file, ours.copy(), 0o600))
	opens(t, file, iface, snaplen, frames)
}

// opens has Wireshark's programs open a capture.
func opens(t *testing.T, file, iface string, snaplen int, frames []recorded) {
	t.Helper()
	// Of a file that is cut short both complain, and fail.
	about := output(t, other(t, "capinfos", "wireshark-common"), "-M", file)
	for _, line := range []string{
		`File type: +pcapng`,
		`File encapsulation: +ether`,
		`File timestamp precision: +nanoseconds \(9\)`,
		fmt.Sprintf(`Number of packets: +%d\n`, len(frames)),
		`Strict time order: +True`,
		`Name = ` + iface + `\n`,
		`Encapsulation = Ethernet \(1 - ether\)`,
		fmt.Sprintf(`Capture length = %d\n`, snaplen), // 0 is no limit
		`Time precision = nanoseconds \(9\)`,
	} {
		require.Regexp(t, line, about)
	}

	var want strings.Builder
	for _, f := range frames {
		fmt.Fprintf(&want, "%d.%09d %d %d\n", f.at.Unix(), f.at.Nanosecond(), len(f.frame), f.length)
	}
	require.Equal(t, want.String(), output(t, other(t, "tshark", "tshark"), "-n", "-r", file, "-T", "fields", "-E", "separator= ",
		"-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len"))
}

// packetSockets is how many packet sockets receive here: see Linux'
// net/packet/af_packet.c for the columns.
func packetSockets(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/packet")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 5 && f[5] == "1" {
			n++
		}
	}
	return n
}
