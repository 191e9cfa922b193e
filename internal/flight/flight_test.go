package flight_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/flight"
)

func TestWorkIsDoneOnceForAllWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[int]
		var calls atomic.Int32
		work := func(context.Context) (int, error) { //nolint:unparam // the kind of work that fails is in another test
			time.Sleep(time.Second)
			return int(calls.Add(1)), nil
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got, err := group.Do(t.Context(), "k", time.Minute, work); got != 1 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
			})
		}
		all.Go(func() {
			if got, _ := group.Do(t.Context(), "another", time.Minute, func(context.Context) (int, error) { return 7, nil }); got != 7 {
				t.Errorf("keys run together: %d", got)
			}
		})
		all.Wait()
		if got, _ := group.Do(t.Context(), "k", time.Minute, work); got != 2 {
			t.Errorf("a result is kept: %d", got)
		}
	})
}

func TestWorkGoesOnWhenTheFirstToAskIsGone(t *testing.T) {
	t.Parallel()
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string]
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		left := make(chan error)
		go func() {
			_, err := group.Do(ctx, "k", time.Minute, func(ctx context.Context) (string, error) {
				time.Sleep(time.Second)
				text, _ := ctx.Value(key{}).(string)
				return text, ctx.Err()
			})
			left <- err
		}()
		synctest.Wait()
		joined := group.Start(t.Context(), "k", time.Minute, nil)
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left got %v", err)
		}
		if got, err := joined.Wait(t.Context()); got != "value" || err != nil {
			t.Errorf("the one who waited got %q, %v", got, err)
		}
	})
}

func TestWorkEndsAfterItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[int]
		start := time.Now()
		_, err := group.Do(t.Context(), "k", time.Second, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestAPanicOfTheWorkIsAnError(t *testing.T) {
	t.Parallel()
	var group flight.Group[*int]
	value, err := group.Do(t.Context(), "k", time.Minute, func(context.Context) (*int, error) { panic("boom") })
	if value != nil || err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v, %v", value, err)
	}
}
