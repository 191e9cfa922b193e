package tickets

import "time"

// Refresh is a refresh token of ours. Each is good for one refresh; its successor has another place
// in the lineage.
type Refresh struct {
	Family  ID
	Lineage Lineage
	// Client is the digest of the client_id.
	Client   ID
	Resource string
	// Scopes are those that were granted.
	Scopes []string
	// Subject and Issuer say who logged in.
	Subject, Issuer string
	// KeepsAccess says that Upstream is the provider's access token, for providers that give no
	// refresh token but whose access tokens outlive ours. Each refresh asks the provider whether it
	// still counts.
	KeepsAccess bool
	// UpstreamExpires is when the provider's token ends; zero where nobody knows.
	UpstreamExpires time.Time
	Upstream        string
}

func refreshFormat() format[Refresh] {
	return format[Refresh]{
		purpose: "refresh", version: 1, least: 1,
		write: func(w writer, t Refresh) []byte {
			w.id(t.Family)
			w.lineage(t.Lineage)
			w.id(t.Client)
			w.text(t.Resource)
			w.texts(t.Scopes)
			w.text(t.Subject)
			w.text(t.Issuer)
			w.flag(t.KeepsAccess)
			w.time(t.UpstreamExpires)
			w.text(t.Upstream)
			return w.b
		},
		read: func(r reader) (Refresh, error) {
			t := Refresh{
				Family: r.id(), Lineage: r.lineage(), Client: r.id(), Resource: r.text(), Scopes: r.texts(), Subject: r.text(),
				Issuer: r.text(), KeepsAccess: r.flag(), UpstreamExpires: r.time(), Upstream: r.text(),
			}
			return t, r.end()
		},
	}
}
