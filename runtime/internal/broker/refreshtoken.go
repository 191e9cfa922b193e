package broker

import (
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// refreshTokenFor returns the refresh token that goes with the provider's tokens, or none where nothing could be refreshed
// with it.
func (b *Broker) refreshTokenFor(g grant, t upstream.Tokens, place lineage) string {
	r := tickets.Refresh{
		Family: g.family, Lineage: tickets.Lineage(place), Client: g.client, Resource: g.resource, Scopes: g.scopes,
		Subject: g.subject, Issuer: g.issuer, Upstream: t.Refresh, UpstreamExpires: t.RefreshExpires,
	}
	if t.Refresh == "" {
		// In passthrough mode the client has the provider's token already; sealing the same again would refresh nothing.
		if b.config.Tokens != proxy.Sealed || !t.Expires.IsZero() && !t.Expires.After(b.now().Add(accessLifetime)) {
			return ""
		}
		r.KeepsAccess, r.Upstream, r.UpstreamExpires = true, t.Access, t.Expires
	}
	return b.tickets.Refresh.Seal(r, earliest(r.UpstreamExpires, b.now().Add(b.config.RefreshLifetime)))
}
