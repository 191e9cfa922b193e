package upstream

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// slow answers once it is released.
type slow struct {
	arrived  chan string
	released chan struct{}
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.arrived <- r.URL.Path
	select {
	case <-s.released:
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func get(ctx context.Context, t *testing.T, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://idp.example.com"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// Requests of one kind that hang hold up no other kind, and those that wait are bounded.
func TestAStormOfOneKindWaitsForItselfAlone(t *testing.T) {
	t.Parallel()
	world := &slow{arrived: make(chan string, 1000), released: make(chan struct{})}
	g := NewGate(&http.Client{Transport: world})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var storm sync.WaitGroup
	under := cap(g.revocations.taken)
	for range under * (1 + waitersPerPlace) {
		storm.Go(func() { _, _ = g.Revocation(get(ctx, t, "/revoke"), 1<<10) })
	}
	for range under {
		<-world.arrived
	}
	for int(g.revocations.waiting.Load()) < under*waitersPerPlace {
		runtime.Gosched()
	}
	if _, err := g.Revocation(get(ctx, t, "/revoke"), 1<<10); KindOf(err) != KindSurplus {
		t.Errorf("one more waits: %v", err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := g.Token(get(ctx, t, "/token"), 1<<10)
		answered <- err
	}()
	if path := <-world.arrived; path != "/token" {
		t.Errorf("%s was sent before the token request", path)
	}
	close(world.released)
	if err := <-answered; err != nil {
		t.Errorf("the token request: %v", err)
	}
	cancel()
	storm.Wait()
	if left := len(g.revocations.taken) + int(g.revocations.waiting.Load()); left != 0 {
		t.Errorf("%d places are still taken", left)
	}
}

func TestTheGateFollowsNoRedirectAndReadsNoLargeAnswer(t *testing.T) {
	t.Parallel()
	var asked []string
	g := NewGate(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.Path)
		header := http.Header{"Location": {"https://elsewhere.example.com/"}, "Set-Cookie": {"a=b"}}
		return &http.Response{StatusCode: http.StatusTemporaryRedirect, Header: header, Body: http.NoBody, Request: r}, nil
	})})
	for name, send := range map[string]call{
		"token": g.Token, "revocation": g.Revocation, "introspection": g.Introspection, "tokeninfo": g.TokenInfo,
		"userinfo": g.UserInfo, "keys": g.KeySet, "metadata": g.Metadata, "document": g.ClientDocument,
	} {
		asked = nil
		if resp, err := send(get(t.Context(), t, "/"+name), 1<<10); err != nil || resp.StatusCode != http.StatusTemporaryRedirect || len(asked) != 1 {
			t.Errorf("%s: %v, asked %q", name, err, asked)
		}
	}
	large := NewGate(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		body := http.MaxBytesReader(nil, readCloser{strings.NewReader(strings.Repeat("x", 2000))}, 1<<20)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, ContentLength: -1, Request: r}, nil
	})})
	if _, err := large.KeySet(get(t.Context(), t, "/keys"), 1000); egress.KindOf(err) != egress.KindTooLarge {
		t.Errorf("a large answer: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
