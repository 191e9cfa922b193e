// Package redistest runs real redis-servers for tests, each with a port and a folder of its own.
package redistest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server of a test's own, on loopback, that ends with the test.
type Server struct {
	// Port is that without TLS.
	Port int

	t       testing.TB
	args    []string
	dir     string
	process *exec.Cmd
	out     bytes.Buffer
}

// Start starts a redis-server with further arguments, such as "--maxmemory", "1mb". Without one the
// test is skipped, and fails where CI is set.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	s := &Server{Port: FreePort(tb), t: tb, dir: tb.TempDir()}
	s.args = append([]string{
		"--port", strconv.Itoa(s.Port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
	}, args...)
	s.Run()
	tb.Cleanup(s.Kill)
	return s
}

// Sentinel starts a sentinel with a configuration.
func Sentinel(tb testing.TB, config string) *Server {
	tb.Helper()
	s := &Server{Port: FreePort(tb), t: tb, dir: tb.TempDir()}
	path := filepath.Join(s.dir, "sentinel.conf")
	if err := os.WriteFile(path, []byte("port "+strconv.Itoa(s.Port)+"\nbind 127.0.0.1\n"+config), 0o600); err != nil {
		tb.Fatal(err)
	}
	s.args = []string{path, "--sentinel"}
	s.Run()
	tb.Cleanup(s.Kill)
	return s
}

// Address is the server's host and port.
func (s *Server) Address() string { return "127.0.0.1:" + strconv.Itoa(s.Port) }

// URL is the server's as stores are named.
func (s *Server) URL() string { return "redis://" + s.Address() }

// Run starts the process, again after [Server.Kill], and returns when it answers.
func (s *Server) Run() {
	s.t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			s.t.Fatal(err)
		}
		s.t.Skip("needs redis-server, which the package of that name in Debian has")
	}
	s.process = exec.CommandContext(context.WithoutCancel(s.t.Context()), "redis-server", s.args...) //nolint:gosec // the test's own words
	s.out.Reset()
	s.process.Stdout, s.process.Stderr = &s.out, &s.out
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	Eventually(s.t, "redis-server answers", 20*time.Second, func() bool {
		words := []string{"-p", strconv.Itoa(s.Port), "PING"}
		out, err := exec.CommandContext(s.t.Context(), "redis-cli", words...).CombinedOutput()
		return err == nil && len(out) > 0 // also where it wants a login
	})
}

// Kill ends the process at once, as a crash does.
func (s *Server) Kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}

// Do sends a command, and returns the answer as redis-cli prints it.
func (s *Server) Do(words ...string) string {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), "redis-cli", append([]string{"-p", strconv.Itoa(s.Port)}, words...)...).CombinedOutput() //nolint:gosec // the test's own words
	if err != nil {
		s.t.Fatalf("%v: %v %s", words, err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// Dump returns the whole memory of the server as it would write it to a disk, without compression.
func (s *Server) Dump() []byte {
	s.t.Helper()
	s.Do("CONFIG", "SET", "rdbcompression", "no")
	s.Do("SAVE")
	dump, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
	if err != nil {
		s.t.Fatal(err)
	}
	return dump
}

// Cluster starts three servers that share the slots, and returns the URL of them.
func Cluster(tb testing.TB) string {
	tb.Helper()
	var hosts []string
	for range 3 {
		s := Start(tb, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", strconv.Itoa(FreePort(tb)))
		hosts = append(hosts, s.Address())
	}
	create := append(append([]string{"--cluster", "create"}, hosts...), "--cluster-yes")
	if out, err := exec.CommandContext(tb.Context(), "redis-cli", create...).CombinedOutput(); err != nil {
		tb.Fatalf("redis-cli: %v\n%s", err, out)
	}
	return "redis+cluster://" + strings.Join(hosts, ",")
}

// Watched starts a primary, a replica of it, and three sentinels that watch them.
func Watched(tb testing.TB) (url string, primary, replica *Server) {
	tb.Helper()
	primary = Start(tb)
	replica = Start(tb, "--replicaof", "127.0.0.1 "+strconv.Itoa(primary.Port), "--repl-diskless-sync-delay", "0")
	var hosts []string
	var first *Server
	for range 3 {
		s := Sentinel(tb, "sentinel monitor main 127.0.0.1 "+strconv.Itoa(primary.Port)+" 2\n"+
			"sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n")
		first, hosts = s, append(hosts, s.Address())
	}
	Eventually(tb, "the sentinels know the replica and each other", time.Minute, func() bool {
		known := first.Do("sentinel", "master", "main")
		return strings.Contains(known, "num-slaves\n1") && strings.Contains(known, "num-other-sentinels\n2")
	})
	return "redis+sentinel://" + strings.Join(hosts, ",") + "/main", primary, replica
}

// FreePort returns a port of loopback that nobody listened to a moment ago.
func FreePort(tb testing.TB) int {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has such an address
}

// Eventually waits until something holds, and fails the test where it does not in time.
func Eventually(tb testing.TB, what string, within time.Duration, holds func() bool) {
	tb.Helper()
	for until := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			tb.Fatalf("not within %s: %s", within, what)
		}
	}
}
