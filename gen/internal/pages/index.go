package pages

import (
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// none stands for what a provider does not have.
const none = "–"

// Index lists all providers by their mode, so that a reader can decide, and those that are
// unsuitable. importPath is that of the folder of all packages.
func Index(models []*model.Model, unsuitable []spec.UnsuitableProvider, importPath string) []byte {
	p := newPage("*", importPath)
	p.heading(1, "Providers")
	p.line(strconv.Itoa(len(models)), " providers. The page of each says what to set up there, how to configure it, and what its tokens must look like.")
	p.line()
	p.line("- *tokens*: JWTs are checked here by the provider's keys. Opaque tokens are asked about at the provider, at the named endpoint.")
	p.line("- *tied to the server by*: what keeps a token out that the same provider issued for somebody else.")
	p.line("- *facts checked*: when the facts were last compared with the sources that the provider's page names.")
	p.line("- *seen for real*: the software that the end-to-end tests log in to with this spec. All others are tried on a replica that is")
	p.line("  built from the spec, which shows what the server makes of the facts, not that they are right.")
	groups := []struct {
		mode, title, about string
	}{
		{"direct", "Clients register at the provider", "Mode `direct`: clients get their tokens from the provider, and the server verifies them. It keeps nothing. " +
			"Clients register by Dynamic Client Registration (DCR, RFC 7591) or a client ID metadata document (CIMD)."},
		{"proxy", "Clients register at this server", "Mode `proxy`: the provider knows one application, which somebody registers there. The server stands in as the " +
			"authorization server of its clients (DCR and CIMD). Clients get tokens of this server, with the provider's sealed inside, unless the provider's page says otherwise."},
		{"discovered", "Either, as the provider's own document says", "Mode `direct` where the document announces that clients register there, mode `proxy` where an " +
			"application of yours is configured, or as the configuration says."},
	}
	for _, group := range groups {
		members := slices.DeleteFunc(slices.Clone(models), func(m *model.Model) bool { return m.Mode != group.mode })
		if len(members) > 0 {
			p.group(group.mode, group.title, group.about, members)
		}
	}
	p.unsuitable(unsuitable)
	return p.bytes()
}

func (p *page) group(mode, title, about string, members []*model.Model) {
	p.heading(2, title)
	p.line(about)
	p.line()
	header := []string{"provider", "clients register by", "tokens", "tied to the server by", "refresh tokens", "facts checked", "seen for real"}
	if mode == "proxy" { // all alike
		header = slices.Delete(header, 1, 2)
	}
	p.row(header...)
	p.row(slices.Repeat([]string{"---"}, len(header))...)
	for _, m := range members {
		cells := []string{
			"[" + markdown(m.Title) + "](" + m.Name + ".md)", registrationText(m), formatText(m), tieText(m), refreshText(m),
			markdown(m.CheckedOn), seenText(m),
		}
		if mode == "proxy" {
			cells = slices.Delete(cells, 1, 2)
		}
		p.row(cells...)
	}
}

// registrationText says how clients become known to a provider in mode direct.
func registrationText(m *model.Model) string {
	var ways []string
	if slices.ContainsFunc(m.Endpoints, func(e model.Endpoint) bool { return e.Key == "registration" }) {
		ways = append(ways, "DCR")
	}
	if m.ClientDocuments {
		ways = append(ways, "CIMD")
	}
	if len(ways) == 0 {
		return "its own metadata says"
	}
	return strings.Join(ways, ", ")
}

func formatText(m *model.Model) string {
	switch {
	case m.Tokens.Verifier != nil:
		return "as your function says"
	case m.Tokens.Check != nil:
		return "opaque, " + m.Tokens.Check.At
	default:
		return "JWT"
	}
}

// tieText is in short what ties a token to the server; the provider's own page says it in full.
func tieText(m *model.Model) string {
	if m.Tokens.Verifier != nil {
		return "your function"
	}
	var ties []string
	if c := m.Tokens.Check; c != nil {
		switch {
		case c.Binding.Exchange:
			return "its own logins: no other token is accepted"
		case len(c.Binding.ClientClaims) > 0:
			ties = append(ties, "client id")
		}
	}
	if tie := audienceTie(m); tie != "" {
		ties = append(ties, tie)
	}
	for _, r := range m.Tokens.Require {
		if m.Upstream != nil && slices.ContainsFunc(r.Values, func(e model.Expression) bool { return named(e, m.Upstream.Credentials.ClientID) }) {
			ties = append(ties, "client id")
		}
	}
	if len(ties) == 0 {
		return "the issuer alone"
	}
	slices.Sort(ties)
	return strings.Join(slices.Compact(ties), ", ")
}

// audienceTie names the audiences of which a token has one; it is empty where tokens have none.
func audienceTie(m *model.Model) string {
	a := &m.Tokens.Audience
	var ties []string
	for _, e := range a.AnyOf {
		tie := "audience of the configuration"
		switch {
		case m.Upstream != nil && named(e, m.Upstream.Credentials.ClientID):
			tie = "client id"
		case !strings.Contains(e.Template, "{"):
			tie = "audience " + code(e.Template)
		}
		if !slices.Contains(ties, tie) {
			ties = append(ties, tie)
		}
	}
	either := strings.Join(ties, " or ")
	switch {
	case a.Also == "resource" && either != "":
		either += " or URL of the server"
	case a.Otherwise == "resource" && either != "":
		either += ", else URL of the server"
	case a.Also == "resource" || a.Otherwise == "resource":
		either = "URL of the server"
	case a.IssuerBound && either != "":
		either += ", else the issuer alone"
	}
	return either
}

// named reports whether an expression is the value of a field.
func named(e model.Expression, f *model.Field) bool {
	return f != nil && strings.Contains(e.Template, "{"+f.Name+"}")
}

// offline are the scopes for which providers give refresh tokens to those who ask.
var offline = []string{"offline_access", "offline", "offline.access", "refresh_token"}

func refreshText(m *model.Model) string {
	switch {
	case m.Grants.Field != nil:
		return "as configured"
	case !slices.Contains(m.Grants.List, "refresh_token"):
		return none
	case m.Upstream == nil:
		return "yes"
	}
	for _, scope := range m.Upstream.RequiredScopes.Scopes {
		if slices.Contains(offline, scope) {
			return "yes, asked for by " + code(scope)
		}
	}
	return "yes"
}

func seenText(m *model.Model) string {
	var seen []string
	for _, software := range m.Seen {
		seen = append(seen, markdown(software))
	}
	for _, software := range m.Imitated {
		seen = append(seen, markdown(software)+" (an imitation)")
	}
	if len(seen) == 0 {
		return none
	}
	return strings.Join(seen, ", ")
}

func (p *page) unsuitable(list []spec.UnsuitableProvider) {
	if len(list) == 0 {
		return
	}
	p.heading(2, "Unsuitable providers")
	p.line("These get no spec: what they issue opens nothing of this server's, or cannot be told from what opens something else.")
	p.line()
	p.row("provider", "why not", "the way that works")
	p.row("---", "---", "---")
	for _, u := range list {
		p.row(markdown(u.Title), markdown(u.Reason), markdown(u.Instead))
	}
}
