package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// server is a redis-server of a test's own, on loopback, in a folder that goes with the test.
type server struct {
	port    int
	args    []string
	dir     string
	process *exec.Cmd
}

func (s *server) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }
func (s *server) url() string     { return "redis://" + s.address() }

// start starts a redis-server with further arguments, such as "--maxmemory", "1mb".
func start(t testing.TB, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("needs redis-server, which the package of that name in Debian has")
	}
	s := &server{port: freePort(t), args: args, dir: t.TempDir()}
	s.run(t)
	t.Cleanup(s.kill)
	return s
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has such an address
}

// run starts the process and waits until it answers.
func (s *server) run(t testing.TB) {
	t.Helper()
	args := append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
	}, s.args...)
	s.process = exec.CommandContext(context.WithoutCancel(t.Context()), "redis-server", args...) //nolint:gosec // the test's own words
	var out bytes.Buffer
	s.process.Stdout, s.process.Stderr = &out, &out
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(s.port)
	for i, arg := range s.args {
		if arg == "--tls-port" {
			port = s.args[i+1]
		}
	}
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(until) {
			t.Fatalf("redis-server does not answer: %v\n%s", err, out.String())
		}
	}
}

// kill ends the process at once, as a crash does.
func (s *server) kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}

// do sends a command, and returns the answer as text.
func (s *server) do(t testing.TB, words ...string) string {
	t.Helper()
	client, err := valkey.NewClient(valkey.ClientOption{InitAddress: []string{s.address()}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answer := client.Do(t.Context(), client.B().Arbitrary(words...).Build())
	if err := answer.Error(); err != nil && !valkey.IsValkeyNil(err) {
		t.Fatalf("%v: %v", words, err)
	}
	text, _ := answer.ToString()
	return text
}

// mustOpen opens a store.
func mustOpen(t testing.TB, url string, config Config) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := Open(ctx, url, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// seen are the events that an observer was told.
type seen struct {
	mu     sync.Mutex
	events []observe.Event
}

func (s *seen) Observe(_ context.Context, e observe.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

func (s *seen) count(message string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if strings.Contains(e.Message, message) {
			n++
		}
	}
	return n
}

// cluster are three servers that share the slots.
func cluster(t testing.TB) []*server {
	t.Helper()
	var all []*server
	args := []string{"--cluster", "create"}
	for range 3 {
		s := start(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000", "--cluster-port", strconv.Itoa(freePort(t)))
		all = append(all, s)
		args = append(args, s.address())
	}
	if out, err := exec.CommandContext(t.Context(), "redis-cli", append(args, "--cluster-yes")...).CombinedOutput(); err != nil { //nolint:gosec // the test's own words
		t.Fatalf("redis-cli: %v\n%s", err, out)
	}
	return all
}

func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func eventually(t testing.TB, what string, within time.Duration, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(within); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal(fmt.Sprint("not within ", within, ": ", what))
		}
	}
}
