package rawdiag_test

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
	"golang.org/x/net/dns/dnsmessage"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

// began is when the captures of these tests begin.
var began = time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC)

// A moment is a frame of a capture, so many milliseconds after its beginning.
type moment struct {
	at    int
	frame []byte
}

// flows puts a capture into a table. Frames are cut behind their headers, as captures
// often are.
func flows(t *labtest.T, capture ...moment) []rawdiag.Flow {
	t.Helper()
	var f rawdiag.Flows
	var l rawdiag.Layers // one for all, as captures do it
	for _, m := range capture {
		_ = rawdiag.Decode(m.frame[:min(len(m.frame), 78)], &l)
		f.Add(began.Add(ms(m.at)), &l, len(m.frame))
	}
	return f.All()
}

// only is the one flow of a capture.
func only(t *labtest.T, what string, capture ...moment) rawdiag.Flow {
	t.Helper()
	all := flows(t, capture...)
	if len(all) != 1 {
		t.Broken("%s. That is one flow, and the table has %s.", what, listed(all))
	}
	return all[0]
}

func listed(all []rawdiag.Flow) string {
	if len(all) == 0 {
		return "none"
	}
	var text []string
	for _, f := range all {
		text = append(text, fmt.Sprintf("%s %v-%v (%d and %d packets)", protocols[f.Protocol], f.A, f.B, f.AB.Packets, f.BA.Packets))
	}
	return strings.Join(text, ", ")
}

// A side sends TCP segments to the other one.
type side struct {
	src, dst netip.Addr
	from, to uint16
}

var (
	client = side{alice4, bob4, 40001, 8888}
	server = side{bob4, alice4, 8888, 40001}
)

// segment is a frame with a TCP segment of so much data.
func (s side) segment(at int, flags byte, seq uint32, data int) moment {
	return moment{at, frame(netlab.Build(s.src, s.dst, netlab.TCP, 64, tcp(s.src, s.dst, s.from, s.to, seq, 1, flags, make([]byte, data))))}
}

// The flags, as the wire has them.
const (
	fin, syn, rst, psh, ack = 1, 2, 4, 8, 16
)

func datagramFrame(s side, data int) []byte {
	return frame(netlab.Build(s.src, s.dst, netlab.UDP, 64, udp(s.src, s.dst, s.from, s.to, make([]byte, data))))
}

func TestBothDirectionsAreOneFlow(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	for _, c := range []struct {
		a, b     netip.Addr
		from, to uint16
	}{
		{alice4, bob4, 40001, 8888}, {bob4, alice4, 40001, 8888}, {alice6, bob6, 40001, 8888}, {bob6, alice6, 1, 2}, {alice4, alice4, 7000, 6000}, {alice4, alice4, 6000, 7000},
	} {
		there, back := side{c.a, c.b, c.from, c.to}, side{c.b, c.a, c.to, c.from}
		what := fmt.Sprintf("%v port %d sent two datagrams of 100 bytes to %v port %d, and got one of 50", c.a, c.from, c.b, c.to)
		f := only(t, what, moment{0, datagramFrame(there, 100)}, moment{10, datagramFrame(back, 50)}, moment{20, datagramFrame(there, 100)})
		if f.A != netip.AddrPortFrom(c.a, c.from) || f.B != netip.AddrPortFrom(c.b, c.to) {
			t.Broken("%s. A is %v and B is %v; A is who spoke first.", what, f.A, f.B)
		}
		size := len(datagramFrame(there, 0))
		if f.AB.Packets != 2 || f.BA.Packets != 1 || f.AB.Bytes != 2*(size+100) || f.BA.Bytes != size+50 {
			t.Broken("%s. The flow counts %d packets with %d bytes there, and %d with %d back; expected 2 with %d and 1 with %d: whole frames, as on the wire.",
				what, f.AB.Packets, f.AB.Bytes, f.BA.Packets, f.BA.Bytes, 2*(size+100), size+50)
		}
		if !f.First.Equal(began) || !f.Last.Equal(began.Add(ms(20))) {
			t.Broken("%s, from 0 to 20 ms. The flow is from %v to %v.", what, f.First.Sub(began), f.Last.Sub(began))
		}
	}
}

