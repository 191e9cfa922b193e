package runtime

import (
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Without a secret the client id alone is sent, unless a key stands in for the secret.
func TestApplicationsWithoutASecret(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ method, want facts.AuthMethod }{
		"by default":            {"", facts.AuthNone},
		"with a secret's":       {facts.AuthPost, facts.AuthNone},
		"with a key":            {facts.AuthPrivateKeyJWT, facts.AuthPrivateKeyJWT},
		"with nothing to prove": {facts.AuthNone, facts.AuthNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := newStandIn(Definition{
				Mode: oauth.Proxy, Upstream: &facts.Upstream{Credentials: facts.Credentials{ClientID: "c", AuthMethod: c.method}},
			}, options{})
			if err != nil || p.upstream.AuthMethod != c.want {
				t.Errorf("%v, sent by %q, want %q", err, p.upstream.AuthMethod, c.want)
			}
		})
	}
}
