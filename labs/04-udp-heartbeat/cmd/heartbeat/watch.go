package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
)

func watch(ctx context.Context, args []string) error {
	f := newFlags("watch")
	addr := f.String("addr", defaultAddr, "`address` to listen on; port 0 picks a free one")
	interval := f.Duration("interval", heartbeat.DefaultInterval, "time from beat to beat of those who are watched")
	loss := f.Float64("loss", 0.2, "the `part` of all datagrams that the network may lose, 0 to less than 1")
	mistakes := f.Float64("mistakes", 1, "how often in a day somebody may be suspected wrongly")
	detector := f.String("detector", "timeout", "timeout or `phi`")
	maxPeers := f.Int("max-peers", 20_000, "how many names are known at most")
	forget := f.Duration("forget", heartbeat.DefaultForgetAfter, "time after which who is dead or gone is forgotten")
	every := f.Duration("every", 500*time.Millisecond, "time from picture to picture, on a terminal")
	plain := f.Bool("plain", false, "write lines instead of a table, also on a terminal")
	if err := parse(f, "heartbeat watch shows who beats, until Ctrl-C. On a terminal it is a table, who\nneeds looking after first; elsewhere a line for each change.", args); err != nil {
		return err
	}
	switch {
	case *interval <= 0, *every <= 0, *forget <= 0:
		return fmt.Errorf("%w: -interval, -every and -forget are longer than 0", errUsage)
	case *loss < 0 || *loss >= 1:
		return fmt.Errorf("%w: a loss is from 0 to less than 1, for example -loss 0.2", errUsage)
	case *mistakes <= 0:
		return fmt.Errorf("%w: every detector is wrong now and then: -mistakes is more than 0", errUsage)
	case *maxPeers < 1:
		return fmt.Errorf("%w: -max-peers is at least 1", errUsage)
	}
	after := heartbeat.SuspectAfter(*interval, *loss, *mistakes)
	if after <= 0 {
		return errors.New("SuspectAfter gives no time yet: stage 5 of the lab comes first")
	}
	var newDetector func(time.Time) heartbeat.Detector
	switch *detector {
	case "timeout":
		cfg := heartbeat.TimeoutConfig{SuspectAfter: after, DeadAfter: 3 * after, Recover: 3}
		newDetector = func(now time.Time) heartbeat.Detector { return heartbeat.NewTimeout(cfg, now) }
	case "phi":
		cfg := heartbeat.PhiConfig{Interval: *interval, DeadAfter: 3 * after, MinDeviation: *interval / 10, Pause: after / 2}
		newDetector = func(now time.Time) heartbeat.Detector { return heartbeat.NewPhi(cfg, now) }
	default:
		return fmt.Errorf("%w: there is no detector %q; say timeout or phi", errUsage, *detector)
	}

	conn, err := listen(*addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	screen := newScreen(os.Stdout, *plain)
	header := fmt.Sprintf("listening on %v; suspect after %v, dead after %v (%s)", conn.LocalAddr(), after, 3*after, *detector)
	monitor := &heartbeat.Monitor{Key: key(), NewDetector: newDetector, MaxPeers: *maxPeers, ForgetAfter: *forget, OnEvent: screen.event}
	screen.begin(header)
	defer screen.end(monitor)

	ran := make(chan error, 1)
	go func() { ran <- monitor.Run(ctx, conn) }()
	ticker := time.NewTicker(*every)
	defer ticker.Stop()
	for {
		select {
		case err := <-ran:
			if ctx.Err() != nil {
				return nil
			}
			return err
		case <-ticker.C:
			screen.draw(header, monitor)
		}
	}
}

// listen opens the monitor's socket, with room for a burst of beats.
func listen(addr string) (*net.UDPConn, error) {
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: cannot listen on %q: %v; say -addr 127.0.0.1:9944", errUsage, addr, err)
	}
	conn, err := net.ListenUDP("udp", at)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use already, maybe by a heartbeat watch that still runs\n"+
			"  who has it:   ss -lunp 'sport = :%d'\n"+
			"  another port: make run-lab 4 ARGS=\"watch -addr 127.0.0.1:0\"", addr, at.Port)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	conn.SetReadBuffer(4 << 20) // as much of it as the system gives: net.core.rmem_max
	return conn, nil
}
