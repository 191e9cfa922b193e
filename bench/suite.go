package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Settings say how much is measured.
type Settings struct {
	// Runs is the number of runs, whose median counts.
	Runs int
	// Slice is how long a piece has its turn.
	Slice time.Duration
}

// Suite is what was measured within one process.
type Suite struct {
	// FirstSeen are the results for each algorithm: the raw check first, then latchkey, then
	// others.
	FirstSeen map[jose.Algorithm][]Result
	Cached    []Result
	// Scaling is how many times more two cores find one token again than one core does, by name;
	// Shared are the names.
	Scaling map[string]Series
	Shared  []string
	// InProcess are requests through Echo: unguarded first, then latchkey, then others.
	InProcess []Result
	// Refused are refusals; the raw check comes first.
	Refused []Result
	Sealed  Result
	// Broker and Relay are token requests on their way to the provider; the reverse proxy comes
	// first.
	Broker, Relay []Result
}

// sealPackage seals what the broker hands out.
const sealPackage = "github.com/latchkey-auth/latchkey/runtime/internal/seal"

// Measure runs the whole suite.
func Measure(ctx context.Context, s Settings) (*Suite, error) {
	suite := &Suite{FirstSeen: map[jose.Algorithm][]Result{}, Scaling: map[string]Series{}}
	for _, a := range Algorithms {
		if err := suite.measureFirstSeen(ctx, s, a); err != nil {
			return nil, fmt.Errorf("first-seen tokens, %s: %w", a, err)
		}
	}
	world, err := NewWorld(jose.RS256)
	if err != nil {
		return nil, err
	}
	defer world.Close()
	for _, part := range []struct {
		name   string
		pieces func(context.Context) ([]Piece, error)
		into   *[]Result
	}{
		{"known tokens", world.Cached, &suite.Cached},
		{"requests in process", world.InProcess, &suite.InProcess},
		{"refusals", world.Refused, &suite.Refused},
	} {
		pieces, err := part.pieces(ctx)
		if err == nil {
			*part.into, err = Interleave(s.Runs, s.Slice, pieces...)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	suite.Sealed, err = Inner(ctx, "opening a sealed access token", "BenchmarkOpenAccessToken", sealPackage, s.Runs)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	names, newPiece, err := world.Shared(ctx)
	if err != nil {
		return nil, err
	}
	suite.Shared = names
	for i, name := range names {
		if suite.Scaling[name], err = Scaling(s.Runs, s.Slice, newPiece[i]); err != nil {
			return nil, fmt.Errorf("%s on two cores: %w", name, err)
		}
	}
	suite.Broker, suite.Relay, err = Forwarding(ctx, s)
	return suite, err
}

func (s *Suite) measureFirstSeen(ctx context.Context, settings Settings, a jose.Algorithm) error {
	ctx, cancel := context.WithCancel(ctx) // ends the other libraries' refreshes
	defer cancel()
	world, err := NewWorld(a)
	if err != nil {
		return err
	}
	defer world.Close()
	pieces, err := world.FirstSeen(ctx)
	if err != nil {
		return err
	}
	s.FirstSeen[a], err = Interleave(settings.Runs, settings.Slice, pieces...)
	return err
}

// Forwarding measures token requests through the broker and through the relay, [Width] at once. The
// first result of each is that of the reverse proxy.
func Forwarding(ctx context.Context, s Settings) (brokered, relayed []Result, err error) {
	relaying, err := NewRelaying()
	if err != nil {
		return nil, nil, err
	}
	defer relaying.Close()
	together := func(name string, send func(context.Context) error) Piece {
		return Piece{Name: name, Run: func() error { return atOnce(Width, func(int) error { return send(ctx) }) }, Waits: true}
	}
	relayed, err = Interleave(s.Runs, s.Slice, together("httputil.ReverseProxy", relaying.Proxied),
		together("latchkey's relay", relaying.Relayed), together("a bare forwarder", relaying.Bare))
	if err != nil {
		return nil, nil, err
	}
	var pieces []Piece
	for _, way := range []struct {
		name    string
		mode    proxy.TokenMode
		checked bool
	}{
		{"latchkey's broker, passing through", proxy.Passthrough, false},
		{"latchkey's broker, sealing", proxy.Sealed, false},
		{"latchkey's broker, sealing, with the check of a first-seen RS256 token", proxy.Sealed, true},
	} {
		brokering, err := NewBrokering(ctx, way.mode, way.checked, Width)
		if err != nil {
			return nil, nil, err
		}
		defer brokering.Close()
		if len(pieces) == 0 {
			pieces = append(pieces, Piece{Name: "httputil.ReverseProxy", Run: func() error { return brokering.AllProxied(ctx) }, Waits: true})
		}
		pieces = append(pieces, Piece{Name: way.name, Run: func() error { return brokering.AllBrokered(ctx) }, Waits: true})
	}
	brokered, err = Interleave(s.Runs, s.Slice, pieces...)
	return perRequest(brokered), perRequest(relayed), err
}

// KeySets is how the libraries treat a provider's key set.
type KeySets struct {
	// Names and Fetches tell how often each library fetched the set for Strangers tokens with
	// random key ids.
	Names     []string
	Fetches   []int64
	Strangers int
	// FirstSeen and Known are how long verifications took while a refresh of 500 ms was under way:
	// of first-seen tokens, and of known ones.
	FirstSeen, Known Waits
	Flood            Flood
}

// Waits is how long many verifications took.
type Waits struct {
	Count int
	// Most is the time that 99.9 % of them did not exceed.
	Median, Most, Longest time.Duration
}

func newWaits(all []time.Duration) Waits {
	slices.Sort(all)
	at := func(share float64) time.Duration { return all[min(len(all)-1, int(share*float64(len(all))))] }
	return Waits{Count: len(all), Median: at(.5), Most: at(.999), Longest: at(1)}
}

// MeasureKeySets counts fetches and measures waits.
func MeasureKeySets(ctx context.Context) (*KeySets, error) {
	k := &KeySets{Strangers: 10_000}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	world, err := NewWorld(jose.EdDSA) // cheap signatures: it is the fetches that count
	if err != nil {
		return nil, err
	}
	defer world.Close()
	good, err := world.Token(0)
	if err != nil {
		return nil, err
	}
	latchkey, err := world.Verifier(ctx)
	if err != nil {
		return nil, err
	}
	peers := NewPeers(string(jose.EdDSA), world.JWKSURL)
	golangJWT, err := peers.GolangJWT(ctx)
	if err != nil {
		return nil, err
	}
	jwx, err := peers.JWX(ctx)
	if err != nil {
		return nil, err
	}
	k.Names = []string{"latchkey", "golang-jwt + keyfunc", "go-oidc", "jwx jwt.Parse"}
	for i, verify := range []Verifier{latchkey, golangJWT, peers.GoOIDC(ctx), jwx} {
		fetches, err := world.FetchesFor(ctx, k.Strangers, verify, good)
		if errors.Is(err, errSlow) {
			fetches, err = Unfinished, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.Names[i], err)
		}
		k.Fetches = append(k.Fetches, fetches)
	}
	if k.FirstSeen, err = world.Waits(ctx, runtime.WithoutTokenCache()); err != nil {
		return nil, err
	}
	if k.Known, err = world.Waits(ctx); err != nil {
		return nil, err
	}
	k.Flood, err = world.Flood(ctx, 1_000_000)
	return k, err
}

// Unfinished stands for a count that was given up.
const Unfinished = -1

// errSlow ends a count that a library's own limits make too slow to finish.
var errSlow = errors.New("not finished in time")
