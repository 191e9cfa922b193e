// Package flight shares one piece of work among all who need its result at the same time.
package flight

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"
)

// Group is work of one kind, each piece of it under a key. The zero value is ready to use.
type Group[V any] struct{ calls singleflight.Group }

// Flight is a piece of work under way.
type Flight[V any] struct{ result <-chan singleflight.Result }

// Start starts the work of a key, or joins it where it is under way. It goes on when the context of
// the first to ask ends, whose values it keeps: others may wait for it. limit bounds it instead. A
// panic of the work is an error, since in a goroutine of its own it would end the process.
func (g *Group[V]) Start(
	ctx context.Context, key string, limit time.Duration, work func(context.Context) (V, error),
) Flight[V] {
	return Flight[V]{g.calls.DoChan(key, func() (value any, err error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		return work(ctx)
	})}
}

// Wait waits for the result, for as long as ctx lasts: then its error is the context's. A flight is
// waited for once.
func (f Flight[V]) Wait(ctx context.Context) (V, error) {
	var none V
	select {
	case result := <-f.result:
		value, _ := result.Val.(V) // nil after a panic
		return value, result.Err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Do starts the work of a key or joins it, and waits for its result.
func (g *Group[V]) Do(
	ctx context.Context, key string, limit time.Duration, work func(context.Context) (V, error),
) (V, error) {
	return g.Start(ctx, key, limit, work).Wait(ctx)
}
