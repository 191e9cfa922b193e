package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/metadata"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// The capabilities that only the engine can give, looked for like those of package oauth. Their
// methods are promoted to types that embed a [Provider]: each therefore says whose it is, where
// that makes a difference.
type (
	// rememberer has the callers of accepted tokens at hand.
	rememberer interface{ remembered() memory }
	// stander stands in as the authorization server of its clients.
	stander interface{ standsIn() *standIn }
	// observed has a log and observers of its own.
	observed interface {
		watchers() (*slog.Logger, observe.Observer)
	}
	// inquirer says whether it asks somebody about the tokens that it is given.
	inquirer interface{ inquires() bool }
	// lenient bridges clocks that differ.
	lenient interface{ clockLeeway() time.Duration }
)

// memory is what a provider remembers of callers.
type memory struct {
	of oauth.Provider
	// recall returns the caller of a token for which Verify would give the same without looking at
	// it again, else nil.
	recall func(token, resource string) *oauth.AuthInfo
}

func (p *Provider) remembered() memory {
	tokens, ok := p.tokens.(interface {
		Recall(token, resource string) *oauth.AuthInfo
	})
	if !ok {
		return memory{}
	}
	return memory{of: p, recall: tokens.Recall}
}

func (p *Provider) standsIn() *standIn { return p.standIn }

func (p *Provider) watchers() (*slog.Logger, observe.Observer) { return p.logger, p.observers }

func (p *Provider) clockLeeway() time.Duration { return p.leeway }

func (p *Provider) inquires() bool { return verify.Inquires(p.tokens) }

// inquires reports whether a provider asks somebody about tokens by package verify, which then
// counts by the client's address.
func inquires(provider oauth.Provider) bool {
	own, ok := oauth.Capability[inquirer](provider)
	return ok && own.inquires()
}

// leewayOf returns how long after its expiry a token may still be good.
func leewayOf(provider oauth.Provider) time.Duration {
	if own, ok := oauth.Capability[lenient](provider); ok {
		return own.clockLeeway()
	}
	return DefaultLeeway
}

// recallOf returns how the caller of a known token is found without asking the provider; nil if it
// has to be asked. Only the provider's own memory counts: what a wrapper found through Unwrap, or
// by embedding, would answer in place of its Verify.
func recallOf(provider oauth.Provider) func(token, resource string) *oauth.AuthInfo {
	r, ok := provider.(rememberer)
	if !ok {
		return nil
	}
	if known := r.remembered(); known.of == provider {
		return known.recall
	}
	return nil
}

// standInOf returns what stands in as the authorization server for a provider in proxy mode, nil in
// direct mode.
func standInOf(provider oauth.Provider) (*standIn, error) {
	d := provider.Describe()
	found, ok := oauth.Capability[stander](provider)
	var s *standIn
	if ok {
		s = found.standsIn()
	}
	switch {
	case d.Mode == oauth.Proxy && s == nil:
		return nil, fmt.Errorf("the provider %s (%T) is in mode proxy and nothing in it can stand in as the authorization server: "+
			"a type that wraps a provider needs the method Unwrap() oauth.Provider, which returns the wrapped one; "+
			"one that is written by hand can only be in mode direct", d.Name, provider)
	case d.Mode != oauth.Proxy && s != nil:
		return nil, fmt.Errorf("the provider %s (%T) describes itself as in mode %q and wraps one in mode proxy: "+
			"its Describe must keep the mode", d.Name, provider, d.Mode)
	}
	return s, nil
}

// senderOf returns the sender to all who see what happens at a guard.
func senderOf(provider oauth.Provider, resource string, config GuardConfig) *events.Sender {
	logger := config.Logger
	var inherited observe.Observer
	if own, ok := oauth.Capability[observed](provider); ok {
		var log *slog.Logger
		log, inherited = own.watchers()
		logger = cmp.Or(logger, log)
	}
	return events.To(observe.Slog(logger), config.Observer, inherited).For(provider.Describe().Name, resource)
}

// metadataHandlerOf returns what serves a provider's authorization server metadata: its own, or a
// synthesis.
func metadataHandlerOf(provider oauth.Provider) func(suffix string) http.Handler {
	if own, ok := oauth.Capability[oauth.MetadataServer](provider); ok {
		return own.MetadataHandler
	}
	d := provider.Describe()
	return metadata.NewSource(metadata.Config{Issuer: d.Issuer, Fallback: Synthesise(d), Now: time.Now}).Handler
}

// MetadataHandler implements [oauth.MetadataServer].
func (p *Provider) MetadataHandler(suffix string) http.Handler { return p.metadata.Handler(suffix) }

// vouchedKey is the context key of a token that was just verified.
type vouchedKey struct{}

// vouched is a token of the provider that this server itself got and verified a moment ago, with
// its caller. The Verify of a wrapper, which is asked next, may call that of the wrapped provider:
// it gets this caller. To ask again would cost another round trip, and where nothing ties a token
// to this server the provider accepts none that is presented from outside.
type vouched struct {
	by              *Provider
	token, resource string
	caller          *oauth.AuthInfo
}

// vouchedFor returns the caller of a token that p itself verified for this very call.
func (p *Provider) vouchedFor(ctx context.Context, presented oauth.Presented) *oauth.AuthInfo {
	if p.standIn == nil {
		return nil
	}
	v, ok := ctx.Value(vouchedKey{}).(*vouched)
	if !ok || v.by != p || v.token != presented.Token.Reveal() || v.resource != presented.Resource {
		return nil
	}
	return v.caller
}

// errScheme is the cause of the refusal of a token that came with another scheme than Bearer.
var errScheme = errors.New("only bearer tokens are accepted")
