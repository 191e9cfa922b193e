package logs

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

const (
	// window is how long like lines are counted together.
	window = 10 * time.Second
	// perWindow is how many of them are written in full.
	perWindow = 50
	// maxFloods bounds the kinds of lines that are counted apart. There are fewer events and reasons.
	maxFloods = 1000
)

// floods writes the first lines of an event and reason in full, and says at the end of a window how
// many more there were: who sends a thousand bad tokens a second must not fill the disk, nor hide
// another line in it. Lines that are no events all pass.
type floods struct {
	next   slog.Handler
	counts *counts
}

// counts are shared by all handlers that are made of one.
type counts struct {
	mu   sync.Mutex
	seen map[likeness]int
}

// likeness is what like lines share.
type likeness struct{ event, reason string }

func newFloods(next slog.Handler) *floods {
	return &floods{next: next, counts: &counts{seen: map[likeness]int{}}}
}

// Enabled implements [slog.Handler].
func (f *floods) Enabled(ctx context.Context, level slog.Level) bool {
	return f.next.Enabled(ctx, level)
}

// WithAttrs implements [slog.Handler].
func (f *floods) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &floods{next: f.next.WithAttrs(attrs), counts: f.counts}
}

// WithGroup implements [slog.Handler].
func (f *floods) WithGroup(name string) slog.Handler {
	return &floods{next: f.next.WithGroup(name), counts: f.counts}
}

// Handle implements [slog.Handler].
func (f *floods) Handle(ctx context.Context, record slog.Record) error {
	like := likenessOf(record)
	if like.event == "" || record.Level < slog.LevelInfo { // who wants details wants all of them
		return f.next.Handle(ctx, record)
	}
	n := f.counts.add(like)
	if n == 1 {
		time.AfterFunc(window, func() { f.sum(like, record) })
	}
	if n > perWindow {
		return nil
	}
	return f.next.Handle(ctx, record)
}

func likenessOf(record slog.Record) (like likeness) {
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "event":
			like.event = a.Value.String()
		case "reason":
			like.reason = a.Value.String()
		}
		return true
	})
	return like
}

// add returns how many like lines there were in this window, with this one.
func (c *counts) add(like likeness) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.seen[like]; !known && len(c.seen) >= maxFloods {
		return 0
	}
	c.seen[like]++
	return c.seen[like]
}

// take returns how many like lines the window had that ends, and begins another.
func (c *counts) take(like likeness) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.seen[like]
	delete(c.seen, like)
	return n
}

// sum says how many lines were left out. first is the first of them.
func (f *floods) sum(like likeness, first slog.Record) {
	left := f.counts.take(like) - perWindow
	if left <= 0 {
		return
	}
	record := slog.NewRecord(time.Now(), first.Level, fmt.Sprintf("%s: and %s more like it in %s", first.Message, grouped(left), window), 0)
	record.AddAttrs(slog.String("event", like.event))
	if like.reason != "" {
		record.AddAttrs(slog.String("reason", like.reason))
	}
	record.AddAttrs(slog.Int("left_out", left))
	_ = f.next.Handle(context.Background(), record)
}

// grouped writes a number with commas between thousands.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
