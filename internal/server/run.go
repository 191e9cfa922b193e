package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/latchkey-auth/latchkey/internal/readiness"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

const (
	// windDown is how long connections that clients keep open serve on after a stop, to say with
	// their next answer that it was the last. net/http would close them at once, and with them
	// requests that are on their way.
	windDown = time.Second
	// drainLimit is how long requests in flight may take to finish after that.
	drainLimit = 15 * time.Second
	// headerLimit bounds how long a client may take to send a request's headers.
	headerLimit = 10 * time.Second
)

// ErrTerminated is the cause ([context.Cause]) of a stop by a service manager or an orchestrator,
// where load balancers have to learn of it. Nobody waits for them after any other.
var ErrTerminated = errors.New("terminated")

// Lifecycle says how a server starts and stops.
type Lifecycle struct {
	// Ready gets the part "serving", which ends with the stop. Nil stands for parts of its own.
	Ready *readiness.Parts
	// Drain is how long the server serves on after [ErrTerminated] as if nothing had happened, while
	// Ready says that it is not: load balancers need that long to see it. It is zero by default.
	Drain time.Duration
	// TLS, when set, encrypts all connections.
	TLS    *tls.Config
	Logger *slog.Logger
}

// partServing is the part of a server's readiness that ends with its stop.
const partServing = "serving"

// Run serves handler on the listener until ctx ends, and for the drain after it. Then nobody
// listens any more, and requests on open connections finish. A service manager that waits for it is
// told (sd_notify) when it serves and when it stops.
func Run(ctx context.Context, listener net.Listener, handler http.Handler, l Lifecycle) error {
	if l.Ready == nil {
		l.Ready = readiness.New(nil)
	}
	var stopping atomic.Bool
	connections := newConnections()
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if stopping.Load() {
				w.Header().Set("Connection", "close")
			}
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerLimit, IdleTimeout: 2 * time.Minute, ConnState: connections.changed, TLSConfig: l.TLS,
		ErrorLog: slog.NewLogLogger(l.Logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(s, listener) }()
	l.Ready.Set(partServing, true)
	l.tellManager(daemon.SdNotifyReady)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	l.tellManager(daemon.SdNotifyStopping)
	l.Ready.Set(partServing, false)
	if err, done := l.drain(ctx, ended); done {
		return err
	}
	stopping.Store(true)
	_ = listener.Close()                                // it is closed in any case: Shutdown below
	if err := <-ended; !errors.Is(err, net.ErrClosed) { // now all connections are known
		notice(l.Logger, observe.Event{Level: slog.LevelWarn, Message: "the listener ended in an odd way", Err: err})
	}
	if open := connections.wait(windDown); open > 0 {
		notice(l.Logger, observe.Event{
			Message: "stopping: requests may finish; a second signal ends them",
			Details: []slog.Attr{slog.Int("connections", open), slog.Duration("within", drainLimit)},
		})
	}
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
	defer cancel()
	if s.Shutdown(finish) != nil {
		return errors.Join(fmt.Errorf("requests were still running %s after the stop", drainLimit), s.Close())
	}
	return nil
}

func serve(s *http.Server, listener net.Listener) error {
	if s.TLSConfig != nil {
		return s.ServeTLS(listener, "", "")
	}
	return s.Serve(listener)
}

// drain serves on for a while. It reports whether the server ended by itself meanwhile, and how.
func (l Lifecycle) drain(ctx context.Context, ended <-chan error) (err error, done bool) { //nolint:revive // the error is no failure of drain
	if l.Drain <= 0 || !errors.Is(context.Cause(ctx), ErrTerminated) {
		return nil, false
	}
	notice(l.Logger, observe.Event{
		Message: "stopping: not ready from now on, and serving on so that load balancers see it; a second signal ends it",
		Details: []slog.Attr{slog.Duration("for", l.Drain)},
	})
	timer := time.NewTimer(l.Drain)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err, true
	case <-timer.C:
		return nil, false
	}
}

// tellManager tells the service manager, where there is one that waits for it (sd_notify(3)).
func (l Lifecycle) tellManager(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		notice(l.Logger, observe.Event{Level: slog.LevelWarn, Message: "the service manager could not be told", Err: err})
	}
}

// notice tells what the operator should know while the server stops.
func notice(logger *slog.Logger, event observe.Event) {
	event.Kind, event.Time = observe.Notice, time.Now()
	observe.Slog(logger).Observe(context.Background(), event)
}

// connections counts open connections.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]bool
	none chan struct{} // closed once none is open after wait was called; nil before
}

func newConnections() *connections { return &connections{open: map[net.Conn]bool{}} }

// changed is [http.Server.ConnState].
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	case http.StateActive, http.StateIdle:
		return
	}
	if c.none != nil && len(c.open) == 0 {
		close(c.none)
		c.none = nil
	}
}

// wait returns when no connection is open, or the time is over, and how many are.
func (c *connections) wait(limit time.Duration) (open int) {
	c.mu.Lock()
	if len(c.open) == 0 {
		c.mu.Unlock()
		return 0
	}
	none := make(chan struct{})
	c.none = none
	c.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-none:
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