func TestDifferentFlowsStayApart(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	other := side{alice4, bob4, 40002, 8888}
	all := flows(t,
		moment{0, datagramFrame(client, 1)}, client.segment(1, psh|ack, 1, 1), moment{2, datagramFrame(other, 1)},
		moment{3, datagramFrame(side{alice6, bob6, 40001, 8888}, 1)}, moment{4, datagramFrame(client, 1)}, other.segment(5, psh|ack, 1, 1))
	if len(all) != 5 {
		t.Broken("UDP and TCP from port 40001 and from 40002 to 8888, and UDP over IPv6, are five flows; the table has %s.", listed(all))
	}
	for i, want := range []rawdiag.Protocol{rawdiag.UDP, rawdiag.TCP, rawdiag.UDP, rawdiag.UDP, rawdiag.TCP} {
		if all[i].Protocol != want || !all[i].First.Equal(began.Add(ms([]int{0, 1, 2, 3, 5}[i]))) {
			t.Broken("Five flows began after 0, 1, 2, 3 and 5 ms. Number %d of the table is of %s and began after %v.", i+1, protocols[all[i].Protocol], all[i].First.Sub(began))
		}
	}
	none := flows(t, moment{0, corpus["ARP"]}, moment{1, corpus["ICMP over IPv4"]}, moment{2, corpus["later fragment over IPv4"]})
	if len(none) != 0 {
		t.Broken("ARP, ICMP and a later fragment have no ports, and are no flows; the table has %s.", listed(none))
	}
}

func TestHandshakeIsTimed(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	for _, c := range []struct {
		what    string
		capture []moment
		want    time.Duration
	}{
		{"A SYN, and 30 ms later the SYN-ACK", []moment{client.segment(0, syn, 99, 0), server.segment(30, syn|ack, 499, 0), client.segment(31, ack, 100, 0)}, ms(30)},
		{"A SYN, and 30 ms later the SYN-ACK, which was sent once more after a second", []moment{client.segment(0, syn, 99, 0), server.segment(30, syn|ack, 499, 0), server.segment(1030, syn|ack, 499, 0)}, ms(30)},
		{"A SYN, which was sent once more after a second, and 30 ms later a SYN-ACK: to which of them?", []moment{client.segment(0, syn, 99, 0), client.segment(1000, syn, 99, 0), server.segment(1030, syn|ack, 499, 0)}, 0},
		{"A SYN-ACK whose SYN was before the capture", []moment{server.segment(0, syn|ack, 499, 0), client.segment(1, ack, 100, 0)}, 0},
		{"A SYN, and 30 ms later a refusal", []moment{client.segment(0, syn, 99, 0), server.segment(30, rst|ack, 0, 0)}, 0},
	} {
		if f := only(t, c.what, c.capture...); f.HandshakeRTT != c.want {
			t.Broken("%s. The handshake is said to have taken %v; expected %v.", c.what, f.HandshakeRTT, c.want)
		}
	}
}

// expectAgain compares how many retransmissions a capture has in each direction.
func expectAgain(t *labtest.T, what string, ab, ba int, capture ...moment) {
	t.Helper()
	if f := only(t, what, capture...); f.AB.Retransmissions != ab || f.BA.Retransmissions != ba {
		t.Broken("%s. The flow counts %d retransmissions there and %d back; expected %d and %d.", what, f.AB.Retransmissions, f.BA.Retransmissions, ab, ba)
	}
}

func TestRetransmissionsAreCounted(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	expectAgain(t, "Three segments, one after the other, and answers", 0, 0,
		client.segment(0, psh|ack, 100, 10), server.segment(1, ack, 500, 0), client.segment(2, psh|ack, 110, 10), server.segment(3, psh|ack, 500, 5), client.segment(4, psh|ack, 120, 10))
	expectAgain(t, "A segment, and the same again", 1, 0,
		client.segment(0, psh|ack, 100, 10), client.segment(200, psh|ack, 100, 10))
	expectAgain(t, "A question, two segments of the server, and the first of them twice again", 0, 2,
		client.segment(0, psh|ack, 500, 1), server.segment(0, psh|ack, 100, 10), server.segment(1, psh|ack, 110, 10), server.segment(200, psh|ack, 100, 10), server.segment(400, psh|ack, 100, 10))
	expectAgain(t, "A SYN, again a SYN, data, a FIN, and again a FIN", 2, 0,
		client.segment(0, syn, 99, 0), client.segment(1000, syn, 99, 0), client.segment(1001, psh|ack, 100, 10), client.segment(1002, fin|ack, 110, 0), client.segment(1300, fin|ack, 110, 0))
	expectAgain(t, "A segment, and then one that has it, and more", 0, 0,
		client.segment(0, psh|ack, 100, 10), client.segment(200, psh|ack, 100, 20))
}

