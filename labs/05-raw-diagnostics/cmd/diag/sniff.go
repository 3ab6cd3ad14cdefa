package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/bpf"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
)

func sniff(ctx context.Context, args []string) error {
	f := newFlags("sniff")
	file := f.String("w", "", "write the frames to this `file` (pcapng), and do not print them")
	count := f.Int("c", 0, "end after so many `frames`; 0 is until Ctrl-C")
	snaplen := f.Int("s", 0, "most `bytes` of a frame that are written; 0 is all")
	if err := parse(f, "diag sniff shows the frames that an interface sends and receives.", "diag sniff lo tcp port 8888", 6, args); err != nil {
		return err
	}
	if *count < 0 || *snaplen < 0 {
		return fmt.Errorf("%w: -c and -s are 0 or more", errUsage)
	}
	filter, err := filterOf(f.Args()[1:])
	if err != nil {
		return err
	}
	if *file == "" {
		return show(ctx, f.Arg(0), filter, *count)
	}
	// First the interface: what was in the file is lost once it is created.
	source, err := rawdiag.OpenSource(f.Arg(0), filter)
	if err != nil {
		return err
	}
	source.Close()
	w, err := os.Create(*file)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "capturing on %s to %s; Ctrl-C ends it\n", f.Arg(0), *file)
	s, err := rawdiag.Capture(ctx, f.Arg(0), w, rawdiag.CaptureOptions{Filter: filter, Snaplen: *snaplen, Count: *count})
	err = errors.Join(err, w.Close())
	tell(s)
	return err
}

func tell(s rawdiag.CaptureStats) {
	fmt.Fprintf(os.Stderr, "%d frames captured, %d dropped by the kernel\n", s.Captured, s.Dropped)
}

// show prints a line for each frame.
func show(ctx context.Context, iface string, filter []bpf.Instruction, count int) error {
	source, err := rawdiag.OpenSource(iface, filter)
	if err != nil {
		return err
	}
	defer source.Close()
	fmt.Fprintf(os.Stderr, "capturing on %s; Ctrl-C ends it\n", iface)
	defer context.AfterFunc(ctx, func() { source.SetReadDeadline(time.Unix(1, 0)) })()
	var s rawdiag.CaptureStats
	for count == 0 || s.Captured < count {
		var l rawdiag.Layers
		frame, info, err := source.ZeroCopyReadPacketData()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return err
		}
		bad := rawdiag.Decode(frame, &l)
		if bad != nil && !ofFrame(bad) {
			return bad
		}
		fmt.Println(info.Timestamp.Format("15:04:05.000000"), line(&l, bad, info.Length))
		s.Captured++
	}
	s.Dropped, err = source.Dropped()
	tell(s)
	return err
}

// ofFrame reports whether an error of Decode is about what the frame holds.
func ofFrame(err error) bool {
	return errors.Is(err, rawdiag.ErrShort) || errors.Is(err, rawdiag.ErrMalformed)
}

// filterOf is the filter that words describe; nil if there are none.
func filterOf(words []string) ([]bpf.Instruction, error) {
	if len(words) == 0 {
		return nil, nil
	}
	var spec rawdiag.Spec
	protocols := map[string]rawdiag.Protocol{"tcp": rawdiag.TCP, "udp": rawdiag.UDP, "icmp": rawdiag.ICMP, "icmp6": rawdiag.ICMPv6}
	for i := 0; i < len(words); i++ {
		word, next := words[i], ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		var err error
		switch {
		case word == "and":
		case protocols[word] != 0:
			spec.Protocol = protocols[word]
		case word == "host":
			if spec.Host, err = netip.ParseAddr(next); err != nil {
				err = fmt.Errorf("%q is no address", next)
			}
			i++
		case word == "port":
			var port uint64
			if port, err = strconv.ParseUint(next, 10, 16); err != nil || port == 0 {
				err = fmt.Errorf("%q is no port", next)
			}
			spec.Port = uint16(port)
			i++
		default:
			err = fmt.Errorf("%q is nothing that can be looked for", word)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %v; a filter is made of tcp, udp, icmp or icmp6, host ADDRESS and port NUMBER", errUsage, err)
		}
	}
	filter, err := rawdiag.Filter(spec)
	if errors.Is(err, rawdiag.ErrContradiction) {
		return nil, fmt.Errorf("%w: %q: %v", errUsage, strings.Join(words, " "), err)
	}
	return filter, err
}

// line is a frame in a line, in the manner of tcpdump.
func line(l *rawdiag.Layers, bad error, length int) string {
	text := where(l)
	for _, tag := range l.VLANs {
		if tag != 0 && l.Has&rawdiag.HasVLAN != 0 {
			text = fmt.Sprintf("vlan %d, %s", tag, text)
		}
	}
	if bad != nil {
		text += ": " + bad.Error()
	}
	return fmt.Sprintf("%s, %d bytes", text, length)
}

// where is from whom to whom, and what.
func where(l *rawdiag.Layers) string {
	src, dst := l.Endpoints()
	switch {
	case l.Has&rawdiag.HasTCP != 0:
		return fmt.Sprintf("%v > %v: TCP %s seq %d ack %d, %d of data", src, dst, flags(l.TCP.Flags), l.TCP.Seq, l.TCP.Ack, l.TCP.Length)
	case l.Has&rawdiag.HasUDP != 0:
		return fmt.Sprintf("%v > %v: UDP, %d of data", src, dst, l.UDP.Length-8)
	case l.Has&rawdiag.HasICMP != 0:
		return fmt.Sprintf("%v > %v: ICMP type %d code %d", src.Addr(), dst.Addr(), l.ICMP.Type, l.ICMP.Code)
	case l.Has&rawdiag.HasFragment != 0:
		return fmt.Sprintf("%v > %v: protocol %d, a fragment from byte %d on", src.Addr(), dst.Addr(), l.IP.Protocol, l.IP.Offset)
	case l.Has&(rawdiag.HasIPv4|rawdiag.HasIPv6) != 0:
		return fmt.Sprintf("%v > %v: protocol %d", src.Addr(), dst.Addr(), l.IP.Protocol)
	case l.Has&rawdiag.HasEthernet != 0:
		return fmt.Sprintf("%x > %x: type %04x", l.Ethernet.Src, l.Ethernet.Dst, l.Ethernet.Type)
	}
	return "no frame of Ethernet"
}

// flags are the control bits of a TCP segment, by their names.
func flags(f rawdiag.TCPFlags) string {
	var names []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}
