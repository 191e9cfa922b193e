// Package inspect asks a provider, and the public URL of a server, whether everything is set up so
// that people can log in. It sends little, and nothing that could succeed.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/check"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// The ids of the questions. They are stable; docs/check.md lists them.
const (
	idDiscovery = "discovery"
	idEndpoints = "endpoints"
	idKeys      = "keys"
	idClock     = "clock"
	idAudience  = "audience"
	idClient    = "client"
	idQuestion  = "question"
)

// Config says what there is to know of a provider.
type Config struct {
	// Title is the provider's name for people.
	Title     string
	Issuer    string
	Endpoints oauth.Endpoints
	// Elsewhere are the names of the endpoints that the operator put at another address.
	Elsewhere []string
	// Forms are the documents that the provider serves, Discovery the one address of its metadata
	// that the operator wrote.
	Forms     []facts.Form
	Discovery string
	// Rules are those for tokens; with KeySet they are verified with the provider's keys.
	Rules  facts.Rules
	KeySet bool
	// SkipAudience says that the audience is not checked.
	SkipAudience bool
	// Binding ties tokens to this server: JWTs by their audience alone.
	Binding facts.Binding
	// Upstream is our application at the provider, and nil in direct mode; SecretVariable is the
	// variable that its secret was read from.
	Upstream       *facts.Upstream
	SecretVariable string
	// Question verifies a made-up token where the provider is asked about tokens, else it is nil.
	Question func(ctx context.Context) error

	Client            *http.Client
	InsecureHTTPHosts []string
	Now               func() time.Time
	Leeway            time.Duration
}

// Inspector asks one provider.
type Inspector struct {
	config Config
	gate   *upstream.Gate
}

// New returns an inspector.
func New(config Config) *Inspector {
	return &Inspector{config: config, gate: upstream.NewGate(config.Client)}
}

// Provider returns what is found at the provider.
func (i *Inspector) Provider(ctx context.Context, passive bool) []check.Finding {
	var dates dates
	findings := i.discovery(ctx, &dates)
	findings = append(findings, i.keys(ctx, &dates))
	findings = append(findings, i.clock(ctx, &dates), i.audience())
	switch {
	case i.config.Upstream == nil:
	case passive:
		findings = append(findings, skipped(idClient, "not asked, since that sends our credentials: latchkey check does"))
	default:
		findings = append(findings, i.client(ctx))
	}
	if i.config.Question != nil && !passive {
		findings = append(findings, i.question(ctx))
	}
	return findings
}

// maxDocument bounds the documents that are read, in bytes.
const maxDocument = 512 << 10

// get fetches a document and keeps the time that the answer names.
func (i *Inspector) get(ctx context.Context, address string, dates *dates) (*egress.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address is no URL")
	}
	request.Header.Set("Accept", "application/json")
	before := i.config.Now()
	response, err := i.gate.Metadata(request, maxDocument)
	if err != nil {
		return nil, err
	}
	dates.note(response.Header, before, i.config.Now())
	return response, nil
}

// at is how a request is told: without the query, which may hold what is nobody's business.
func at(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "GET"
	}
	u.RawQuery, u.User, u.Fragment = "", nil, ""
	return "GET " + u.String()
}

func (i *Inspector) failed(id, asked, seen, fix string) check.Finding {
	return check.Finding{ID: id, Outcome: check.Failed, Asked: asked, Seen: seen, Fix: fix, Where: i.config.Title}
}

// here is a finding that a setting of this server resolves.
func here(f check.Finding) check.Finding {
	f.Where = check.ThisServer
	return f
}

func passed(id, asked, seen string) check.Finding {
	return check.Finding{ID: id, Outcome: check.Passed, Asked: asked, Seen: seen}
}

func skipped(id, why string) check.Finding {
	return check.Finding{ID: id, Outcome: check.Skipped, Seen: why}
}

// dates are the differences between the provider's clock and ours, as answers show them.
type dates struct {
	ahead time.Duration
	known bool
}

// note keeps the difference that the Date header of an answer shows (RFC 9110 section 6.6.1). The
// provider wrote it between two readings of our clock.
func (d *dates) note(header http.Header, before, after time.Time) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || d.known {
		return
	}
	d.known = true
	switch {
	case date.Before(before.Truncate(time.Second)):
		d.ahead = date.Sub(before)
	case date.After(after):
		d.ahead = date.Sub(after)
	}
}

// clock compares the provider's clock with ours.
func (i *Inspector) clock(ctx context.Context, dates *dates) check.Finding {
	const asked = "the Date header of the provider's answers"
	if address := i.config.Endpoints.Token; !dates.known && address != "" {
		_, _ = i.get(ctx, address, dates) // any answer will do
	}
	if !dates.known {
		return skipped(idClock, "no answer of the provider named a time")
	}
	apart := dates.ahead.Round(time.Second)
	seen := fmt.Sprintf("the provider's clock is %s ahead of this server's", apart)
	switch {
	case apart == 0:
		seen = "the clocks agree"
	case apart < 0:
		seen = fmt.Sprintf("the provider's clock is %s behind this server's", -apart)
	}
	if max(apart, -apart) > i.config.Leeway {
		return here(i.failed(idClock, asked, seen, fmt.Sprintf(
			"set this server's clock (by NTP), or the provider's: new tokens are refused as expired or not yet valid, since no more than %s is bridged",
			i.config.Leeway)))
	}
	return passed(idClock, asked, seen)
}

// audience says what ties tokens to this server.
func (i *Inspector) audience() check.Finding {
	const asked = "the rules for tokens"
	rule := i.config.Binding.Audience
	values := slices.DeleteFunc(slices.Clone(rule.AnyOf), func(v string) bool { return v == "" })
	clients := slices.DeleteFunc(slices.Clone(i.config.Binding.ClientIDs), func(v string) bool { return v == "" })
	switch {
	case i.config.SkipAudience:
		return here(i.failed(idAudience, asked, "InsecureSkipAudience is set: tokens that the provider issued for other servers are accepted",
			"remove InsecureSkipAudience, and have the provider name this server in its tokens. "+rule.Hint))
	case len(values) > 0:
		return passed(idAudience, asked, fmt.Sprintf("tokens must name one of %q%s. %s", values, orResource(rule.AlsoResource), rule.Hint))
	case rule.OrResource || rule.AlsoResource:
		return passed(idAudience, asked, "tokens must name the URL of the MCP endpoint. "+rule.Hint)
	case len(clients) > 0:
		return passed(idAudience, asked, fmt.Sprintf("tokens must have been issued to the application %q", clients))
	case i.config.Binding.Exchange:
		return passed(idAudience, asked, "only tokens that this server itself got from the provider are accepted")
	case rule.IssuerBound != "":
		return passed(idAudience, asked, "tokens name no audience: "+rule.IssuerBound)
	}
	return skipped(idAudience, "a verifier of the configuration's decides")
}

func orResource(also bool) string {
	if also {
		return " or the URL of the MCP endpoint"
	}
	return ""
}
