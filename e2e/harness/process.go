package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// pollInterval is how often a starting process is asked whether it is ready.
const pollInterval = 50 * time.Millisecond

// stopGrace is how long a process may take to stop by itself after SIGTERM.
const stopGrace = 5 * time.Second

// Command describes a process.
type Command struct {
	// Name of the log file, without its ending.
	Name string
	// Path and arguments of the program.
	Path string
	Args []string
	// Dir is the working directory; the default is the log's directory.
	Dir string
	// Env is added to the plain environment (see Environment).
	Env []string
	// LogDir is where <Name>.log is written: standard error, and standard output unless Output is
	// set.
	LogDir string
	// Output receives standard output, line by line, in addition to the log.
	Output func(line string)
}

// Process is a running process and everything it started.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
	once sync.Once
}

// Environment is what every child gets: what programs need to run, nothing that configures
// latchkey.
func Environment() []string {
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "MCP_USE_OAUTH_") && !strings.HasPrefix(name, "E2E_") {
			env = append(env, entry)
		}
	}
	return env
}

// Start starts a process in a group of its own, so that Stop ends its children too. Ending ctx
// kills the group.
func Start(ctx context.Context, c Command) (*Process, error) {
	if err := os.MkdirAll(c.LogDir, 0o750); err != nil {
		return nil, err
	}
	logPath := filepath.Join(c.LogDir, c.Name+".log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}

	p := &Process{name: c.Name, log: logPath, done: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, c.Path, c.Args...) //nolint:gosec // to run the programs of a test is the job
	p.cmd.Dir = c.Dir
	if p.cmd.Dir == "" {
		p.cmd.Dir = c.LogDir
	}
	p.cmd.Env = append(Environment(), c.Env...)
	p.cmd.SysProcAttr = processGroup()
	p.cmd.Cancel = func() error { return p.signal(syscall.SIGKILL) }
	p.cmd.WaitDelay = stopGrace
	p.cmd.Stderr = log
	p.cmd.Stdout = log

	if c.Output != nil {
		p.cmd.Stdout = io.MultiWriter(log, &lineWriter{line: c.Output})
	}

	if err := p.cmd.Start(); err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		_ = log.Close()
		close(p.done)
	}()
	return p, nil
}

// Run starts a process and waits for its end.
func Run(ctx context.Context, c Command) error {
	p, err := Start(ctx, c)
	if err != nil {
		return err
	}
	defer p.Stop()
	<-p.done
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w\n%s", c.Name, ctx.Err(), p.Tail())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", c.Name, p.err, p.Tail())
	}
	return nil
}

// WaitReady asks url until it answers 200, the process ends, or ctx is over.
func (p *Process) WaitReady(ctx context.Context, url string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready: %w\n%s", p.name, errors.Join(p.err), p.Tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.name, ctx.Err(), p.Tail())
		case <-tick.C:
		}
	}
}

// Stop ends the process and everything it started: politely first, by force after a grace period.
func (p *Process) Stop() {
	p.once.Do(func() {
		_ = p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(stopGrace):
		}
		// Children may have outlived their parent.
		_ = p.signal(syscall.SIGKILL)
		<-p.done
	})
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends the process and everything it started at once, as a crash of the machine would.
func (p *Process) Kill() {
	p.once.Do(func() {
		_ = p.signal(syscall.SIGKILL)
		<-p.done
	})
}

// Signal sends a signal to the process and everything it started, and does not wait.
func (p *Process) Signal(s syscall.Signal) error { return p.signal(s) }

// Wait returns when the process has ended, or ctx.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s has not ended: %w\n%s", p.name, ctx.Err(), p.Tail())
	}
}

// ExitError is nil if the process ended with status 0. It is called after Wait.
func (p *Process) ExitError() error { return p.err }

// End sends a signal and waits for the end that it must bring.
func (p *Process) End(ctx context.Context, s syscall.Signal) error {
	if err := p.signal(s); err != nil {
		return err
	}
	return p.Wait(ctx)
}

// Log returns everything the process has written to its log so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Tail returns the end of the log, for error messages.
func (p *Process) Tail() string {
	lines := strings.Split(strings.TrimRight(p.Log(), "\n"), "\n")
	if len(lines) > 40 {
		lines = lines[len(lines)-40:]
	}
	return "--- end of " + p.log + "\n" + strings.Join(lines, "\n")
}

func (p *Process) signal(s syscall.Signal) error {
	if p.cmd.Process == nil {
		return os.ErrProcessDone
	}
	return syscall.Kill(-p.cmd.Process.Pid, s)
}

// lineWriter hands over complete lines.
type lineWriter struct {
	line    func(string)
	pending []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.pending = append(w.pending, p...)
	for {
		line, rest, found := bytes.Cut(w.pending, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.line(string(line))
		w.pending = rest
	}
}
