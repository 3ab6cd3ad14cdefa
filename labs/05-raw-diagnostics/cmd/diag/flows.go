package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
)

func flows(args []string) error {
	f := newFlags("flows")
	if err := parse(f, "diag flows tells what became of each connection, and each name, in a capture file (pcapng or pcap).", "diag flows chat.pcapng", 1, args); err != nil {
		return err
	}
	file, err := os.Open(f.Arg(0))
	if err != nil {
		return err
	}
	defer file.Close()
	var table rawdiag.Flows
	var names rawdiag.Lookups
	counted := 0
	frames, odd, err := readCapture(file, func(at time.Time, l *rawdiag.Layers, length int) {
		if l.Has&(rawdiag.HasTCP|rawdiag.HasUDP) != 0 {
			counted++
		}
		table.Add(at, l, length)
		names.Add(at, l)
	})
	if err != nil {
		return fmt.Errorf("%s, behind %d frames: %w", f.Arg(0), frames, err)
	}
	all := table.All()
	if counted > 0 && len(all) == 0 {
		return fmt.Errorf("%d frames carry TCP or UDP, and Flows has counted none of them (labs/05-raw-diagnostics/README.md#9-analysis)", counted)
	}
	fmt.Printf("%d frames, %d of them broken or cut within a header\n", frames, odd)
	printFlows(os.Stdout, all)
	printNames(os.Stdout, names.All())
	return nil
}

// A captureReader is either format of capture files.
type captureReader interface {
	gopacket.PacketDataSource
	LinkType() layers.LinkType
}

// readCapture decodes each frame of a file, and counts those that cannot be.
func readCapture(file io.Reader, each func(time.Time, *rawdiag.Layers, int)) (frames, odd int, err error) {
	in := bufio.NewReader(file)
	var r captureReader
	if magic, _ := in.Peek(4); bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		r, err = pcapgo.NewNgReader(in, pcapgo.DefaultNgReaderOptions)
	} else {
		r, err = pcapgo.NewReader(in)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("it is neither pcapng nor pcap: %w", err)
	}
	if r.LinkType() != layers.LinkTypeEthernet {
		return 0, 0, fmt.Errorf("its frames are of type %v, and this reads Ethernet", r.LinkType())
	}
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames, odd, nil
		}
		if err != nil {
			return frames, odd, err
		}
		frames++
		var l rawdiag.Layers
		bad := rawdiag.Decode(data, &l)
		if bad != nil && !ofFrame(bad) {
			return frames, odd, bad
		}
		if bad != nil {
			odd++
		}
		each(info.Timestamp, &l, info.Length)
	}
}

func printFlows(w io.Writer, all []rawdiag.Flow) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no flow of TCP or UDP")
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tfrom\tto\tpackets there, back\tbytes there, back\tsent again there, back\thandshake\tlasted")
	for _, f := range all {
		again, handshake := "", ""
		if f.Protocol == rawdiag.TCP {
			again = fmt.Sprintf("%d, %d", f.AB.Retransmissions, f.BA.Retransmissions)
			handshake = "not seen"
			if f.HandshakeRTT > 0 {
				handshake = millis(f.HandshakeRTT)
			}
		}
		name := map[rawdiag.Protocol]string{rawdiag.TCP: "TCP", rawdiag.UDP: "UDP"}[f.Protocol]
		fmt.Fprintf(t, "%s\t%v\t%v\t%d, %d\t%d, %d\t%s\t%s\t%s\n",
			name, f.A, f.B, f.AB.Packets, f.BA.Packets, f.AB.Bytes, f.BA.Bytes, again, handshake, millis(f.Last.Sub(f.First)))
	}
	t.Flush()
}

func printNames(w io.Writer, all []rawdiag.Lookup) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range all {
		outcome := "no answer"
		if l.Answered {
			outcome = strings.TrimPrefix(l.RCode.String(), "RCode") + "\tafter " + millis(l.Took)
		}
		fmt.Fprintf(t, "%v\tasks %v\tfor %s\t%s\t%s\n", l.Client, l.Server, l.Name, strings.TrimPrefix(l.Type.String(), "Type"), outcome)
	}
	t.Flush()
}
