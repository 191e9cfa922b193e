package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
)

// process is a server under measurement, in a process of its own. It ends when its standard input
// does.
type process struct {
	name  string
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

// stop ends the process.
func (p *process) stop() {
	_ = p.stdin.Close()
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
}

// cpu is the processor time that the process took so far, to a hundredth of a second.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// startTarget starts one of our own servers and waits for its address.
func startTarget(ctx context.Context, binary, name, jwks string) (*process, error) {
	cmd := exec.CommandContext(ctx, binary, "-server", name, "-jwks", jwks)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if err != nil || !ok {
		p.stop()
		return nil, fmt.Errorf("%s did not start: %q, %w", name, line, err)
	}
	p.addr = addr
	return p, nil
}

// startIncumbent starts a server in another language on a free port and waits until it listens.
func startIncumbent(ctx context.Context, name, jwks, dir string, command ...string) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // for its port alone
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // our own commands
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "JWKS_URL="+jwks, "ISSUER="+bench.Issuer, "AUDIENCE="+bench.Resource, "PORT="+port,
		"NODE_ENV=production", "HOST=127.0.0.1")
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, addr: addr, cmd: cmd, stdin: stdin}
	for range 200 {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
			time.Sleep(500 * time.Millisecond) // routes are added after it listens
			return p, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.stop()
	return nil, errors.New(name + " does not listen; see " + log.Name())
}

// install copies an incumbent's files to the cache and installs what they pin, unless that was done
// before.
func install(ctx context.Context, from, to string, commands ...[]string) error {
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	changed := false
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		target := filepath.Join(to, e.Name())
		if old, err := os.ReadFile(target); err == nil && string(old) == string(text) {
			continue
		}
		changed = true
		if err := os.WriteFile(target, text, 0o600); err != nil { //nolint:gosec // our own files
			return err
		}
	}
	mark := filepath.Join(to, ".installed")
	if _, err := os.Stat(mark); err == nil && !changed {
		return nil
	}
	for _, command := range commands {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // our own commands
		cmd.Dir = to
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, out[max(0, len(out)-500):])
		}
	}
	return os.WriteFile(mark, nil, 0o600)
}
