package broker

import (
	"time"

	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// refreshToken is what a refresh token of ours holds. Each is good for one refresh; its successor has another id.
type refreshToken struct {
	grant
	lineage

	// keepsAccess says that upstream is the provider's access token, for providers that give no refresh token but whose
	// access tokens outlive ours. Each refresh asks the provider whether it still counts.
	keepsAccess bool
	upstream    string
	// upstreamExpires is when the provider's token ends; zero where nobody knows.
	upstreamExpires time.Time
}

// refreshTokenFor returns the refresh token that goes with the provider's tokens, or none where nothing could be refreshed
// with it.
func (b *Broker) refreshTokenFor(g grant, t upstream.Tokens, place lineage) string {
	r := refreshToken{grant: g, lineage: place, upstream: t.Refresh, upstreamExpires: t.RefreshExpires}
	if t.Refresh == "" {
		// In passthrough mode the client has the provider's token already; sealing the same again would refresh nothing.
		if b.config.Tokens != proxy.Sealed || !t.Expires.IsZero() && !t.Expires.After(b.now().Add(accessLifetime)) {
			return ""
		}
		r.keepsAccess, r.upstream, r.upstreamExpires = true, t.Access, t.Expires
	}
	return b.sealRefresh(r, earliest(r.upstreamExpires, b.now().Add(b.config.RefreshLifetime)))
}

func (b *Broker) sealRefresh(t refreshToken, expires time.Time) string {
	var w recordWriter
	w.id(t.family)
	w.lineage(t.lineage)
	w.id(t.client)
	w.text(t.resource)
	w.texts(t.scopes)
	w.text(t.subject)
	w.text(t.issuer)
	w.flag(t.keepsAccess)
	w.time(t.upstreamExpires)
	w.text(t.upstream)
	return b.boxes.refresh.Seal(w.b, expires)
}

func (b *Broker) openRefresh(sealed string) (refreshToken, error) {
	payload, _, err := b.boxes.refresh.Open(sealed, b.now())
	if err != nil {
		return refreshToken{}, err
	}
	r := recordReader{rest: string(payload)}
	var t refreshToken
	t.family, t.lineage, t.client = r.id(), r.lineage(), r.id()
	t.resource, t.scopes, t.subject, t.issuer = r.text(), r.texts(), r.text(), r.text()
	t.keepsAccess, t.upstreamExpires, t.upstream = r.flag(), r.time(), r.text()
	return t, r.end()
}
