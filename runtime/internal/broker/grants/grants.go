package grants

import (
	"context"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// VerifyFunc checks an access token of the provider for a resource and returns its caller. The errors are those of
// [oauth.Provider.Verify]: [oauth.ErrInvalidToken] for a token that will never do,
// [oauth.ErrTemporarilyUnavailable] when the provider could not be asked.
//
// It must refuse tokens that the provider issued to other applications. Where the provider's tokens name no application
// and it offers no way to ask, accepting all is tolerable: the broker only shows tokens that it got itself, for a code
// that was issued to its own client id, from the provider's token endpoint.
type VerifyFunc func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error)

// Config says for whom grants are made, and what of. Every field is required.
type Config struct {
	// Options are those of proxy mode, defaults filled in.
	Options proxy.Options
	// Resources are what tokens may be for.
	Resources Resources
	// Scopes are those that clients may ask for.
	Scopes []string
	// Tickets are the formats of codes and tokens.
	Tickets *tickets.Boxes
	// Entries are what the store keeps of them.
	Entries Entries
	// Provider is asked for tokens, Verify whose they are, and Forget drops what Verify keeps of a token that was revoked.
	Provider Provider
	Verify   VerifyFunc
	Forget   func(token string)
	// NeededScopes are needed for every request; Hierarchy lets broader ones stand for them.
	NeededScopes []string
	Hierarchy    oauth.ScopeHierarchy
	Now          func() time.Time
	Events       *events.Sender
}

// Request is a token request of a client that is known (RFC 6749 section 4.1.3 and others).
type Request struct {
	params.Params

	// Client is the digest of the client's client_id, Label its name for logs and callers.
	Client tickets.ID
	Label  string
}

// Type is a grant type of the token endpoint (RFC 6749 section 1.3).
type Type interface {
	// Name is the value of grant_type.
	Name() string
	// Give answers a token request.
	Give(ctx context.Context, r Request) (oauth.TokenResponse, *oauth.Error)
}

// Grants are the grants of one server. They are safe for concurrent use and own no goroutine.
type Grants struct {
	types    []Type
	tickets  *tickets.Boxes
	families families
	leg      leg
	options  proxy.Options
	now      func() time.Time
	events   *events.Sender
}

// New returns the grants of a server.
func New(c Config) *Grants {
	g := &Grants{
		tickets: c.Tickets, options: c.Options, now: c.Now, events: c.Events,
		families: families{
			entries: c.Entries, answers: c.Tickets.Answer, memory: max(c.Options.RefreshLifetime, accessLifetime) + time.Minute,
			now: c.Now, events: c.Events,
		},
		leg: leg{Provider: c.Provider, forget: c.Forget, events: c.Events},
	}
	kept := keptTokens{entries: c.Entries, box: c.Tickets.Renewed, now: c.Now, events: c.Events}
	issuer := issuer{
		tickets: c.Tickets, options: c.Options, verify: c.Verify, needed: c.NeededScopes, hierarchy: c.Hierarchy, now: c.Now,
	}
	g.types = []Type{
		&codeGrant{
			box: c.Tickets.Code, codes: codes{entries: c.Entries, families: g.families, events: c.Events}, kept: kept, leg: g.leg,
			issuer: issuer, resources: c.Resources, events: c.Events,
		},
		&refreshGrant{
			box: c.Tickets.Refresh, families: g.families, kept: kept, leg: g.leg, issuer: issuer, resources: c.Resources,
			scopes: c.Scopes, events: c.Events,
		},
	}
	return g
}

// Types returns the names of the grant types.
func (g *Grants) Types() []string {
	names := make([]string, len(g.types))
	for i, t := range g.types {
		names[i] = t.Name()
	}
	return names
}

// Find returns the grant type of a token request.
func (g *Grants) Find(name string) (Type, *oauth.Error) {
	if name == "" {
		return nil, refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonMissingParameter, "The grant_type is missing")
	}
	for _, t := range g.types {
		if t.Name() == name {
			return t, nil
		}
	}
	return nil, refusal.BadRequest(oauth.CodeUnsupportedGrantType, oauth.ReasonGrantType,
		"The grants are "+strings.Join(g.Types(), " and "))
}
