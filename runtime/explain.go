package runtime

import (
	"context"
	"net/http"
	"strconv"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/explain"
)

// The ids of the guard's own checks, before and after those of the provider. docs/verification.md
// lists them.
const (
	checkHeader   = "header"
	checkPath     = "path"
	checkSealed   = "sealed"
	checkProvider = "provider"
	checkScopes   = "scopes"
)

// explainer is the capability of saying what each check says of a token.
type explainer interface {
	explain(ctx context.Context, presented oauth.Presented) []explain.Check
}

func (p *Provider) explain(ctx context.Context, presented oauth.Presented) []explain.Check {
	return p.tokens.Explain(ctx, presented)
}

// Explain says what each check of the guard says of a request, and whether the request would be let
// in, for people who ask why one was refused. It makes the very checks of [Guard.Authenticate], on
// to the end and not to the first that fails, asks the provider as that does, and tells no
// observer. The report holds no token: it may be shown to those who may read the server's log, who
// see claims of the token in it.
func (g *Guard) Explain(r *http.Request) explain.Report {
	report := explain.NewReport()
	header, token := g.explainHeader(r)
	report.Checks = append(report.Checks, header)
	e, plain := g.endpointOf(r.URL)
	if !plain {
		report.Checks = append(report.Checks, failed(checkPath, ambiguousPath()))
	}
	if header.Outcome == explain.Passed && plain {
		report.Checks = append(report.Checks, g.explainToken(r, e, token)...)
	}
	caller, err := g.authenticate(r)
	report.Accepted = err == nil
	if err != nil {
		report.Reason = oauth.AsError(err).Reason
	}
	report.Checks = append(report.Checks, g.verdict(report, caller, err)...)
	return report
}

// explainHeader says what the header of a request holds.
func (g *Guard) explainHeader(r *http.Request) (explain.Check, string) {
	token, err := bearerToken(r, g.config.MaxTokenBytes)
	if err == nil && !isToken68(token) {
		err = malformed(oauth.ReasonMalformedHeader)
	}
	if err != nil {
		c := failed(checkHeader, err)
		if c.Reason == oauth.ReasonTokenTooLarge {
			c.Want = []string{"at most " + strconv.Itoa(g.config.MaxTokenBytes) + " bytes"}
			c.Fix = "the token is longer than GuardConfig.MaxTokenBytes: let the provider put less into it, groups for one, or raise the limit"
		}
		return c, ""
	}
	return explain.Check{ID: checkHeader, Outcome: explain.Passed}, token
}

// explainToken says what the checks behind the header say of a token.
func (g *Guard) explainToken(r *http.Request, e *endpoint, token string) []explain.Check {
	presented := e.presented(r, token)
	if g.broker != nil && g.sealed {
		c := explain.Check{ID: checkSealed, Outcome: explain.Passed}
		if _, err := g.verify(r.Context(), presented); err != nil {
			c = failed(checkSealed, err)
			c.Want = []string{"an access token that this server issued to an MCP client"}
		}
		return []explain.Check{c}
	}
	if own, ok := oauth.Capability[explainer](g.provider); ok {
		return own.explain(r.Context(), presented)
	}
	return nil
}

// verdict adds what only the guard's decision shows: a refusal that no check above explains, such
// as one by a provider that wraps another, and the scopes that every request needs.
func (g *Guard) verdict(report explain.Report, caller *oauth.AuthInfo, err error) []explain.Check {
	scopes := explain.Check{ID: checkScopes, Outcome: explain.Passed, Want: g.config.Scopes}
	refusal := oauth.AsError(err)
	switch {
	case err == nil:
		scopes.Got = caller.Scopes
	case refusal.Code == oauth.CodeInsufficientScope:
		c := failed(checkScopes, err)
		c.Got, c.Want = refusal.Caller.Scopes, refusal.Required
		c.Fix = "the client has to ask for the scope at login and the user to have it: see ScopesSupported and, at the provider, " +
			"which scopes the client may ask for"
		return []explain.Check{c}
	case report.FirstFailed() == nil:
		return []explain.Check{failed(checkProvider, err)}
	default:
		scopes.Outcome, scopes.Fix = explain.Skipped, "not looked at, since "+report.FirstFailed().ID+" did not pass"
	}
	if len(scopes.Want) == 0 {
		return nil
	}
	return []explain.Check{scopes}
}

// failed is a check that refuses with an error.
func failed(id string, err error) explain.Check {
	e := oauth.AsError(err)
	c := explain.Check{ID: id, Outcome: explain.Failed, Reason: e.Reason, Fix: e.Description}
	if e.Cause != nil {
		c.Fix = e.Cause.Error()
	}
	return c
}
