// Package readiness answers the question of load balancers and orchestrators whether a process
// should get requests (/readyz), which is another than whether it runs (/healthz).
package readiness

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
)

// Parts are the parts that a server needs to be ready, each of which says so itself. It is safe for
// concurrent use.
type Parts struct {
	now   func() time.Time
	mu    sync.Mutex
	parts map[string]state
}

// state is what is known of a part, and since when.
type state struct {
	Ready bool      `json:"ready"`
	Since time.Time `json:"since"`
}

// New returns parts of which none is ready yet. now is the clock; nil stands for [time.Now].
func New(now func() time.Time, names ...string) *Parts {
	if now == nil {
		now = time.Now
	}
	p := &Parts{now: now, parts: map[string]state{}}
	for _, name := range names {
		p.Set(name, false)
	}
	return p
}

// Set says whether a part is ready from now on. A part that is new is added.
func (p *Parts) Set(name string, ready bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, known := p.parts[name]; !known || old.Ready != ready {
		p.parts[name] = state{Ready: ready, Since: p.now().UTC().Truncate(time.Second)}
	}
}

// Ready reports whether all parts are.
func (p *Parts) Ready() bool {
	ready, _ := p.snapshot()
	return ready
}

func (p *Parts) snapshot() (ready bool, parts map[string]state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ready, parts = true, make(map[string]state, len(p.parts))
	for name, s := range p.parts {
		parts[name] = s
		ready = ready && s.Ready
	}
	return ready, parts
}

// ServeHTTP answers 200 when all parts are ready and 503 otherwise, and names the parts with the
// time of their last change: no address and no reason, since everybody may ask.
func (p *Parts) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	ready, parts := p.snapshot()
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	httpanswer.JSON(w, status, map[string]any{"ready": ready, "parts": parts})
}

const (
	firstPause = 250 * time.Millisecond
	maxPause   = 15 * time.Second
)

// Await calls try until it succeeds, with longer and longer pauses in between, up to 15 s, and then
// sets the part ready. failed gets the error of a try and the pause after it. It returns early,
// with the part not ready, when ctx ends.
func (p *Parts) Await(ctx context.Context, name string, try func(context.Context) error, failed func(err error, pause time.Duration)) {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := try(ctx)
		if err == nil {
			p.Set(name, true)
			return
		}
		if ctx.Err() != nil {
			return
		}
		failed(err, pause)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
