package broker

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
)

// AuthMethod says how the client secret is sent to the provider (RFC 6749 section 2.3.1).
type AuthMethod string

const (
	// AuthBasic sends it in the Authorization header. It is the default where there is a secret.
	AuthBasic AuthMethod = "client_secret_basic"
	// AuthPost sends it in the body.
	AuthPost AuthMethod = "client_secret_post"
	// AuthPrivateKeyJWT proves the possession of [Upstream.ClientKey] with a signed assertion (RFC 7523 section 2.2): no
	// secret leaves this server.
	AuthPrivateKeyJWT AuthMethod = "private_key_jwt"
	// AuthNone sends the client id alone.
	AuthNone AuthMethod = "none"
)

// CodeProtection says what binds the provider's authorization code to the login that it belongs to.
type CodeProtection string

const (
	// ProtectPKCE is a verifier of our own (RFC 7636, S256). It is the default.
	ProtectPKCE CodeProtection = "pkce"
	// ProtectNonce is OpenID Connect's nonce, checked in the ID token that comes with the tokens.
	ProtectNonce CodeProtection = "nonce"
	// ProtectNothing is for providers that have neither; [Upstream.UnprotectedReason] must say so.
	ProtectNothing CodeProtection = "none"
)

// ResourceHandling says what becomes of the resource parameter (RFC 8707) at the provider.
type ResourceHandling string

const (
	// ResourceStrip sends none. It is the default.
	ResourceStrip ResourceHandling = "strip"
	// ResourceForward sends the URL of the protected resource in every request.
	ResourceForward ResourceHandling = "forward"
	// ResourceAsScope adds [Upstream.ResourceScope] to the scopes.
	ResourceAsScope ResourceHandling = "scope"
)

// RevocationStyle says how the provider takes tokens back.
type RevocationStyle string

const (
	// RevokeRFC7009 posts the token in a form.
	RevokeRFC7009 RevocationStyle = "rfc7009"
	// RevokeGitHub sends DELETE with the access token in a JSON object, authenticated with client id and secret.
	RevokeGitHub RevocationStyle = "github"
)

// Upstream are the facts about the provider and our application there. It is plain data and prints without the secret.
type Upstream struct {
	// Name is the provider's short name, Title its name for people.
	Name  string
	Title string
	// Issuer is the provider's issuer identifier. Providers that have none, such as GitHub, leave it empty.
	Issuer string
	// ResponseIssuers are the accepted values of iss in authorization responses (RFC 9207). The default is Issuer. A
	// response without iss is accepted unless RequireResponseIssuer is set. In one of them {tenantid} stands for any tenant
	// of a provider that has an issuer for each.
	ResponseIssuers       []string
	RequireResponseIssuer bool

	// Authorization, Token and Revocation are the provider's endpoints. Without Revocation nothing is revoked there.
	Authorization   string
	Token           string
	Revocation      string
	RevocationStyle RevocationStyle

	ClientID     string
	ClientSecret oauth.Secret
	AuthMethod   AuthMethod
	// ClientKey is the private key of [AuthPrivateKeyJWT], in PEM, and ClientKeyID the name under which the provider knows
	// its public part.
	ClientKey   oauth.Secret
	ClientKeyID string

	// CodeProtection is what binds codes to logins; UnprotectedReason says why it has to be [ProtectNothing].
	CodeProtection    CodeProtection
	UnprotectedReason string

	// Resource says what becomes of the resource parameter. ResourceScope is the scope of [ResourceAsScope]; in it
	// {resource} stands for the URL of the protected resource.
	Resource      ResourceHandling
	ResourceScope string

	// RequiredScopes are always asked for, whatever clients ask for: what mapping the user needs, such as "openid".
	RequiredScopes []string
	// ScopeSeparator separates scopes in requests; the default is a space. In answers spaces and commas both separate.
	ScopeSeparator string
	// ScopeNames maps our scopes to the provider's names where they differ: {"read": "api://app/read"}. ScopeAliases maps
	// further names that the provider answers with to ours:
	// {"https://www.googleapis.com/auth/userinfo.email": "email"}.
	ScopeNames   map[string]string
	ScopeAliases map[string]string
	// ScopeAtToken repeats the scopes in token requests, as Entra ID needs it.
	ScopeAtToken bool

	// AuthorizeParams are added to authorization requests, such as access_type=offline at Google; TokenParams to token
	// requests. Parameters of the protocol itself are refused.
	AuthorizeParams map[string]string
	TokenParams     map[string]string
	// ErrorCodes maps errors of the provider's own to registered ones: {"bad_verification_code": "invalid_grant"} at
	// GitHub.
	ErrorCodes map[string]oauth.Code
}

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

func (u *Upstream) setDefaults() {
	if u.AuthMethod == "" {
		u.AuthMethod = AuthBasic
		if u.ClientSecret == "" {
			u.AuthMethod = AuthNone
		}
	}
	if u.CodeProtection == "" {
		u.CodeProtection = ProtectPKCE
	}
	if u.Resource == "" {
		u.Resource = ResourceStrip
	}
	if u.RevocationStyle == "" {
		u.RevocationStyle = RevokeRFC7009
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
func (u *Upstream) check() error {
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

func (u *Upstream) checkMethods(report func(format string, args ...any)) {
	switch u.AuthMethod {
	case AuthBasic, AuthPost:
		if u.ClientSecret == "" {
			report("ClientSecret is required for %s", u.AuthMethod)
		}
	case AuthPrivateKeyJWT:
		if _, err := jose.ParseSigningKey(u.ClientKey.Reveal(), u.ClientKeyID); err != nil {
			report("ClientKey is %w: private_key_jwt needs the private key whose public part is registered at the provider", err)
		}
	case AuthNone:
	default:
		report("AuthMethod %q is not known", u.AuthMethod)
	}
	switch u.CodeProtection {
	case ProtectPKCE:
	case ProtectNonce:
		if !slices.Contains(u.RequiredScopes, "openid") {
			report(`RequiredScopes must have "openid" for the nonce: without it there is no ID token to check`)
		}
	case ProtectNothing:
		if u.UnprotectedReason == "" {
			report("UnprotectedReason is required where neither PKCE nor a nonce protects the code")
		}
	default:
		report("CodeProtection %q is not known", u.CodeProtection)
	}
	switch u.Resource {
	case ResourceStrip, ResourceForward:
	case ResourceAsScope:
		if u.ResourceScope == "" {
			report("ResourceScope is required where the resource becomes a scope")
		}
	default:
		report("Resource %q is not known", u.Resource)
	}
	if u.RevocationStyle != RevokeRFC7009 && u.RevocationStyle != RevokeGitHub {
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

// answersAs tells whether an authorization response may carry an iss. Without a list nothing is known of the provider's.
func (u *Upstream) answersAs(iss string) bool {
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
func (u *Upstream) origins() []string {
	var origins []string
	for _, endpoint := range []string{u.Token, u.Revocation} {
		if parsed, err := url.Parse(endpoint); err == nil && parsed.Host != "" {
			origins = append(origins, parsed.Scheme+"://"+parsed.Host)
		}
	}
	return origins
}