func TestAcknowledgementIsNoRetransmission(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	expectAgain(t, "Data, and acknowledgements without data, some of them alike", 0, 0,
		client.segment(0, psh|ack, 100, 10), server.segment(1, ack, 500, 0), server.segment(2, ack, 500, 0), client.segment(3, ack, 110, 0), client.segment(4, ack, 110, 0))
	expectAgain(t, "Data, and keep-alives: of no byte, and of one byte, just before what comes next", 0, 0,
		client.segment(0, psh|ack, 100, 10), client.segment(9000, ack, 109, 0), client.segment(18000, ack, 109, 1), server.segment(18001, ack, 500, 0))
}

func TestSequenceNumbersGoRound(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	const last = 1<<32 - 10
	expectAgain(t, "Numbers that pass 2^32 and begin again at 0, nothing twice", 0, 0,
		client.segment(0, psh|ack, last-10, 10), client.segment(1, psh|ack, last, 20), client.segment(2, psh|ack, 10, 10))
	expectAgain(t, "Numbers that pass 2^32 and begin again at 0, and then a segment from before that", 1, 0,
		client.segment(0, psh|ack, last-10, 10), client.segment(1, psh|ack, last, 20), client.segment(2, psh|ack, 10, 10), client.segment(200, psh|ack, last-10, 10))
}

func TestPortMayBeUsedAgain(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	ended := []moment{
		client.segment(0, syn, 99, 0), server.segment(1, syn|ack, 499, 0),
		client.segment(2, fin|ack, 100, 0), server.segment(3, fin|ack, 500, 0), client.segment(4, ack, 101, 0),
	}
	all := flows(t, append(ended, client.segment(5000, syn, 77, 0), server.segment(5040, syn|ack, 7, 0))...)
	if len(all) != 2 || all[1].HandshakeRTT != ms(40) || all[0].AB.Packets != 3 {
		t.Broken("A connection ended with a FIN from both sides; later a SYN from the same port to the same one began another. These are two flows; the table has %s.", listed(all))
	}
	all = flows(t, client.segment(0, syn, 99, 0), server.segment(1, rst|ack, 0, 0), client.segment(1000, syn, 99, 0), server.segment(1001, rst|ack, 0, 0))
	if len(all) != 2 {
		t.Broken("A connection was refused with a RST, and tried again from the same port. These are two flows; the table has %s.", listed(all))
	}
	all = flows(t, client.segment(0, syn, 99, 0), server.segment(1, syn|ack, 499, 0), client.segment(2, fin|ack, 100, 0), client.segment(1000, syn, 99, 0))
	if len(all) != 1 {
		t.Broken("Only one side of a connection has ended, and a SYN came again. It is the same flow; the table has %s.", listed(all))
	}
}

// asks is a question of a client to a name server, and answers is the answer.
func query(client side, id uint16, name string, typ dnsmessage.Type, response bool, code dnsmessage.RCode) []byte {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, Response: response, RCode: code},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	if response {
		client = side{client.dst, client.src, client.to, client.from}
	}
	return frame(netlab.Build(client.src, client.dst, netlab.UDP, 64, udp(client.src, client.dst, client.from, client.to, b)))
}

// lookups puts a capture into a list of lookups.
func lookups(capture ...moment) []rawdiag.Lookup {
	var d rawdiag.Lookups
	var l rawdiag.Layers
	for _, m := range capture {
		_ = rawdiag.Decode(m.frame, &l)
		d.Add(began.Add(ms(m.at)), &l)
	}
	return d.All()
}

func told(all []rawdiag.Lookup) string {
	if len(all) == 0 {
		return "no lookup"
	}
	var text []string
	for _, l := range all {
		outcome := "not answered"
		if l.Answered {
			outcome = fmt.Sprintf("%v after %v", strings.TrimPrefix(l.RCode.String(), "RCode"), l.Took)
		}
		text = append(text, fmt.Sprintf("%v asks for %s %s: %s", l.Client, l.Name, strings.TrimPrefix(l.Type.String(), "Type"), outcome))
	}
	return strings.Join(text, "; ")
}

