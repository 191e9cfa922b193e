package runtime

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// network is how the provider is reached.
type network struct {
	roots     func() (*x509.CertPool, error) // nil is the system's
	noProxy   bool
	plainHTTP plainurl.HTTPHosts
}

// WithCAFile trusts the certificate authorities of a PEM file besides the system's when the
// provider is reached: a private authority, or that of a company's proxy. The system's can also be
// replaced for the whole process, by the variables SSL_CERT_FILE and SSL_CERT_DIR (package
// crypto/x509). Of WithCAFile and [WithRootCAs] the last counts.
func WithCAFile(name string) Option {
	return func(o *options) {
		o.network.roots = func() (*x509.CertPool, error) { return egress.ReadCAFile(name) }
	}
}

// WithRootCAs trusts these certificate authorities and no others when the provider is reached. Nil
// means the system's.
func WithRootCAs(pool *x509.CertPool) Option {
	return func(o *options) {
		o.network.roots = func() (*x509.CertPool, error) { return pool, nil }
	}
}

// WithoutEnvironmentProxy reaches the provider directly. Without it, HTTPS_PROXY and NO_PROXY count
// for the provider's hosts, whoever named them: the operator, the provider's spec or its own
// metadata. Hosts that strangers name, such as those of client metadata documents, are never
// reached by a proxy, behind which nobody could promise that an address is public.
func WithoutEnvironmentProxy() Option { return func(o *options) { o.network.noProxy = true } }

// InsecureHTTPHost lets plain http reach a host that the configuration names, such as
// "keycloak:8080", or "keycloak" for all its ports: for a provider inside a cluster without TLS.
// Tokens, codes and the client secret then travel unprotected, and whoever answers for that name
// decides which tokens are good. No proxy is used on the way. It may be given several times.
func InsecureHTTPHost(name string) Option {
	return func(o *options) { o.network.plainHTTP = append(slices.Clone(o.network.plainHTTP), name) }
}

// reach makes the client for the provider, unless the options bring one. named are the URLs that
// the operator did not write.
func (in *Inputs) reach(named ...string) error {
	o := &in.options
	for _, host := range o.network.plainHTTP {
		o.events.Observe(context.Background(), observe.Event{
			Kind: observe.Notice, Level: slog.LevelWarn, Reason: oauth.ReasonInsecureSetting, Provider: in.title,
			Message: "INSECURE: plain http may reach " + host + ": tokens, codes and secrets travel unprotected",
			Details: []slog.Attr{slog.String("setting", "InsecureHTTPHost"), slog.String("host", host)},
		})
	}
	policy := egress.Policy{
		OperatorHosts: in.hosts, ProviderHosts: originsOf(named), InsecureHTTPHosts: o.network.plainHTTP,
		Proxy: in.proxy(), RootCAs: in.roots(),
	}
	if err := policy.Validate(); err != nil {
		in.add(Field{Name: "network"}, err.Error())
	}
	if o.client == nil {
		o.client = egress.NewClient(policy)
	}
	return in.Err()
}

// proxy is the environment's choice of proxy.
func (in *Inputs) proxy() func(*http.Request) (*url.URL, error) {
	if in.options.network.noProxy {
		return nil
	}
	choose, err := egress.EnvironmentProxy(in.options.lookupEnv)
	if err != nil {
		in.add(Field{Name: "proxy"}, err.Error()+"; correct it, or reach the provider directly (WithoutEnvironmentProxy, --no-proxy-from-environment)")
	}
	return choose
}

// roots are the certificate authorities to trust.
func (in *Inputs) roots() *x509.CertPool {
	pool, err := in.options.network.authorities()
	if err != nil {
		in.add(Field{Name: "caFile"}, "the certificate authorities to trust (WithCAFile, --ca-file): "+err.Error())
	}
	return pool
}

// authorities are the certificate authorities to trust, nil for the system's.
func (n network) authorities() (*x509.CertPool, error) {
	if n.roots == nil {
		return nil, nil //nolint:nilnil // the system's are no error
	}
	return n.roots()
}

// originsOf are the origins of those of the URLs that can be fetched from.
func originsOf(urls []string) []string {
	var origins []string
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		origin := u.Scheme + "://" + u.Host
		if (egress.Policy{ProviderHosts: []string{origin}}).Validate() == nil {
			origins = append(origins, origin)
		}
	}
	return origins
}

// namedBySpec are the URLs of a definition from which something is fetched.
func namedBySpec(d Definition) []string {
	e := d.Endpoints
	urls := []string{d.Issuer, e.Token, e.JWKS, e.UserInfo, e.TokenInfo, e.Introspection, e.Revocation}
	if d.Profile != nil {
		urls = append(urls, d.Profile.EmailsURL)
	}
	return urls
}
