package broker

import (
	"context"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// redeem turns a code into tokens (RFC 6749 section 4.1.3).
func (b *Broker) redeem(r *http.Request, p params.Params) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	if p.Get("code") == "" {
		return none, refusal.BadRequest(oauth.CodeInvalidRequest, refusal.ReasonMissingParameter, "The code is missing")
	}
	c, _, err := b.tickets.Code.Open(p.Get("code"))
	if err != nil {
		return none, refusal.InvalidGrant(refusal.ReasonCode, err)
	}
	if refused := b.checkCode(p, c); refused != nil {
		return none, refused
	}
	// The provider's answer must not get lost with the client's connection: its code works once.
	ctx := context.WithoutCancel(r.Context())
	if refused := b.useCode(ctx, c); refused != nil {
		return none, refused
	}
	tokens, refused := b.tokensOfCode(ctx, c)
	if refused != nil {
		b.giveBack(ctx, c, refused)
		return none, refused
	}
	g := grant{
		family: c.Family, client: c.Client, label: clientLabel(p.Get("client_id")), resource: c.Resource, scopes: c.Scopes,
	}
	answer, refused := b.issue(ctx, &g, tokens, g.scopes, b.config.Verify)
	if refused != nil {
		b.keepTokens(ctx, c.Family, tokens, refused)
		b.giveBack(ctx, c, refused)
		if refused.Code == oauth.CodeInvalidGrant {
			b.abandon(ctx, tokens)
		}
		return none, refused
	}
	// What the provider granted, which may be less than what the user consented to: a refresh must not give more, even where
	// its answer names no scopes (RFC 6749 section 6).
	g.scopes = oauth.ParseScope(answer.Scope)
	answer.RefreshToken = b.refreshTokenFor(g, tokens, newLineage())
	if refused := b.codeGaveTokens(ctx, c); refused != nil {
		b.abandon(ctx, tokens)
		return none, refused
	}
	b.logger.InfoContext(ctx, "tokens issued", "client", g.label, "provider", b.config.Upstream.Name, "mode", b.config.Tokens)
	return answer, nil
}

// tokensOfCode returns the provider's tokens: those that were kept when they could not be verified a moment ago, or new ones.
func (b *Broker) tokensOfCode(ctx context.Context, c tickets.Code) (upstream.Tokens, *oauth.Error) {
	if tokens, ok := b.keptTokens(ctx, c.Family); ok {
		return tokens, nil
	}
	tokens, err := b.upstream.ExchangeCode(ctx, upstream.Code{
		Code: c.Upstream, Secret: c.Secret, Scopes: c.Scopes, Resource: c.Resource,
	})
	if err != nil {
		return tokens, upstreamRefused(err)
	}
	return tokens, nil
}

// key is the name of an entry in the store. Mounts that share a store never share entries.
func (b *Broker) key(kind string, id tickets.ID) string { return b.prefix + kind + ":" + id.String() }

// revokeFamily ends everything that came from one login, as far as the store reaches.
func (b *Broker) revokeFamily(ctx context.Context, family tickets.ID) error {
	_, err := store.Mark(ctx, b.store, b.key("revoked", family), b.familyMemory())
	return err
}

func (b *Broker) revoked(ctx context.Context, family tickets.ID) (bool, error) {
	return store.Marked(ctx, b.store, b.key("revoked", family))
}

// familyMemory is how long anything of a login can live on after its last token was issued.
func (b *Broker) familyMemory() time.Duration {
	return max(b.config.RefreshLifetime, accessLifetime) + time.Minute
}
