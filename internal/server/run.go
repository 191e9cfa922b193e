package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

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

// Run serves handler on the listener until ctx ends. Then nobody listens any more, and requests on
// open connections finish.
func Run(ctx context.Context, listener net.Listener, handler http.Handler, logger *slog.Logger) error {
	var stopping atomic.Bool
	connections := newConnections()
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if stopping.Load() {
				w.Header().Set("Connection", "close")
			}
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerLimit, IdleTimeout: 2 * time.Minute, ConnState: connections.changed,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping.Store(true)
	_ = listener.Close()                                // it is closed in any case: Shutdown below
	if err := <-ended; !errors.Is(err, net.ErrClosed) { // now all connections are known
		notice(logger, observe.Event{Level: slog.LevelWarn, Message: "the listener ended in an odd way", Err: err})
	}
	if open := connections.wait(windDown); open > 0 {
		notice(logger, observe.Event{
			Message: "stopping: requests may finish; a second signal ends them",
			Details: []slog.Attr{slog.Int("connections", open), slog.Duration("within", drainLimit)},
		})
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
	defer cancel()
	if s.Shutdown(drain) != nil {
		return errors.Join(fmt.Errorf("requests were still running %s after the stop", drainLimit), s.Close())
	}
	return nil
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
