package runtime

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Stream is for adapters, which defer what it returns around their handler: where a request of a
// verified caller asks for an event stream, the observers are told of its end. [Guard.Protect] does
// so itself.
func (g *Guard) Stream(r *http.Request, info *oauth.AuthInfo) (ended func()) {
	if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/event-stream") ||
		!g.events.Enabled(observe.StreamEnded) {
		return func() {}
	}
	begin := time.Now()
	return func() {
		g.events.Observe(r.Context(), events.By(info, observe.Event{
			Kind: observe.StreamEnded, Level: slog.LevelDebug, Resource: info.Resource,
			Method: r.Method, Path: r.URL.Path, Duration: time.Since(begin),
		}))
	}
}
