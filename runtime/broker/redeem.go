package broker

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// codeMemory is how long a redeemed code is remembered: a little longer than it would live.
const codeMemory = 2 * codeLifetime

// redeem turns a code into tokens (RFC 6749 section 4.1.3).
func (b *Broker) redeem(r *http.Request, p params) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	if p.get("code") == "" {
		return none, badRequest(oauth.CodeInvalidRequest, reasonMissingParameter, "The code is missing")
	}
	c, _, err := b.openCode(p.get("code"))
	if err != nil {
		return none, invalidGrant(reasonCode, err)
	}
	if refused := b.checkCode(p, c); refused != nil {
		return none, refused
	}
	// The provider's answer must not get lost with the client's connection: its code works once.
	ctx := context.WithoutCancel(r.Context())
	if refused := b.useCode(ctx, c); refused != nil {
		return none, refused
	}
	tokens, refused := b.exchangeCode(ctx, c)
	if refused != nil {
		b.giveBack(ctx, c, refused)
		return none, refused
	}
	g := grant{
		family: c.family, client: c.client, label: clientLabel(p.get("client_id")), resource: c.resource, scopes: c.scopes,
	}
	answer, refused := b.issue(ctx, &g, tokens, g.scopes, b.config.Verify)
	if refused != nil {
		return none, refused
	}
	answer.RefreshToken = b.refreshTokenFor(g, tokens, newLineage())
	b.logger.InfoContext(ctx, "tokens issued", "client", g.label, "provider", b.upstream.Name, "mode", b.config.Tokens)
	return answer, nil
}

// useCode lets a code pass once. A second time somebody else has it too, and what the first got is revoked (RFC 6749
// section 4.1.2).
func (b *Broker) useCode(ctx context.Context, c code) *oauth.Error {
	first, err := store.Mark(ctx, b.store, b.key("code", c.family), codeMemory)
	switch {
	case err != nil:
		return retryLater(reasonStore, 0, err)
	case first:
		return nil
	}
	if err := b.revokeFamily(ctx, c.family); err != nil {
		return retryLater(reasonStore, 0, err)
	}
	return invalidGrant(reasonCodeUsed, errors.New("the code was redeemed before; its tokens are revoked"))
}

// giveBack makes a code usable again that the provider did not get to see.
func (b *Broker) giveBack(ctx context.Context, c code, refused *oauth.Error) {
	if refused.Status != http.StatusServiceUnavailable {
		return
	}
	if err := store.Unmark(ctx, b.store, b.key("code", c.family)); err != nil {
		b.logger.WarnContext(ctx, "a code stays used although the provider was not reached", "error", err)
	}
}

// key is the name of an entry in the store. Mounts that share a store never share entries.
func (b *Broker) key(kind string, id identifier) string { return b.prefix + kind + ":" + id.String() }

// revokeFamily ends everything that came from one login, as far as the store reaches.
func (b *Broker) revokeFamily(ctx context.Context, family identifier) error {
	_, err := store.Mark(ctx, b.store, b.key("revoked", family), b.familyMemory())
	return err
}

func (b *Broker) revoked(ctx context.Context, family identifier) (bool, error) {
	return store.Marked(ctx, b.store, b.key("revoked", family))
}

// familyMemory is how long anything of a login can live on after its last token was issued.
func (b *Broker) familyMemory() time.Duration {
	return max(b.config.RefreshLifetime, accessLifetime) + time.Minute
}
