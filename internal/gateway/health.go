package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/internal/readiness"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Part is the part of a server's readiness that the upstream is for.
const Part = "upstream"

// healthEvery is how often the upstream is looked at.
const healthEvery = 5 * time.Second

// Watch looks every few seconds whether the upstream takes connections, and says so to parts, until
// ctx ends. It sends no request: no path of an MCP server is sure to have no effect.
func (g *Gateway) Watch(ctx context.Context, parts *readiness.Parts) {
	g.watch(ctx, parts, healthEvery)
}

func (g *Gateway) watch(ctx context.Context, parts *readiness.Parts, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for first, before := true, false; ; first = false {
		err := g.dial(ctx)
		if ctx.Err() != nil {
			return
		}
		now := err == nil
		parts.Set(Part, now)
		switch {
		case now && !before && !first:
			g.notice(ctx, observe.Event{Message: "ready: the upstream can be reached", URL: g.at.shown()})
		case !now && (before || first):
			g.notice(ctx, observe.Event{
				Level: slog.LevelWarn, Message: "not ready: the upstream cannot be reached", URL: g.at.shown(), Err: err,
			})
		}
		before = now
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
