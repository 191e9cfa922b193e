package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Storm is what one login that storms /revoke does to the refreshes of other users.
type Storm struct {
	// Calm and Stormy are 99th percentiles of a refresh without the storm and during it, in
	// nanoseconds, one value per run.
	Calm, Stormy Series
	// Sent is how many revocations were sent, Reached how many of them came to the provider.
	Sent, Reached int64
}

const (
	// StormConnections is how many connections the storm keeps busy.
	StormConnections = 8
	// RefreshLatency is what the provider takes for a refresh.
	RefreshLatency = 10 * time.Millisecond
	// RevocationLatency is what the provider takes to fail at a revocation.
	RevocationLatency = 200 * time.Millisecond

	// Each user refreshes as often as the budgets of one login allow, and no more.
	stormUsers, refreshesPerUser = 10, 40
	// stormTurns is how often calm and storm have their turns within a run.
	stormTurns = 4
)

// MeasureStorm measures the refreshes of users one after the other, by turns without and with a
// storm of revocations of one token. All limits of the broker are the defaults, but for those of
// registrations and logins, which are not measured. The provider fails at each revocation, slowly,
// so that no repeat can be answered from memory.
func MeasureStorm(ctx context.Context, runs int) (*Storm, error) {
	s := &Storm{}
	for range runs {
		if err := s.run(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Storm) run(ctx context.Context) error {
	var reached atomic.Int64
	plenty := proxy.Rate{PerSecond: 1e6, Burst: 1e6}
	b, err := newBrokering(ctx, terms{
		mode: proxy.Sealed, checked: true, clients: stormUsers + 1, limits: proxy.Limits{Register: plenty, Authorize: plenty},
		latency: RefreshLatency,
		revocation: func(w http.ResponseWriter, _ *http.Request) {
			reached.Add(1)
			time.Sleep(RevocationLatency)
			w.WriteHeader(http.StatusBadGateway)
		},
	})
	if err != nil {
		return err
	}
	defer b.Close()
	var calm, stormy []time.Duration
	for turn := range 2 * stormTurns {
		if turn%2 == 0 {
			err = b.timeRefreshes(ctx, turn, &calm)
		} else {
			err = s.during(ctx, b, func() error { return b.timeRefreshes(ctx, turn, &stormy) })
		}
		if err != nil {
			return err
		}
	}
	s.Calm, s.Stormy = append(s.Calm, percentile99(calm)), append(s.Stormy, percentile99(stormy))
	s.Reached += reached.Load()
	return nil
}

// timeRefreshes is one turn: each user refreshes some times.
func (b *Brokering) timeRefreshes(ctx context.Context, turn int, into *[]time.Duration) error {
	for user := range stormUsers {
		for range refreshesPerUser / (2 * stormTurns) {
			begin := time.Now()
			if err := b.Brokered(ctx, user); err != nil {
				return fmt.Errorf("user %d in turn %d: %w", user, turn, err)
			}
			*into = append(*into, time.Since(begin))
		}
	}
	return nil
}

// during lets the last login storm while work is done.
func (s *Storm) during(ctx context.Context, b *Brokering, work func() error) error {
	storm, end := context.WithCancel(ctx)
	defer end()
	transport := newTransport() // of somebody else
	defer transport.CloseIdleConnections()
	form := b.sessions[stormUsers].form
	body := url.Values{"token": form["refresh_token"], "client_id": form["client_id"]}.Encode()
	var (
		all  sync.WaitGroup
		sent atomic.Int64
	)
	failures := make([]error, StormConnections)
	for i := range failures {
		all.Go(func() {
			for storm.Err() == nil && failures[i] == nil {
				failures[i] = revoke(storm, transport, b.brokered.URL+"/mcp/revoke", body)
				sent.Add(1)
			}
			if storm.Err() != nil && errors.Is(failures[i], context.Canceled) {
				failures[i] = nil // the storm was ended, and nothing is wrong
			}
		})
	}
	err := work()
	end()
	all.Wait()
	s.Sent += sent.Load()
	return errors.Join(err, errors.Join(failures...))
}

// revoke sends one revocation, which may be refused, but must be answered.
func revoke(ctx context.Context, transport http.RoundTripper, address, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", form)
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	switch response.StatusCode {
	case http.StatusOK, http.StatusTooManyRequests, http.StatusServiceUnavailable:
	default:
		err = errors.Join(err, errors.New("a revocation is answered with "+response.Status))
	}
	return errors.Join(err, response.Body.Close())
}

func percentile99(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)*99/100])
}
