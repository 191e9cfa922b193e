package bench

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/runtime"
)

// Flood is what a flood of distinct invalid tokens did to the others.
type Flood struct {
	// Tokens is how many there were, PerSecond how many of them were refused per second by two
	// goroutines.
	Tokens    int
	PerSecond float64
	// HeapGrowth is by how many bytes the heap grew, garbage aside.
	HeapGrowth int64
	// Fetches is how often the key set was fetched meanwhile.
	Fetches int64
	// Good is how long verifying good tokens took meanwhile. None was refused, or there is an
	// error.
	Good Waits
}

// Flood verifies count distinct invalid tokens while good ones are verified beside them: half of
// them have key ids that nobody published, the others are expired, have a wrong signature (one of a
// hundred) or are no JWTs.
func (w *World) Flood(ctx context.Context, count int) (Flood, error) {
	provider, err := w.Provider()
	if err != nil {
		return Flood{}, err
	}
	tokens, err := w.Tokens(256)
	if err != nil {
		return Flood{}, err
	}
	good := verifying(ctx, provider, tokens)
	for range tokens {
		if err := good(); err != nil {
			return Flood{}, err
		}
	}
	bad, err := w.invalid(tokens[0])
	if err != nil {
		return Flood{}, err
	}
	flood := Flood{Tokens: count}
	before, fetches, start := heap(), w.Fetches.Load(), time.Now()
	ended := make(chan struct{})
	var flooding error
	go func() {
		defer close(ended)
		flooding = inHalves(count, func(i int) error { return refused(ctx, provider, bad(i)) })
	}()
	waits, err := whileNot(ended, good)
	if err = errors.Join(err, flooding); err != nil {
		return Flood{}, err
	}
	flood.PerSecond = float64(count) / time.Since(start).Seconds()
	flood.Good, flood.Fetches = newWaits(waits), w.Fetches.Load()-fetches
	flood.HeapGrowth = heap() - before
	goruntime.KeepAlive(provider)
	return flood, nil
}

// whileNot verifies good tokens, up to ten thousand a second, until the flood has ended.
func whileNot(ended <-chan struct{}, good func() error) ([]time.Duration, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var waits []time.Duration
	for {
		select {
		case <-ended:
			return waits, nil
		case <-tick.C:
		}
		for range 10 {
			begin := time.Now()
			if err := good(); err != nil {
				<-ended
				return nil, fmt.Errorf("a good token was refused: %w", err)
			}
			waits = append(waits, time.Since(begin))
		}
	}
}

// inHalves counts in two goroutines.
func inHalves(count int, each func(i int) error) error {
	errs := make([]error, 2)
	var both sync.WaitGroup
	for half := range errs {
		both.Go(func() {
			for i := half; i < count && errs[half] == nil; i += len(errs) {
				errs[half] = each(i)
			}
		})
	}
	both.Wait()
	return errors.Join(errs...)
}

func refused(ctx context.Context, provider *runtime.Provider, token string) error {
	if _, err := provider.Verify(ctx, presented(token)); !isRefusal(err) {
		return errors.Join(errAccepted, err)
	}
	return nil
}

// invalid returns a maker of distinct invalid tokens, made cheaply of a good one.
func (w *World) invalid(good string) (func(i int) string, error) {
	expired, err := w.Signed(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() })
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(good, ".")
	const tail = 16
	return func(i int) string {
		switch {
		case i%2 == 0:
			header := fmt.Appendf(nil, `{"alg":%q,"typ":"at+jwt","kid":"random-key-%016x"}`, w.Algorithm, i)
			return base64.RawURLEncoding.EncodeToString(header) + "." + rest
		case i%100 == 1:
			return fmt.Sprintf("%s%0*x", good[:len(good)-tail], tail, i<<8) // the last character of a signature has spare bits
		case i%4 == 1:
			return fmt.Sprintf("%s%0*x", expired[:len(expired)-tail], tail, i<<8)
		default:
			return fmt.Sprintf("opaque-%s-%016x", rest[:100], i)
		}
	}, nil
}

// heap is how much of it is in use.
func heap() int64 {
	goruntime.GC()
	var stats goruntime.MemStats
	goruntime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // no heap is that large
}
