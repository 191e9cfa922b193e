package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// provider is the provider with our application there, as the spec says it.
type provider facts.Upstream

// reservedAuthorize and reservedToken are the parameters that only this package may set.
// response_mode is among them since a response by form post would arrive without the cookie that
// binds it to the browser (SameSite=Lax).
var (
	reservedAuthorize = []string{
		"response_type", "response_mode", "client_id", "client_secret", "redirect_uri", "scope", "state", "nonce",
		"code_challenge", "code_challenge_method", "resource", "request", "request_uri", "iss",
	}
	reservedToken = []string{
		"grant_type", "code", "redirect_uri", "client_id", "client_secret", "client_assertion", "client_assertion_type",
		"code_verifier", "refresh_token", "scope", "resource", "username", "password", "assertion",
	}
)

func (p *provider) setDefaults() {
	if p.AuthMethod == "" {
		p.AuthMethod = facts.AuthBasic
		if p.ClientSecret == "" {
			p.AuthMethod = facts.AuthNone
		}
	}
	if p.CodeProtection == "" {
		p.CodeProtection = facts.ProtectPKCE
	}
	if p.Resource == "" {
		p.Resource = facts.ResourceStrip
	}
	if p.RevocationStyle == "" {
		p.RevocationStyle = facts.RevokeRFC7009
	}
	if p.ScopeSeparator == "" {
		p.ScopeSeparator = " "
	}
	if len(p.ResponseIssuers) == 0 && p.Issuer != "" {
		p.ResponseIssuers = []string{p.Issuer}
	}
	if p.Title == "" {
		p.Title = p.Name
	}
}

// check reports everything that is wrong with the facts.
func (p *provider) check(plain plainurl.HTTPHosts) error {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf("upstream "+format, args...)) }
	if p.Name == "" {
		report("Name is required")
	}
	if p.ClientID == "" && p.AuthMethod == facts.AuthNone {
		report("ClientID is required") // the other methods say so themselves
	}
	if p.AuthMethod == facts.AuthBearer {
		report("AuthMethod bearer is for endpoints that are asked about tokens")
	}
	for name, endpoint := range map[string]string{"Authorization": p.Authorization, "Token": p.Token, "Revocation": p.Revocation} {
		if endpoint == "" && name == "Revocation" {
			continue
		}
		if err := plainurl.CheckEndpoint(endpoint, plain); err != nil {
			report("%s %w", name, err)
		}
	}
	p.checkMethods(report)
	for name, params := range map[string]map[string]string{
		"Authorization": queryOf(p.Authorization), "AuthorizeParams": p.AuthorizeParams,
	} {
		checkReserved(report, name, params, reservedAuthorize)
	}
	for name, params := range map[string]map[string]string{"Token": queryOf(p.Token), "TokenParams": p.TokenParams} {
		checkReserved(report, name, params, reservedToken)
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

func (p *provider) checkMethods(report func(format string, args ...any)) {
	switch p.CodeProtection {
	case facts.ProtectPKCE:
	case facts.ProtectNonce:
		if !slices.Contains(p.RequiredScopes, "openid") {
			report(`RequiredScopes must have "openid" for the nonce: without it there is no ID token to check`)
		}
	case facts.ProtectNothing:
		if p.UnprotectedReason == "" {
			report("UnprotectedReason is required where neither PKCE nor a nonce protects the code")
		}
	default:
		report("CodeProtection %q is not known", p.CodeProtection)
	}
	switch p.Resource {
	case facts.ResourceStrip, facts.ResourceForward:
	case facts.ResourceAsScope:
		if p.ResourceScope == "" {
			report("ResourceScope is required where the resource becomes a scope")
		}
	default:
		report("Resource %q is not known", p.Resource)
	}
	if p.RevocationStyle != facts.RevokeRFC7009 && p.RevocationStyle != facts.RevokeGitHub {
		report("RevocationStyle %q is not known", p.RevocationStyle)
	}
}

func checkReserved(report func(format string, args ...any), name string, params map[string]string, reserved []string) {
	for param := range params {
		switch {
		case param == "response_mode":
			report("%s must not set response_mode: a form post arrives without the cookie that binds it to the browser", name)
		case slices.Contains(reserved, param):
			report("%s must not set %s: it is set by the protocol itself", name, param)
		case param == "":
			report("%s has a parameter without a name", name)
		}
	}
}

func queryOf(endpoint string) map[string]string {
	params := map[string]string{}
	if u, err := url.Parse(endpoint); err == nil {
		for name := range u.Query() {
			params[name] = ""
		}
	}
	return params
}

// answersAs reports whether an authorization response may carry an iss. Without a list nothing is
// known of the provider's.
func (p *provider) answersAs(iss string) bool {
	return len(p.ResponseIssuers) == 0 || slices.ContainsFunc(p.ResponseIssuers, func(known string) bool {
		before, after, several := strings.Cut(known, "{tenantid}")
		if !several {
			return iss == known
		}
		rest, begins := strings.CutPrefix(iss, before)
		tenant, ends := strings.CutSuffix(rest, after)
		return begins && ends && tenant != "" && strings.Trim(tenant, tenantBytes) == ""
	})
}

// tenantBytes are what a tenant's name may consist of: nothing that leads to another host or path.
const tenantBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

// origins are the origins that the operator wrote, for the client that reaches them.
func (p *provider) origins() []string {
	var origins []string
	for _, endpoint := range []string{p.Token, p.Revocation} {
		if parsed, err := url.Parse(endpoint); err == nil && parsed.Host != "" {
			origins = append(origins, parsed.Scheme+"://"+parsed.Host)
		}
	}
	return origins
}
