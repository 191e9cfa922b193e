package runtime

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/check"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/inspect"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Check asks the provider whether people could log in, before anybody does: whether its metadata
// and its keys are there and are what is configured, whether the clocks agree, and whether it knows
// our application and its secret. The last is asked by requests that cannot succeed and touch no
// account; [check.Passive] leaves them out. It takes as long as some requests do, each of which has
// a time limit. The report holds no secret. [Guard.Check] looks at this server as well.
func (p *Provider) Check(ctx context.Context, options ...check.Option) check.Report {
	return check.NewReport(p.inspector.Provider(ctx, slices.Contains(options, check.Passive))...)
}

// newInspector returns what [Provider.Check] asks with.
func (p *Provider) newInspector(d Definition, o options, discovery string) *inspect.Inspector {
	config := inspect.Config{
		Title: d.Title, Issuer: d.Issuer, Endpoints: d.Endpoints, Forms: d.Discovery, Discovery: discovery,
		Rules: d.Tokens, SkipAudience: o.insecure.SkipAudience, Binding: facts.Binding{Audience: d.Tokens.Audience},
		Client: o.client, InsecureHTTPHosts: o.network.plainHTTP, Now: o.now, Leeway: o.leeway,
	}
	for name := range o.endpoints {
		config.Elsewhere = append(config.Elsewhere, name)
	}
	credentials := facts.Credentials{}
	switch {
	case d.Verifier != nil:
	case d.Introspection != nil:
		config.Question, credentials = p.askAboutNothing, d.Introspection.Credentials
	case d.TokenInfo != nil:
		config.Question, credentials = p.askAboutNothing, d.TokenInfo.Credentials
	case d.UserInfo != nil:
		config.Question = p.askAboutNothing
	default:
		config.KeySet = d.Endpoints.JWKS != ""
	}
	if config.Question != nil {
		config.Binding = bindingOf(d)
	}
	if p.standIn != nil {
		config.Upstream, credentials = &p.standIn.upstream, p.standIn.upstream.Credentials
	}
	config.SecretVariable = o.secretVariable(credentials)
	return inspect.New(config)
}

// askAboutNothing verifies a token that nobody issued.
func (p *Provider) askAboutNothing(ctx context.Context) error {
	presented := bearer("latchkey-check-"+rand.Text(), p.description.Issuer)
	var err error
	if exchanged, ok := p.tokens.(verify.ExchangeVerifier); ok {
		_, err = exchanged.VerifyExchanged(ctx, presented.Token.Reveal(), presented.Resource)
	} else {
		_, err = p.tokens.Verify(ctx, presented)
	}
	return err
}

// The ids of what a guard asks besides the provider's questions.
const (
	checkSealingKeys = "sealing_keys"
	checkStore       = "store"
)

// checker is the capability of saying whether a provider is set up.
type checker interface {
	Check(ctx context.Context, options ...check.Option) check.Report
}

// publicNetwork is how this server's own public URL is reached.
type publicNetwork struct {
	proxy func(*http.Request) (*url.URL, error)
	roots *x509.CertPool
}

// Check asks what [Provider.Check] asks and, of this server, whether the keys that seal are its
// own, whether the store answers, and whether the public URL leads here. [check.Passive] leaves out
// the last: a server that starts is not reached yet.
func (g *Guard) Check(ctx context.Context, options ...check.Option) check.Report {
	var findings []check.Finding
	own, ok := oauth.Capability[checker](g.provider)
	if ok {
		findings = own.Check(ctx, options...).Findings
	}
	if g.broker != nil {
		findings = append(findings, g.checkSealingKeys(), g.checkStore(ctx))
	}
	if !slices.Contains(options, check.Passive) && !slices.Contains(options, check.NotPublic) {
		findings = append(findings, g.checkPublicURL(ctx))
	}
	return check.NewReport(findings...)
}

// checkSealingKeys says which keys seal. Those that cannot be used have kept the guard from being
// made.
func (g *Guard) checkSealingKeys() check.Finding {
	f := check.Finding{ID: checkSealingKeys, Outcome: check.Passed, Asked: SealingKeysVariable, Seen: "keys of their own"}
	own := g.config.Proxy.SealingKeys
	if s, err := standInOf(g.provider); err == nil && len(own) == 0 {
		own, _ = SealingKeys(s.options.lookupEnv) // the guard could not have been made with others
	}
	if len(own) == 0 {
		f.Seen = "derived from the client secret: rotating that without PreviousClientSecrets logs everybody out"
	}
	return f
}

// checkStore reads an entry that nobody writes.
func (g *Guard) checkStore(ctx context.Context) check.Finding {
	f := check.Finding{ID: checkStore, Outcome: check.Passed, Asked: "a read of an entry that nobody writes"}
	if g.config.Proxy.Store == nil {
		f.Seen = "in this process's memory: replicas of the server share nothing"
		return f
	}
	if _, err := g.config.Proxy.Store.Do(ctx, store.Step{Group: "latchkey-check", Get: []string{"check"}}); err != nil {
		f.Outcome, f.Where, f.Seen = check.Failed, check.ThisServer, err.Error()
		f.Fix = "start the store, and compare its address and credentials with those of GuardConfig.Proxy.Store: without it nobody can log in or refresh"
		return f
	}
	f.Seen = "it answers"
	return f
}

// checkPublicURL asks this server by the URL that clients use.
func (g *Guard) checkPublicURL(ctx context.Context) check.Finding {
	resource := g.endpoints[len(g.endpoints)-1]
	policy := egress.Policy{OperatorHosts: []string{g.origin()}}
	if host, plain := strings.CutPrefix(g.origin(), "http://"); plain { // the request carries no secret
		policy.InsecureHTTPHosts = []string{host}
	}
	if known, ok := oauth.Capability[interface{ publicNetwork() publicNetwork }](g.provider); ok {
		network := known.publicNetwork()
		policy.Proxy, policy.RootCAs = network.proxy, network.roots
	}
	client := egress.NewClient(policy)
	defer client.CloseIdleConnections()
	return inspect.Public(ctx, client, resource.resource, resource.metadataURL)
}

func (p *Provider) publicNetwork() publicNetwork { return p.network }

// bindingOf is what ties a provider's opaque tokens to this server: the audience of Tokens unless
// Binding has one.
func bindingOf(d Definition) facts.Binding {
	b := d.Binding
	if len(b.Audience.AnyOf) == 0 && !b.Audience.OrResource && !b.Audience.AlsoResource {
		b.Audience = d.Tokens.Audience
	}
	return b
}
