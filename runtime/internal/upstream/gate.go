package upstream

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/noredirect"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// Gate is the one way out to a provider, and to the hosts of client metadata documents: it has a
// call for each kind of request. Each kind has places of its own, so that a storm of one waits for
// itself alone: together the others leave a quarter of the connections that package egress keeps to
// one host (64) to token requests. Redirects are answers. It is safe for concurrent use.
type Gate struct {
	client *http.Client

	tokens, revocations, questions, keySets, metadata, documents places
}

// NewGate returns the gate before what a client reaches. Nil stands for a client that reaches
// public hosts over HTTPS.
func NewGate(client *http.Client) *Gate {
	if client == nil {
		client = egress.NewClient(egress.Policy{})
	}
	own := noredirect.Client(client) // a redirect would carry secrets to a host that nobody configured
	own.Jar = nil
	return &Gate{
		client:      own,
		tokens:      newPlaces("token requests", 48),
		revocations: newPlaces("revocations", 8),
		questions:   newPlaces("questions about tokens", 32),
		keySets:     newPlaces("fetches of key sets", 4),
		metadata:    newPlaces("fetches of metadata", 4),
		documents:   newPlaces("fetches of client metadata documents", 32),
	}
}

// Token sends a token request (RFC 6749 section 3.2).
func (g *Gate) Token(req *http.Request, maxBytes int64) (*egress.Response, error) {
	return g.tokens.send(g.client, req, maxBytes)
}

// Revocation sends a revocation (RFC 7009).
func (g *Gate) Revocation(req *http.Request, maxBytes int64) (*egress.Response, error) {
	return g.revocations.send(g.client, req, maxBytes)
}

// Introspection asks about a token (RFC 7662).
func (g *Gate) Introspection(req *http.Request, maxBytes int64) (*egress.Response, error) {
	return g.questions.send(g.client, req, maxBytes)
}

// TokenInfo asks about a token at an endpoint of the provider's own making.
func (g *Gate) TokenInfo(req *http.Request, maxBytes int64) (*egress.Response, error) {
	return g.questions.send(g.client, req, maxBytes)
}

// UserInfo asks for the profile of a token's user (OpenID Connect Core section 5.3).
func (g *Gate) UserInfo(req *http.Request, maxBytes int64) (*egress.Response, error) {
	return g.questions.send(g.client, req, maxBytes)
}

// KeySet fetches the provider's keys (RFC 7517 section 5).
func (g *Gate) KeySet(req *http.Request, maxBytes int64) (*egress.Response, error) {
	return g.keySets.send(g.client, req, maxBytes)
}

// Metadata fetches the provider's metadata (RFC 8414, OpenID Connect Discovery).
func (g *Gate) Metadata(req *http.Request, maxBytes int64) (*egress.Response, error) {
	return g.metadata.send(g.client, req, maxBytes)
}

// ClientDocument fetches a client metadata document, whose address a stranger chose.
func (g *Gate) ClientDocument(req *http.Request, maxBytes int64) (*egress.Response, error) {
	return g.documents.send(g.client, req, maxBytes)
}

// waitersPerPlace times the places of a kind is how many requests may wait for one: more could not
// be sent before their callers give up.
const waitersPerPlace = 8

// places bound the requests of one kind that are under way, and those that wait.
type places struct {
	kind    string // for errors
	taken   chan struct{}
	waiting *atomic.Int64
}

func newPlaces(kind string, n int) places {
	return places{kind: kind, taken: make(chan struct{}, n), waiting: &atomic.Int64{}}
}

// send sends a request once there is a place for it.
func (p places) send(client *http.Client, req *http.Request, maxBytes int64) (*egress.Response, error) {
	leave, err := p.enter(req.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	return egress.Fetch(client, req, maxBytes)
}

// enter takes a place, for as long as ctx lasts. The function gives it back.
func (p places) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-p.taken }
	select {
	case p.taken <- struct{}{}:
		return leave, nil
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > int64(waitersPerPlace*cap(p.taken)) {
		return nil, surplus(time.Second, fmt.Errorf("%d %s are under way and %d wait, no more are taken",
			cap(p.taken), p.kind, waitersPerPlace*cap(p.taken)))
	}
	select {
	case p.taken <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, failure(KindUnavailable, fmt.Errorf("%d %s are under way, none ended in time: %w",
			cap(p.taken), p.kind, context.Cause(ctx)))
	}
}
