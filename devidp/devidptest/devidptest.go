// Package devidptest puts the embedded identity provider of package devidp behind guards in tests:
// no account, no network, no fake of one's own.
//
//	idp := devidptest.Start(t)
//	handler := newHandler(idp.Provider())
//	token := idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{resource}, Scope: "reports:read"})
//
// [IDP.Provider] is for servers in mode direct. [IDP.ProxyProvider] is for those in mode proxy, and
// [IDP.Login] plays a client and a user who log in there.
package devidptest

import (
	"cmp"
	"strings"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/embedded"
	"github.com/latchkey-auth/latchkey/runtime"
)

// IDP is a running identity provider that ends with its test.
type IDP struct {
	*devidp.TestServer

	t        devidp.TB
	audience string
}

// Start runs an identity provider on a free loopback port until the test ends. Each function may
// change the configuration, as with [devidp.Start].
func Start(t devidp.TB, configure ...func(*devidp.Config)) *IDP {
	t.Helper()
	idp := &IDP{t: t}
	idp.TestServer = devidp.Start(t, func(c *devidp.Config) {
		for _, f := range configure {
			f(c)
		}
		idp.audience = cmp.Or(c.DefaultAudience, c.Issuer)
	})
	return idp
}

// Provider returns the identity provider as one in mode direct: clients register there, and its
// tokens are for the resource that they name. It takes the place of the provider that the server
// has in earnest. A problem ends the test.
func (i *IDP) Provider(opts ...runtime.Option) *runtime.Provider {
	i.t.Helper()
	provider, err := embedded.Provider(i.Issuer(), opts...)
	if err != nil {
		i.t.Fatalf("devidptest: %v", err)
	}
	return provider
}

// ProxyProvider returns the identity provider as one in mode proxy, which knows the server with the
// given resource as its application. Call it for each resource. Clients get tokens of such a server
// by a login alone: see [IDP.Login]. A problem ends the test.
func (i *IDP) ProxyProvider(resource string, opts ...runtime.Option) *runtime.Provider {
	i.t.Helper()
	application := embedded.NewApplication(strings.TrimSuffix(resource, "/")+"/oauth/callback", i.audience)
	if err := i.AddClient(application.Client()); err != nil {
		i.t.Fatalf("devidptest: %v", err)
	}
	provider, err := application.Provider(i.Issuer(), opts...)
	if err != nil {
		i.t.Fatalf("devidptest: %v", err)
	}
	return provider
}
