package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"
	"github.com/maypok86/otter/v2"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// errAccepted tells that a token which must be refused was not.
var errAccepted = errors.New("accepted")

// FirstSeen are the pieces of verifying a token that was not seen before: the raw check first, then
// latchkey, which also keeps the token, then the other libraries.
func (w *World) FirstSeen(ctx context.Context) ([]Piece, error) {
	tokens, err := w.Tokens(64)
	if err != nil {
		return nil, err
	}
	raw, err := w.Raw(tokens[0])
	if err != nil {
		return nil, err
	}
	provider, err := w.Provider(FirstSeenOnly)
	if err != nil {
		return nil, err
	}
	pieces := []Piece{{Name: "raw signature check", Run: raw}, {Name: "latchkey", Run: verifying(ctx, provider, tokens)}}
	names, verifiers, err := NewPeers(string(w.Algorithm), w.JWKSURL).All(ctx)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		pieces = append(pieces, Piece{Name: name, Run: func() error { return verifiers[i](tokens[0]) }})
	}
	return pieces, nil
}

// verifying returns the verification of tokens by turns.
func verifying(ctx context.Context, provider *runtime.Provider, tokens []string) func() error {
	next := 0
	return func() error {
		next++
		if next == len(tokens) {
			next = 0
		}
		info, err := provider.Verify(ctx, presented(tokens[next]))
		if err == nil && info.Subject == "" {
			return errNoSubject
		}
		return err
	}
}

// Cached are the pieces of finding a known token again: latchkey's whole verification with one
// token, with 256 and with 8192 by turns; then the bare look-up in caches of others, with the token
// as the key and nothing checked.
func (w *World) Cached(ctx context.Context) ([]Piece, error) {
	provider, err := w.Provider()
	if err != nil {
		return nil, err
	}
	tokens, err := w.Tokens(8192)
	if err != nil {
		return nil, err
	}
	var pieces []Piece
	for _, count := range []int{1, 256, 8192} {
		pieces = append(pieces, Piece{Name: fmt.Sprintf("latchkey, %d tokens", count), Run: verifying(ctx, provider, tokens[:count])})
	}
	for _, run := range []func() error{pieces[0].Run, pieces[2].Run} {
		for range tokens {
			if err := run(); err != nil { // fills the cache
				return nil, err
			}
		}
	}
	others, err := w.lookUps(ctx, provider, tokens)
	return append(pieces, others...), err
}

var errMissing = errors.New("not in the cache")

func (w *World) lookUps(ctx context.Context, provider *runtime.Provider, tokens []string) ([]Piece, error) {
	lruCache, err := lru.New[string, *oauth.AuthInfo](10_000)
	if err != nil {
		return nil, err
	}
	otterCache, err := otter.New(&otter.Options[string, *oauth.AuthInfo]{
		MaximumSize: 10_000, ExpiryCalculator: otter.ExpiryWriting[string, *oauth.AuthInfo](time.Hour),
	})
	if err != nil {
		return nil, err
	}
	for _, token := range tokens {
		info, err := provider.Verify(ctx, presented(token))
		if err != nil {
			return nil, err
		}
		lruCache.Add(token, info)
		otterCache.Set(token, info)
	}
	// As a request brings it: equal, in memory of its own.
	for i := range tokens {
		tokens[i] = strings.Clone(tokens[i])
	}
	find := func(name string, count int, get func(string) (*oauth.AuthInfo, bool)) Piece {
		name = fmt.Sprintf("%s, %d tokens", name, count)
		if count == 1 { // shared by goroutines
			return Piece{Name: name, Run: func() error {
				if _, ok := get(tokens[0]); !ok {
					return errMissing
				}
				return nil
			}}
		}
		next := 0
		return Piece{Name: name, Run: func() error {
			next++
			if next == count {
				next = 0
			}
			if _, ok := get(tokens[next]); !ok {
				return errMissing
			}
			return nil
		}}
	}
	return []Piece{
		find("otter Get", 1, otterCache.GetIfPresent), find("otter Get", 256, otterCache.GetIfPresent),
		find("golang-lru Get", 1, lruCache.Get), find("golang-lru Get", 256, lruCache.Get),
	}, nil
}

// Shared returns, by name, pieces for several goroutines at once, which all find the same token
// again: latchkey's verification, and the bare look-up in caches of others.
func (w *World) Shared(ctx context.Context) (names []string, newPiece []func() Piece, err error) {
	provider, err := w.Provider()
	if err != nil {
		return nil, nil, err
	}
	tokens, err := w.Tokens(1)
	if err != nil {
		return nil, nil, err
	}
	others, err := w.lookUps(ctx, provider, tokens)
	if err != nil {
		return nil, nil, err
	}
	return []string{"latchkey, 1 token", others[0].Name, others[2].Name}, []func() Piece{
		func() Piece {
			own := []string{strings.Clone(tokens[0])}
			return Piece{Run: verifying(ctx, provider, own)}
		},
		func() Piece { return others[0] }, func() Piece { return others[2] },
	}, nil
}

