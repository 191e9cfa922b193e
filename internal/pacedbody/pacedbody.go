// Package pacedbody keeps clients from holding connections by bodies that never end: a request's
// body may be slow, and it must go on.
package pacedbody

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// patience is how long nothing has to come. Every byte adds a little, up to this.
	patience = time.Minute
	// slowest is the rate in bytes a second at which a body never runs out of patience.
	slowest = 128
	// longest is how long a body may take in all.
	longest = 10 * time.Minute
	// farewell is how long is waited for the rest of a body that the handler did not read. A rest that
	// comes within that time leaves the connection open for the next request.
	farewell = 250 * time.Millisecond
)

// Body is a body with a read deadline that moves only with progress.
type Body struct {
	io.ReadCloser

	connection *http.ResponseController
	begin      time.Time

	mu       sync.Mutex
	deadline time.Time
	over     bool // it was read to its end, or the handler has returned
}

// Begin returns the request to go on with, and its body, which is nil where there is none or where
// it is paced already.
func Begin(w http.ResponseWriter, r *http.Request) (*http.Request, *Body) {
	if _, already := r.Body.(*Body); already || r.Body == nil || r.Body == http.NoBody {
		return r, nil
	}
	now := time.Now()
	b := &Body{ReadCloser: r.Body, connection: http.NewResponseController(w), begin: now, deadline: now.Add(patience)}
	b.set(b.deadline)
	paced := *r
	paced.Body = b
	return &paced, b
}

// Read implements [io.Reader].
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.over:
	case errors.Is(err, io.EOF):
		b.over = true
		b.set(time.Time{}) // from now on net/http waits for the client's next request, or its end
	case err == nil:
		b.deadline = b.deadline.Add(time.Duration(n) * (time.Second / slowest))
		for _, latest := range []time.Time{time.Now().Add(patience), b.begin.Add(longest)} {
			if latest.Before(b.deadline) {
				b.deadline = latest
			}
		}
		b.set(b.deadline)
	}
	return n, err
}

// End is for when the handler has returned: net/http reads what is left of a body before it
// answers, and must not wait for it.
func (b *Body) End() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.over = true
		b.set(time.Now().Add(farewell))
	}
}

// set sets the deadline. A response writer that cannot have one, such as a recorder in a test, has
// no connection.
func (b *Body) set(deadline time.Time) { _ = b.connection.SetReadDeadline(deadline) }

// Handler paces the bodies of all requests to next.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, body := Begin(w, r)
		defer body.End()
		next.ServeHTTP(w, r)
	})
}
