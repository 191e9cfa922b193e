package pages

import (
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
)

// tokenFacts say how access tokens are checked, and what clients get.
func (p *page) tokenFacts(m *model.Model) {
	switch {
	case m.Tokens.Verifier != nil:
		p.row("tokens", "checked by the function "+code(m.Tokens.Verifier.Go))
	case m.Tokens.Check != nil:
		p.opaqueFacts(m)
	default:
		p.row("tokens", "signed JWTs: "+codes(m.Tokens.Algorithms))
		p.row("audience", audienceText(&m.Tokens.Audience))
	}
	if t := m.Tokens.Tenants; t != nil {
		p.row("issuer of tokens", code(t.Issuer.Template)+" with the tenant of the claim "+code(t.Claim))
	}
	for _, r := range m.Tokens.Require {
		p.row("also required", requirementText(r))
	}
	switch {
	case m.Upstream == nil:
	case m.Passthrough():
		p.row("clients get", "the provider's own access tokens")
	default:
		p.row("clients get", "access tokens of this server, with the provider's sealed inside")
	}
}

func (p *page) opaqueFacts(m *model.Model) {
	c := m.Tokens.Check
	where := "checked at the endpoint " + code(c.At)
	if c.Profile != nil {
		where += ", with the profile from " + code("userinfo")
	}
	p.row("tokens", "opaque: "+where)
	switch {
	case c.Binding.Exchange:
		p.row("binding", "only tokens that this server got itself are accepted: "+markdown(c.Binding.Reason))
	case len(c.Binding.ClientClaims) > 0:
		p.row("binding", strings.ReplaceAll(codes(c.Binding.ClientClaims), ", ", " and ")+" must be the client id")
	}
	if len(m.Tokens.Audience.AnyOf) > 0 || m.Tokens.Audience.Otherwise != "" {
		p.row("audience", audienceText(&m.Tokens.Audience))
	}
}

// upstreamFacts say how the server stands in front of the provider.
func (p *page) upstreamFacts(m *model.Model) {
	u := m.Upstream
	if u == nil {
		return
	}
	p.heading(2, "In front of "+m.Title)
	p.line("Clients register at your server and log in through it; the provider knows your application alone. Its redirect URI is the")
	p.line("URL of your MCP endpoint with ", code("/oauth/callback"), " behind it: register ",
		code("https://mcp.example.com/mcp/oauth/callback"), " for ", code("https://mcp.example.com/mcp"), ", exactly so.")
	p.line()
	p.row("", "")
	p.row("---", "---")
	p.row("the code is bound by", protectionText(u))
	p.row("the resource", resourceText(u))
	if scopes := requiredText(u); scopes != "" {
		p.row("always asked for", scopes)
	}
	if len(u.ScopePrefix.Parts) > 0 {
		p.row("scopes at the provider", "with "+code(u.ScopePrefix.Template)+" before them")
	}
	for _, a := range u.AuthorizeParams {
		p.row("added to the login", code(a.Name+"="+a.Is.Template))
	}
	if u.TokenField != nil {
		p.row("added to token requests", "what "+code(u.TokenField.Go)+" has")
	}
	if u.ParamsField != nil {
		p.row("added to the login", "what "+code(u.ParamsField.Go)+" has")
	}
}

func protectionText(u *model.Upstream) string {
	switch u.CodeProtection {
	case "nonce":
		return "a nonce in the ID token"
	case "none":
		return "nothing: " + markdown(u.UnprotectedReason)
	default:
		return "PKCE with S256"
	}
}

func resourceText(u *model.Upstream) string {
	switch u.Resource {
	case "forward":
		return "is named to the provider"
	case "scope":
		return "becomes the scope " + code(u.ResourceScope.Template)
	case "audience":
		return "is named to the provider, unless another audience is configured"
	default:
		return "is not named to the provider"
	}
}

func requiredText(u *model.Upstream) string {
	parts := []string{}
	if len(u.RequiredScopes.Scopes) > 0 {
		parts = append(parts, codes(u.RequiredScopes.Scopes))
	}
	if u.RequiredField != nil {
		parts = append(parts, "what "+code(u.RequiredField.Go)+" has")
	}
	return strings.Join(parts, " and ")
}