// discard is a response writer that keeps nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// InProcess are the pieces of serving a request without a socket: an Echo handler unguarded, then
// guarded by latchkey with a known token, then with others' middleware.
func (w *World) InProcess(ctx context.Context) ([]Piece, error) {
	token, err := w.Token(0)
	if err != nil {
		return nil, err
	}
	var pieces []Piece
	for _, name := range []string{Unguarded, Latchkey, EchoJWT, GoSDK, Auth0} {
		server, err := NewServer(ctx, name, w.JWKSURL)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		e, ok := server.(*echo.Echo)
		if !ok {
			return nil, fmt.Errorf("%s is not an Echo server", name)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/mcp/whoami", http.NoBody)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer := &discard{header: http.Header{}}
		pieces = append(pieces, Piece{Name: name, Run: func() error {
			e.ServeHTTP(answer, r)
			if answer.status != http.StatusOK {
				return fmt.Errorf("status %d", answer.status)
			}
			return nil
		}})
	}
	return pieces, nil
}

// RandomKeyIDs is the name of the piece that refuses tokens whose key nobody published.
const RandomKeyIDs = "random key ids"

// Refused are the pieces of refusing tokens, after the raw check of a good one.
func (w *World) Refused(ctx context.Context) ([]Piece, error) {
	provider, err := w.Provider()
	if err != nil {
		return nil, err
	}
	good, err := w.Token(0)
	if err != nil {
		return nil, err
	}
	if _, err := provider.Verify(ctx, presented(good)); err != nil {
		return nil, err
	}
	strangers, err := w.Strangers(1000)
	if err != nil {
		return nil, err
	}
	for _, token := range strangers[:100] { // from here on the cool-down runs, and this is a flood
		_, _ = provider.Verify(ctx, presented(token))
	}
	foreign, err := w.Signed(func(c map[string]any) { c["iss"] = "https://other.example.com/" })
	if err != nil {
		return nil, err
	}
	expired, err := w.Signed(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() })
	if err != nil {
		return nil, err
	}
	lists := []struct {
		name   string
		tokens []string
	}{
		{"no JWT", []string{strings.Repeat("opaque", 100)}},
		{RandomKeyIDs, strangers},
		{"another issuer", []string{foreign}},
		{"expired", []string{expired}},
		{"a wrong signature", []string{good[:len(good)-8] + "AAAAAAAA"}},
	}
	raw, err := w.Raw(good)
	if err != nil {
		return nil, err
	}
	pieces := []Piece{{Name: "raw signature check", Run: raw}}
	for _, list := range lists {
		next := 0
		pieces = append(pieces, Piece{Name: list.name, Run: func() error {
			next++
			if _, err := provider.Verify(ctx, presented(list.tokens[next%len(list.tokens)])); !isRefusal(err) {
				return errors.Join(errAccepted, err)
			}
			return nil
		}})
	}
	return pieces, nil
}

// Strangers are tokens with all the right claims and key ids that nobody published.
func (w *World) Strangers(count int) ([]string, error) {
	tokens := make([]string, count)
	good, err := w.Token(0)
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(good, ".")
	for i := range tokens {
		key, err := jose.NewSecretSigningKey(jose.HS256, []byte("a secret that signs nothing of any worth"))
		if err != nil {
			return nil, err
		}
		odd, err := key.Sign(map[string]any{"alg": string(w.Algorithm), "typ": "at+jwt", "kid": fmt.Sprintf("random-key-%016x", i)}, []byte("{}"))
		if err != nil {
			return nil, err
		}
		header, _, _ := strings.Cut(odd, ".")
		tokens[i] = header + "." + rest
	}
	return tokens, nil
}

// FetchesFor counts how often a verifier fetches the key set for many tokens with random key
// ids, sent from 16 goroutines.
func (w *World) FetchesFor(ctx context.Context, count int, verify Verifier, good string) (fetches int64, err error) {
	if err := verify(good); err != nil {
		return 0, err
	}
	strangers, err := w.Strangers(count)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	before := w.Fetches.Load()
	const senders = 16
	var wg sync.WaitGroup
	var accepted atomic.Bool
	for sender := range senders {
		wg.Go(func() {
			for i := sender; i < count && ctx.Err() == nil; i += senders {
				if verify(strangers[i]) == nil {
					accepted.Store(true)
				}
			}
		})
	}
	wg.Wait()
	switch {
	case accepted.Load():
		return 0, errAccepted
	case ctx.Err() != nil:
		return 0, errSlow
	}
	return w.Fetches.Load() - before, nil
}

// Verifier returns latchkey's verification without the cache of tokens.
func (w *World) Verifier(ctx context.Context, opts ...runtime.Option) (Verifier, error) {
	provider, err := w.Provider(opts...)
	if err != nil {
		return nil, err
	}
	return func(token string) error {
		_, err := provider.Verify(ctx, presented(token))
		return err
	}, nil
}

// Waits lets the clock pass the age at which keys are refreshed, makes the refresh take 500 ms,
// verifies tokens all the while and returns how long they took.
func (w *World) Waits(ctx context.Context, opts ...runtime.Option) (Waits, error) {
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	provider, err := w.Provider(append(opts, runtime.WithClock(clock))...)
	if err != nil {
		return Waits{}, err
	}
	tokens, err := w.Tokens(16)
	if err != nil {
		return Waits{}, err
	}
	run := verifying(ctx, provider, tokens)
	for range tokens {
		if err := run(); err != nil {
			return Waits{}, err
		}
	}
	w.Delay.Store(int64(500 * time.Millisecond))
	defer w.Delay.Store(0)
	before := w.Fetches.Load()
	ahead.Store(int64(15 * time.Minute))
	var waits []time.Duration
	for begin := time.Now(); time.Since(begin) < 450*time.Millisecond; {
		start := time.Now()
		if err := run(); err != nil {
			return Waits{}, err
		}
		waits = append(waits, time.Since(start))
	}
	if w.Fetches.Load() != before+1 {
		return Waits{}, errors.New("no refresh was under way")
	}
	return newWaits(waits), nil
}

// isRefusal reports whether a token was not let in. One with an unknown key is told to wait, while
// nobody can know whether it is that of a new key.
func isRefusal(err error) bool {
	return errors.Is(err, oauth.ErrInvalidToken) || errors.Is(err, oauth.ErrTemporarilyUnavailable)
}

// presented is a bearer token as a guard presents it.
func presented(token string) oauth.Presented {
	return oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: Resource}
}
