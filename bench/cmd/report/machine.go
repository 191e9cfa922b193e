package main

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// machine says where and with what was measured.
type machine struct {
	Processor  string
	Processors int
	System     string
	Go         string
	Date       string
	Commit     string
	LoadBefore string
	LoadAfter  string
	Versions   map[string]string
}

func describeMachine() machine {
	m := machine{
		Processors: runtime.NumCPU(), Go: runtime.Version(), Date: time.Now().UTC().Format(time.DateOnly),
		System: runtime.GOOS + "/" + runtime.GOARCH, LoadBefore: loadAverage(), Versions: map[string]string{},
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.Processor = strings.TrimSpace(value)
				break
			}
		}
	}
	if out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil { //nolint:noctx // it is quick
		m.Commit = strings.TrimSpace(string(out))
	}
	for name, command := range map[string][]string{"Node.js": {"node", "--version"}, "Python": {"python3", "--version"}} {
		if out, err := exec.Command(command[0], command[1:]...).Output(); err == nil { //nolint:noctx,gosec // as above
			fields := strings.Fields(string(out))
			m.Versions[name] = fields[len(fields)-1]
		}
	}
	peers := []string{
		"github.com/golang-jwt/jwt/v5", "github.com/MicahParks/keyfunc/v3", "github.com/coreos/go-oidc/v3",
		"github.com/lestrrat-go/jwx/v2", "github.com/auth0/go-jwt-middleware/v3", "github.com/labstack/echo/v4",
		"github.com/labstack/echo-jwt/v4", "github.com/modelcontextprotocol/go-sdk", "github.com/maypok86/otter/v2",
		"github.com/hashicorp/golang-lru/v2",
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if slices.Contains(peers, d.Path) {
				m.Versions[strings.TrimPrefix(d.Path, "github.com/")] = d.Version
			}
		}
	}
	return m
}

// loadAverage is how busy the machine was in the last minute, itself included; empty where the
// system does not tell.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return strings.Fields(string(text))[0]
}
