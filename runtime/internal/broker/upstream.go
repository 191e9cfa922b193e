package broker

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// upstream is the provider with our application there, as the spec says it.
type upstream facts.Upstream

// reservedAuthorize and reservedToken are the parameters that only the broker may set. response_mode is among them since
// a response by form post would arrive without the cookie that binds it to the browser (SameSite=Lax).
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

func (u *upstream) setDefaults() {
	if u.AuthMethod == "" {
		u.AuthMethod = facts.AuthBasic
		if u.ClientSecret == "" {
			u.AuthMethod = facts.AuthNone
		}
	}
	if u.CodeProtection == "" {
		u.CodeProtection = facts.ProtectPKCE
	}
	if u.Resource == "" {
		u.Resource = facts.ResourceStrip
	}
	if u.RevocationStyle == "" {
		u.RevocationStyle = facts.RevokeRFC7009
	}
	if u.ScopeSeparator == "" {
		u.ScopeSeparator = " "
	}
	if len(u.ResponseIssuers) == 0 && u.Issuer != "" {
		u.ResponseIssuers = []string{u.Issuer}
	}
	if u.Title == "" {
		u.Title = u.Name
	}
}

// check reports everything that is wrong with the facts.
func (u *upstream) check() error {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf("upstream "+format, args...)) }
	if u.Name == "" {
		report("Name is required")
	}
	if u.ClientID == "" {
		report("ClientID is required")
	}
	for name, endpoint := range map[string]string{"Authorization": u.Authorization, "Token": u.Token, "Revocation": u.Revocation} {
		if endpoint == "" && name == "Revocation" {
			continue
		}
		if err := checkEndpoint(endpoint); err != nil {
			report("%s %w", name, err)
		}
	}
	u.checkMethods(report)
	for name, params := range map[string]map[string]string{
		"Authorization": queryOf(u.Authorization), "AuthorizeParams": u.AuthorizeParams,
	} {
		checkReserved(report, name, params, reservedAuthorize)
	}
	for name, params := range map[string]map[string]string{"Token": queryOf(u.Token), "TokenParams": u.TokenParams} {
		checkReserved(report, name, params, reservedToken)
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

func (u *upstream) checkMethods(report func(format string, args ...any)) {
	switch u.AuthMethod {
	case facts.AuthBasic, facts.AuthPost:
		if u.ClientSecret == "" {
			report("ClientSecret is required for %s", u.AuthMethod)
		}
	case facts.AuthPrivateKeyJWT:
		if _, err := jose.ParseSigningKey(u.ClientKey.Reveal(), u.ClientKeyID); err != nil {
			report("ClientKey is %w: private_key_jwt needs the private key whose public part is registered at the provider", err)
		}
	case facts.AuthNone:
	default:
		report("AuthMethod %q is not known", u.AuthMethod)
	}
	switch u.CodeProtection {
	case facts.ProtectPKCE:
	case facts.ProtectNonce:
		if !slices.Contains(u.RequiredScopes, "openid") {
			report(`RequiredScopes must have "openid" for the nonce: without it there is no ID token to check`)
		}
	case facts.ProtectNothing:
		if u.UnprotectedReason == "" {
			report("UnprotectedReason is required where neither PKCE nor a nonce protects the code")
		}
	default:
		report("CodeProtection %q is not known", u.CodeProtection)
	}
	switch u.Resource {
	case facts.ResourceStrip, facts.ResourceForward:
	case facts.ResourceAsScope:
		if u.ResourceScope == "" {
			report("ResourceScope is required where the resource becomes a scope")
		}
	default:
		report("Resource %q is not known", u.Resource)
	}
	if u.RevocationStyle != facts.RevokeRFC7009 && u.RevocationStyle != facts.RevokeGitHub {
		report("RevocationStyle %q is not known", u.RevocationStyle)
	}
}

func checkReserved(report func(format string, args ...any), name string, params map[string]string, reserved []string) {
	for param := range params {
		switch {
		case param == "response_mode":
			report("%s must not set response_mode: a form post arrives without the cookie that binds it to the browser", name)
		case slices.Contains(reserved, param):
			report("%s must not set %s: the broker sets it itself", name, param)
		case param == "":
			report("%s has a parameter without a name", name)
		}
	}
}

func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "":
		return errors.New("is required")
	case err != nil || u.Host == "":
		return errors.New("must be an absolute URL")
	case u.User != nil || strings.Contains(endpoint, "#"):
		return errors.New("must be a URL without credentials and fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !oauth.IsLoopbackHost(u.Hostname())):
		return errors.New("must use https (plain http is for loopback hosts only)")
	}
	return nil
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

// answersAs reports whether an authorization response may carry an iss. Without a list nothing is known of the provider's.
func (u *upstream) answersAs(iss string) bool {
	return len(u.ResponseIssuers) == 0 || slices.ContainsFunc(u.ResponseIssuers, func(known string) bool {
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
func (u *upstream) origins() []string {
	var origins []string
	for _, endpoint := range []string{u.Token, u.Revocation} {
		if parsed, err := url.Parse(endpoint); err == nil && parsed.Host != "" {
			origins = append(origins, parsed.Scheme+"://"+parsed.Host)
		}
	}
	return origins
}
