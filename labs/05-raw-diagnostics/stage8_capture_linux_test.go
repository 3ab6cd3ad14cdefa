package rawdiag_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

func TestBothDirectionsAreCaptured(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	far := n.Node("far")
	k := talkTo(t, n, far)
	s := source(t, n.Here().Interface(), nil)
	k.say(t, "there")
	k.answer(t, n.Here().Addr4().AsSlice(), "back")
	k.say(t, "the end")
	var seen []string
	s.SetReadDeadline(time.Now().Add(labtest.Patience))
	for !slices.Contains(seen, "the end") {
		frame, _, err := s.ReadPacketData()
		if err != nil {
			t.Broken("\"there\" was sent, \"back\" received and \"the end\" sent; the source gave the datagrams %q and then %s.", seen, orNone(err))
		}
		if data, _, ok := datagram(frame); ok {
			seen = append(seen, data)
		}
	}
	if !slices.Equal(seen, []string{"there", "back", "the end"}) {
		t.Broken("\"there\" was sent, \"back\" received and \"the end\" sent; the source gave the datagrams %q; expected each of them once, in this order.", seen)
	}
}

func TestOtherInterfacesStayOut(tt *testing.T) {
	t := labtest.Begin(tt)
	begun(t)
	n := netlab.New(t)
	a, b := n.Host("a"), n.Host("b")
	n.Link(n.Here(), a)
	n.Link(n.Here(), b)
	n.Up(t)
	ka, kb := talkTo(t, n, a), talkTo(t, n, b)
	stop := flood(kb)
	defer stop()
	for range 10 {
		s := source(t, "to-a", nil)
		kb.say(t, "flood") // however busy the machine is
		ka.say(t, "to a")
		s.SetReadDeadline(time.Now().Add(labtest.Patience))
		for {
			frame, _, err := s.ReadPacketData()
			if err != nil {
				t.Broken("A datagram was sent over the interface to-a, and its source gave %s instead.", orNone(err))
			}
			data, _, _ := datagram(frame)
			if data == "flood" {
				t.Broken("A source of the interface to-a gave a frame that was sent over to-b.")
			}
			if data == "to a" {
				break
			}
		}
		s.Close()
	}
}

// flood sends datagrams without a pause until it is stopped.
func flood(k talk) (stop func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-over:
				return
			default:
				k.here.WriteTo([]byte("flood"), k.there.LocalAddr())
			}
		}
	}()
	return func() { close(over); <-ended }
}

func TestFilterIsThereBeforeTheFirstFrame(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	noise, wanted := talkTo(t, n, n.Node("far")), talkTo(t, n, n.Node("far"))
	stop := flood(noise)
	defer stop()
	for range 20 {
		s := source(t, n.Here().Interface(), onlyPort(wanted.port()))
		wanted.say(t, "wanted")
		s.SetReadDeadline(time.Now().Add(labtest.Patience))
		frame, _, err := s.ReadPacketData()
		if err != nil {
			t.Broken("A datagram was sent that the filter accepts, and the source gave %s.", orNone(err))
		}
		if data, _, _ := datagram(frame); data != "wanted" {
			t.Broken("A source was opened with a filter while much was sent that it refuses; the first frame that it gave is one of those (%q).", data)
		}
		s.Close()
	}
}

func TestCaptureEndsWithItsContext(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	t.NoLeaks()
	c := capture(t, n.Here().Interface(), &file{}, rawdiag.CaptureOptions{Filter: onlyPort(9)})
	c.end(t, "Nothing was sent, and the context ended")
	if c.err != nil {
		t.Broken("Nothing was sent, and the context ended. Capture returned %s; expected none.", orNone(c.err))
	}
	if p := c.packets(t, "Nothing was sent, and the context ended"); len(p) != 0 || c.stats.Captured != 0 {
		t.Broken("Nothing was sent that the filter accepts, and Capture counts %d frames.", c.stats.Captured)
	}
}

func TestFileHasTimesAndLengthsOfTheWire(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	k := talkTo(t, n, n.Node("far"))
	c := capture(t, n.Here().Interface(), &file{}, rawdiag.CaptureOptions{Snaplen: 60, Filter: onlyPort(k.port())})
	const count = 20
	var before, arrived []time.Time
	data := strings.Repeat("x", 1000)
	for i := range count {
		before = append(before, time.Now())
		arrived = append(arrived, k.say(t, fmt.Sprintf("%s%3d", data, i)))
	}
	c.end(t, "The context ended")
	what := "20 datagrams of 1003 bytes were sent, one after the other, each when the one before had arrived"
	packets := c.packets(t, what)
	if c.err != nil || len(packets) != count || c.stats.Captured != count {
		t.Broken("%s, and then the context ended. Capture returned %s and counts %d; its file has %d packets; expected 20.", what, orNone(c.err), c.stats.Captured, len(packets))
	}
	exact := false
	for i, p := range packets {
		if p.CaptureLength != 60 || len(p.data) != 60 || p.Length != 14+20+8+1003 {
			t.Broken("%s. With a snaplen of 60, packet %d has %d bytes in the file, and is said to have had %d on the wire; expected 60, and 1045.", what, i, len(p.data), p.Length)
		}
		if p.Timestamp.After(arrived[i]) {
			t.Broken("%s. In the file, packet %d passed %v after it had arrived: that is when it was read, and not when the kernel saw it.", what, i, p.Timestamp.Sub(arrived[i]).Round(10*time.Microsecond))
		}
		if p.Timestamp.Before(before[i].Add(-time.Millisecond)) {
			t.Broken("%s. In the file, packet %d passed %v before it was sent.", what, i, before[i].Sub(p.Timestamp))
		}
		exact = exact || p.Timestamp.Nanosecond()%1000 != 0
	}
	if !exact {
		t.Broken("%s. The times in the file are whole microseconds, all of them; the kernel has nanoseconds.", what)
	}
}

