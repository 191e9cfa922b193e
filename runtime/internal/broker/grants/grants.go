package grants

import (
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

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
	// Provider is asked for tokens, Verify whose they are, and Forget drops what Verify keeps of a
	// token that was revoked.
	Provider Provider
	Verify   VerifyFunc
	Forget   func(token string)
	// TokenURL and RevocationURL are the provider's endpoints, and SecretVariable is where our
	// secret for them is set, for events.
	TokenURL, RevocationURL string
	SecretVariable          string
	// NeededScopes are needed for every request; Hierarchy lets broader ones stand for them.
	NeededScopes []string
	// AlwaysAsked are scopes that each login asks the provider for, whatever the user consents to.
	AlwaysAsked []string
	Hierarchy   oauth.ScopeHierarchy
	Now         func() time.Time
	Events      *events.Sender
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
	kept := keptTokens{entries: c.Entries, box: c.Tickets.Renewed, events: c.Events}
	g := &Grants{
		tickets: c.Tickets, options: c.Options, now: c.Now, events: c.Events,
		families: families{
			entries: c.Entries, answers: c.Tickets.Answer, current: c.Tickets.Current, kept: kept,
			memory: max(c.Options.RefreshLifetime, c.Options.AccessLifetime) + time.Minute,
			looks:  newLooks(c.Options.RevocationMemory, c.Options.StoreGrace, c.Now), turns: newTurns(), events: c.Events,
		},
		leg: leg{
			Provider: c.Provider, forget: c.Forget, tokenURL: c.TokenURL, revocationURL: c.RevocationURL,
			secretVariable: c.SecretVariable, events: c.Events,
		},
	}
	issuer := issuer{
		tickets: c.Tickets, options: c.Options, verify: c.Verify, needed: c.NeededScopes, always: c.AlwaysAsked, hierarchy: c.Hierarchy, now: c.Now,
	}
	g.types = []Type{
		&codeGrant{
			box: c.Tickets.Code, kept: kept, leg: g.leg,
			codes:  codes{entries: c.Entries, states: c.Tickets.CodeState, families: g.families, kept: kept, events: c.Events},
			issuer: issuer, resources: c.Resources, scopes: c.Scopes, events: c.Events,
		},
		&refreshGrant{
			box: c.Tickets.Refresh, families: g.families, kept: kept, leg: g.leg, issuer: issuer, resources: c.Resources,
			scopes: c.Scopes, events: c.Events,
		},
	}
	return g
}

// Code returns the authorization code for a client that a user allowed something.
func (g *Grants) Code(a Authorization) string {
	return sealCode(g.tickets.Code, a, g.now().Add(codeLifetime))
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
