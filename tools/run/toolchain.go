package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// toolchain is what the go command says about itself.
type toolchain struct {
	Version string `json:"GOVERSION"`
	OS      string `json:"GOOS"`
	Arch    string `json:"GOARCH"`
	CC      string `json:"CC"`
	Cgo     string `json:"CGO_ENABLED"`
}

func findToolchain(ctx context.Context) (toolchain, error) {
	var t toolchain
	out, err := exec.CommandContext(ctx, "go", "env", "-json", "GOVERSION", "GOOS", "GOARCH", "CC", "CGO_ENABLED").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return t, errors.New(noGo)
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return t, fmt.Errorf("go env: %s", bytes.TrimSpace(exit.Stderr)) // such as a Go that is too old
	}
	if err != nil {
		return t, fmt.Errorf("go env: %w", err)
	}
	return t, json.Unmarshal(out, &t)
}

// racePlatforms are those that the race detector exists for; see `go help
// build`.
var racePlatforms = []string{
	"darwin/amd64", "darwin/arm64", "freebsd/amd64", "linux/amd64", "linux/arm64", "linux/loong64",
	"linux/ppc64le", "linux/riscv64", "linux/s390x", "netbsd/amd64", "windows/amd64",
}

// raceDetector decides whether to use the race detector, and says in a note
// why it is not used although it was wished for.
func (t toolchain) raceDetector(wish Race) (use bool, note string, err error) {
	if wish == RaceOff {
		return false, "", nil
	}
	lack := t.lacksForRace()
	switch {
	case lack == "":
		return true, "", nil
	case wish == RaceOn:
		return false, "", fmt.Errorf("--race=on: %s", lack)
	default:
		return false, "The race detector did not watch: " + lack + ".", nil
	}
}

func (t toolchain) lacksForRace() string {
	if !slices.Contains(racePlatforms, t.OS+"/"+t.Arch) {
		return fmt.Sprintf("Go has none for %s/%s", t.OS, t.Arch)
	}
	if t.OS == "darwin" {
		return "" // needs no C since Go 1.20
	}
	if t.Cgo != "1" {
		// The go command switches cgo off by itself where it finds no compiler.
		if _, err := exec.LookPath(compiler(t.CC)); err == nil {
			return "CGO_ENABLED is 0; `CGO_ENABLED=1` switches it on"
		}
		return lackOfC(compiler(t.CC), t.OS)
	}
	if _, err := exec.LookPath(compiler(t.CC)); err != nil {
		return lackOfC(compiler(t.CC), t.OS)
	}
	return ""
}

// compiler is the program of a CC setting, which may have arguments.
func compiler(cc string) string {
	if fields := strings.Fields(cc); len(fields) > 0 {
		return fields[0]
	}
	return "gcc"
}

// brokenC reports whether it was the C compiler that failed: the race detector
// is the only thing in a lab that needs it.
func brokenC(out []byte) bool {
	return strings.HasPrefix(string(out), "# runtime/cgo") || strings.Contains(string(out), "C compiler")
}