func TestCaptureEndsUnderAFlood(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	k := talkTo(t, n, n.Node("far"))
	c := capture(t, n.Here().Interface(), &file{}, rawdiag.CaptureOptions{Snaplen: 60})
	stop := flood(k)
	defer stop()
	t.Eventually("That frames are in the file", func() bool { return c.file.size() > 1<<12 })
	c.end(t, "Frames came without a pause, and the context ended")
	if c.err != nil {
		t.Broken("Frames came without a pause, and the context ended. Capture returned %s; expected none.", orNone(c.err))
	}
}

func TestCaptureEndsAfterItsCount(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	k := talkTo(t, n, n.Node("far"))
	c := capture(t, n.Here().Interface(), &file{}, rawdiag.CaptureOptions{Count: 3, Filter: onlyPort(k.port())})
	for i := range 5 {
		k.say(t, fmt.Sprint("number ", i))
	}
	what := "5 datagrams were sent, and 3 were asked for"
	c.wait(t, what)
	var seen []string
	for _, p := range c.packets(t, what) {
		data, _, _ := datagram(p.data)
		seen = append(seen, data)
	}
	if c.err != nil || !slices.Equal(seen, []string{"number 0", "number 1", "number 2"}) || c.stats.Captured != 3 {
		t.Broken("%s. Capture returned %s and counts %d, and its file has %q; expected the first three.", what, orNone(c.err), c.stats.Captured, seen)
	}
}

func TestDropsAreTold(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	k := talkTo(t, n, n.Node("far"))
	f := &file{held: make(chan struct{}), sink: true}
	c := capture(t, n.Here().Interface(), f, rawdiag.CaptureOptions{Filter: onlyPort(k.port())})
	// The file takes nothing meanwhile, and the kernel's room is 32 MiB.
	data := []byte(strings.Repeat("x", 1400))
	const sent = 60000
	for range sent {
		if _, err := k.here.WriteTo(data, k.there.LocalAddr()); err != nil {
			t.Fatalf("%v", err)
		}
	}
	close(f.held)
	c.stop()
	c.waitFor(t, "Much was sent, and the context ended", 4*labtest.Patience) // the room of the kernel must be written
	switch {
	case c.err != nil:
		t.Broken("Much was sent, and the context ended. Capture returned %s.", orNone(c.err))
	case c.stats.Dropped == 0:
		t.Broken("60000 datagrams were sent while the file took nothing, which is more than the kernel has room for. Capture counts %d that it wrote, and none that were dropped.", c.stats.Captured)
	case c.stats.Captured+c.stats.Dropped != sent:
		t.Broken("60000 datagrams were sent. Capture counts %d that it wrote and %d that were dropped, which is %d in all.", c.stats.Captured, c.stats.Dropped, c.stats.Captured+c.stats.Dropped)
	}
}

func TestFileThatFailsEndsCapture(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	t.NoLeaks()
	k := talkTo(t, n, n.Node("far"))
	full := errors.New("no space left on the device")
	f := &file{most: 4096, cause: full}
	c := capture(t, n.Here().Interface(), f, rawdiag.CaptureOptions{Filter: onlyPort(k.port())})
	stop := flood(k)
	c.wait(t, "The file failed after 4096 bytes")
	stop()
	if !errors.Is(c.err, full) {
		t.Broken("The file failed after 4096 bytes, and Capture returned %s; expected the file's error.", orNone(c.err))
	}
}

func TestInterfaceThatGoesDownEndsCapture(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	k := talkTo(t, n, n.Node("far"))
	c := capture(t, n.Here().Interface(), &file{}, rawdiag.CaptureOptions{Filter: onlyPort(k.port())})
	k.say(t, "the last word")
	down(t, n.Here().Interface())
	what := "A datagram was sent, and then the interface went down"
	c.wait(t, what)
	if c.err == nil {
		t.Broken("%s. Capture returned no error; expected the interface's.", what)
	}
	if p := c.packets(t, what); len(p) != 1 {
		t.Broken("%s. The file has %d packets; expected the one that was sent before.", what, len(p))
	}
}

func TestWhatCannotBeOpenedIsTold(tt *testing.T) {
	t := labtest.Begin(tt)
	n := cable(t)
	t.NoLeaks()
	s, err := rawdiag.OpenSource("nosuch0", nil)
	if err == nil || s != nil || !strings.Contains(err.Error(), "nosuch0") {
		t.Broken("There is no interface nosuch0, and OpenSource returned %s; expected one that names it.", orNone(err))
	}
	if _, err := rawdiag.OpenSource(n.Here().Interface(), onlyPort(1)[:3]); err == nil {
		t.Broken("A filter that ends without a verdict is none that a kernel takes, and OpenSource returned no error.")
	}
	var denied error
	if err := netlab.WithoutRaw(func() error { _, denied = rawdiag.OpenSource(n.Here().Interface(), nil); return nil }); err != nil {
		t.Fatalf("%v", err)
	}
	if _, ok := errors.AsType[*rawdiag.PrivilegeError](denied); !ok || !errors.Is(denied, os.ErrPermission) {
		t.Broken("Where packet sockets are not allowed, OpenSource returned %s; expected a *PrivilegeError, whose words say what to do.", orNone(denied))
	}
}