func TestAnswerBelongsToItsQuestion(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	a, b := side{alice4, bob4, 5001, 53}, side{alice4, bob4, 5002, 53}
	const A, AAAA = dnsmessage.TypeA, dnsmessage.TypeAAAA
	for _, c := range []struct {
		what    string
		capture []moment
		want    string
	}{
		{"A question and its answer", []moment{{0, query(a, 7, "chat.test.", A, false, 0)}, {20, query(a, 7, "chat.test.", A, true, 0)}},
			"10.0.0.1:5001 asks for chat.test. A: Success after 20ms"},
		{"Two clients ask with the same number, and are answered in the other order", []moment{
			{0, query(a, 7, "chat.test.", A, false, 0)}, {5, query(b, 7, "mail.test.", A, false, 0)}, {20, query(b, 7, "mail.test.", A, true, dnsmessage.RCodeNameError)}, {30, query(a, 7, "chat.test.", A, true, 0)}},
			"10.0.0.1:5001 asks for chat.test. A: Success after 30ms; 10.0.0.1:5002 asks for mail.test. A: NameError after 15ms"},
		{"One client asks for A and AAAA with the same number", []moment{
			{0, query(a, 7, "chat.test.", A, false, 0)}, {1, query(a, 7, "chat.test.", AAAA, false, 0)}, {20, query(a, 7, "chat.test.", AAAA, true, 0)}},
			"10.0.0.1:5001 asks for chat.test. A: not answered; 10.0.0.1:5001 asks for chat.test. AAAA: Success after 19ms"},
		{"An answer with another number, and one for another name", []moment{
			{0, query(a, 7, "chat.test.", A, false, 0)}, {10, query(a, 8, "chat.test.", A, true, 0)}, {11, query(a, 7, "evil.test.", A, true, 0)}},
			"10.0.0.1:5001 asks for chat.test. A: not answered"},
		{"A question in capital letters, and the answer in small ones", []moment{{0, query(a, 7, "CHAT.Test.", A, false, 0)}, {20, query(a, 7, "chat.test.", A, true, 0)}},
			"10.0.0.1:5001 asks for chat.test. A: Success after 20ms"},
		{"A question that is asked again after a second, and answered twice", []moment{
			{0, query(a, 7, "chat.test.", A, false, 0)}, {1000, query(a, 7, "chat.test.", A, false, 0)}, {1020, query(a, 7, "chat.test.", A, true, 0)}, {1021, query(a, 7, "chat.test.", A, true, dnsmessage.RCodeServerFailure)}},
			"10.0.0.1:5001 asks for chat.test. A: Success after 1.02s"},
		{"A question to port 5353, which is another protocol's, and a TCP segment from port 53", []moment{
			{0, query(side{alice4, bob4, 5001, 5353}, 7, "chat.test.", A, false, 0)}, side{alice4, bob4, 53, 5001}.segment(1, psh|ack, 1, 40)},
			"no lookup"},
		{"An answer without a question, and a datagram that is no DNS", []moment{{0, query(a, 7, "chat.test.", A, true, 0)}, {1, datagramFrame(a, 5)}, {2, datagramFrame(client, 60)}},
			"no lookup"},
	} {
		if got := told(lookups(c.capture...)); got != c.want {
			t.Broken("%s. That is: %s. Lookups has: %s.", c.what, c.want, got)
		}
	}
}

// recorded is a capture of a chat: how it was made stands in testdata/README.md, and
// what is in it is what tshark says.
//
//go:embed testdata/chat.pcapng
var recorded []byte

// recordedFlows is what tshark -q -z conv,tcp -z conv,udp says of it.
var recordedFlows = []string{
	"127.0.0.1:40430-127.0.0.1:8888 14 1322 12 800",
	"127.0.0.1:40434-127.0.0.1:8888 14 932 12 1190",
	"[::1]:40660-[::1]:8888 14 1632 12 1040",
	"[::1]:40668-[::1]:8888 14 1212 12 1460",
	"127.0.0.1:40813-127.0.0.1:9944 5 240 5 240",
}

func TestRecordedChatIsAnalysed(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	r, err := pcapgo.NewNgReader(bytes.NewReader(recorded), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var f rawdiag.Flows
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		var l rawdiag.Layers
		_ = rawdiag.Decode(data, &l)
		f.Add(info.Timestamp, &l, info.Length)
	}
	var got []string
	for _, f := range f.All() {
		got = append(got, fmt.Sprintf("%v-%v %d %d %d %d", f.A, f.B, f.AB.Packets, f.AB.Bytes, f.BA.Packets, f.BA.Bytes))
	}
	if !slices.Equal(got, recordedFlows) {
		t.Broken("The recorded chat has these flows (packets and bytes there, and back):\n    %s\nThe table has\n    %s", strings.Join(recordedFlows, "\n    "), strings.Join(got, "\n    "))
	}
}
