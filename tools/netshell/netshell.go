package netshell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"workbook.example/tools/course"
	"workbook.example/tools/netlab"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// Options say what the network is like and what runs in it.
type Options struct {
	Routers int      // between here and far
	Command []string // instead of a shell
	Quiet   bool     // no map and no advice

	// Set says whose programs are built.
	Set func(*course.Lab) (*sources.Set, error)
}

// Run makes the network, says on w what there is, and runs a shell in it. It must
// be called in a process that is in a sandbox. The error is the shell's, an
// *exec.ExitError, or trouble before it could start.
func Run(ctx context.Context, c *course.Course, w io.Writer, o Options) error {
	n, err := netlab.OpenLine(o.Routers)
	if err != nil {
		return err
	}
	defer n.Close()
	// So that ping needs no rights: icmp(7). The kernel may be too old for it.
	_ = n.Here().Sysctl("net.ipv4.ping_group_range", fmt.Sprint(os.Getgid(), " ", os.Getgid()))
	if err := echo(n.Node("far")); err != nil {
		return fmt.Errorf("the echo service on far: %w", err)
	}
	dir, err := os.MkdirTemp("", "workbook-net-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := commands(n, dir); err != nil {
		return err
	}
	built, broken, err := programs(ctx, c, o.Set, dir)
	if err != nil {
		return err
	}
	// Where that is not allowed, the map has the addresses.
	named := names(n, dir) == nil
	if !o.Quiet {
		io.WriteString(w, welcome(n, named, built, broken))
	}

	command := o.Command
	if len(command) == 0 {
		command = []string{shell()}
	}
	env := append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	exe, err := look(command[0], dir)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrNoCommand, command[0])
	}
	cmd := exec.Command(exe, command[1:]...)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// ErrNoCommand says that there is no program of that name.
var ErrNoCommand = errors.New("there is no such command")

// look finds a command as the shell in the network would.
func look(name, dir string) (string, error) {
	if own := filepath.Join(dir, name); !strings.ContainsRune(name, filepath.Separator) {
		if _, err := os.Stat(own); err == nil {
			return own, nil
		}
	}
	return exec.LookPath(name)
}

func shell() string {
	if s := os.Getenv("SHELL"); s != "" {
		return s
	}
	return "/bin/sh"
}

// programs builds the programs of the labs into dir. Those that do not build
// are named.
func programs(ctx context.Context, c *course.Course, of func(*course.Lab) (*sources.Set, error), dir string) (built, broken []string, err error) {
	for _, lab := range c.Labs {
		if lab.Program == "" {
			continue
		}
		set, err := of(lab)
		if err != nil {
			return nil, nil, err
		}
		at := filepath.Join(dir, ".build", lab.Folder)
		if err := os.MkdirAll(at, 0o700); err != nil {
			return nil, nil, err
		}
		exe, err := run.Program(ctx, lab, set, at)
		if bad := (*run.BuildError)(nil); errors.As(err, &bad) {
			broken = append(broken, lab.Program)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if err := os.Symlink(exe, filepath.Join(dir, lab.Program)); err != nil {
			return nil, nil, err
		}
		built = append(built, lab.Program)
	}
	return built, broken, nil
}

// commands writes the commands that only this shell has.
func commands(n *netlab.Net, dir string) error {
	var on strings.Builder
	on.WriteString("#!/bin/sh\n# on MACHINE COMMAND...: run a command on another machine of this network.\ncase \"$1\" in\n")
	var names []string
	for _, node := range n.Nodes() {
		names = append(names, node.Name)
		fmt.Fprintf(&on, "%s) net=%s ;;\n", node.Name, node.Namespace())
	}
	fmt.Fprintf(&on, "*) echo \"on: which machine? There are: %s\" >&2; exit 2 ;;\nesac\nshift\n"+
		"[ $# -gt 0 ] || { echo \"on: which command? Say for example: on r1 ip addr\" >&2; exit 2; }\n"+
		"exec nsenter --net=\"$net\" -- \"$@\"\n", strings.Join(names, ", "))
	return os.WriteFile(filepath.Join(dir, "on"), []byte(on.String()), 0o755)
}

// echo has a machine send back what it is sent, on port 7 of TCP and UDP
// (RFC 862), until the network is closed with this process.
func echo(node *netlab.Node) error {
	for _, host := range []netip.Addr{node.Addr4(), node.Addr6()} {
		at := netip.AddrPortFrom(host, 7).String()
		l, err := node.Listen("tcp", at)
		if err != nil {
			return err
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					_, _ = io.Copy(conn, conn)
				}()
			}
		}()
		packets, err := node.ListenPacket("udp", at)
		if err != nil {
			return err
		}
		go echoPackets(packets)
	}
	return nil
}

func echoPackets(packets net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := packets.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = packets.WriteTo(buf[:n], from)
	}
}
