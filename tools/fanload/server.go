package fanload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Server is a program that can be started and loaded.
type Server struct {
	Name     string
	Protocol Protocol
	// Command returns the program's arguments to listen at addr on loopback;
	// dir is empty and the server's own.
	Command func(dir string, host string, port int) ([]string, error)
	// Version is what the program says about itself, or empty.
	Version string
	// Note says what was set otherwise than by default.
	Note string
}

// errNotInstalled is why a peer is missing from a comparison.
var errNotInstalled = errors.New("not installed")

// find returns the program's path, also where Debian puts servers and a
// user's PATH does not look.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", program))
}

// NATSServer is nats-server, with nothing but its address set.
func NATSServer(ctx context.Context) (Server, error) {
	path, err := find("nats-server")
	if err != nil {
		return Server{}, fmt.Errorf("nats-server: %w", errNotInstalled)
	}
	return Server{
		Name:     "nats-server",
		Protocol: NATS{},
		Version:  version(ctx, path),
		Command: func(dir, host string, port int) ([]string, error) {
			return []string{path, "-a", host, "-p", strconv.Itoa(port)}, nil
		},
	}, nil
}

// NgIRCd is ngircd with what would slow a fast sender down on purpose
// switched off.
func NgIRCd(ctx context.Context) (Server, error) {
	path, err := find("ngircd")
	if err != nil {
		return Server{}, fmt.Errorf("ngircd: %w", errNotInstalled)
	}
	return Server{
		Name:     "ngircd",
		Protocol: IRC{},
		Version:  version(ctx, path),
		Note:     "penalties off, limits on connections and channels lifted, no DNS, ident or PAM",
		Command: func(dir, host string, port int) ([]string, error) {
			conf := filepath.Join(dir, "ngircd.conf")
			text := fmt.Sprintf(`[Global]
Name = irc.fanload.test
Info = fanload
Listen = %s
Ports = %d
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
`, host, port)
			return []string{path, "-n", "-f", conf}, os.WriteFile(conf, []byte(text), 0o600)
		},
	}, nil
}

var versionNumber = regexp.MustCompile(`v?[0-9]+(\.[0-9]+)+`)

func version(ctx context.Context, path string) string {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(string(versionNumber.Find(out)), "v")
}

// startTimeout is how long a server may take until it accepts.
const startTimeout = 10 * time.Second

// Instance is a server that runs.
type Instance struct {
	Addr string

	kill  context.CancelFunc
	ended chan struct{}
	dir   string
	said  bytes.Buffer
}

// Stop ends the server and returns what it said.
func (i *Instance) Stop() string {
	i.kill()
	<-i.ended
	os.RemoveAll(i.dir)
	return strings.TrimSpace(i.said.String())
}

// Start runs the server on a free loopback port. It returns when the server
// accepts connections.
func (s Server) Start(ctx context.Context) (i *Instance, err error) {
	// The port is free when it is chosen and may be taken when the server gets
	// there; none of the servers can be handed a socket. So try again.
	for range 3 {
		if i, err = s.startOnce(ctx); err == nil || ctx.Err() != nil {
			return i, err
		}
	}
	return nil, err
}

func (s Server) startOnce(ctx context.Context) (*Instance, error) {
	dir, err := os.MkdirTemp("", "fanload-")
	if err != nil {
		return nil, err
	}
	host, port, err := freePort()
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	args, err := s.Command(dir, host, port)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	ctx, kill := context.WithCancel(ctx)
	running := &Instance{
		Addr:  net.JoinHostPort(host, strconv.Itoa(port)),
		kill:  kill,
		ended: make(chan struct{}),
		dir:   dir,
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &running.said, &running.said
	if err := cmd.Start(); err != nil {
		kill()
		os.RemoveAll(dir)
		return nil, err
	}
	go func() {
		cmd.Wait()
		close(running.ended)
	}()
	if err := accepting(ctx, running.Addr, running.ended); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", s.Name, err, running.Stop())
	}
	return running, nil
}

func freePort() (host string, port int, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", 0, err
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr)
	return at.IP.String(), at.Port, nil
}

// accepting waits until somebody listens at addr. Servers in other languages
// have no common way to say so, hence the polling.
func accepting(ctx context.Context, addr string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return errors.New("ended before it accepted a connection")
		case <-ctx.Done():
			return fmt.Errorf("does not accept connections at %s: %w", addr, err)
		case <-tick.C:
		}
	}
}
