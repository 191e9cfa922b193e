package facts

import "github.com/latchkey-auth/latchkey/oauth"

// Form is a well-known document and where a provider serves it.
type Form string

// The forms in which providers publish authorization server metadata.
const (
	// OAuthInserted is RFC 8414: https://h/.well-known/oauth-authorization-server/p.
	OAuthInserted Form = "oauth"
	// OAuthAppended is RFC 8414's document behind the issuer's path, as several providers serve it.
	OAuthAppended Form = "oauth_appended"
	// OpenIDAppended is OpenID Connect Discovery: https://h/p/.well-known/openid-configuration.
	OpenIDAppended Form = "oidc"
	// OpenIDInserted is OpenID's document in RFC 8414's place.
	OpenIDInserted Form = "oidc_inserted"
)

// URL returns where the form of an issuer's metadata is.
func (f Form) URL(issuer string) string {
	switch f {
	case OAuthInserted:
		return oauth.InsertWellKnown(issuer, oauth.WellKnownAuthorizationServer)
	case OAuthAppended:
		return oauth.AppendWellKnown(issuer, oauth.WellKnownAuthorizationServer)
	case OpenIDAppended:
		return oauth.AppendWellKnown(issuer, oauth.WellKnownOpenID)
	case OpenIDInserted:
		return oauth.InsertWellKnown(issuer, oauth.WellKnownOpenID)
	default:
		return ""
	}
}

// Suffix returns the well-known suffix of the form.
func (f Form) Suffix() string {
	if f == OpenIDAppended || f == OpenIDInserted {
		return oauth.WellKnownOpenID
	}
	return oauth.WellKnownAuthorizationServer
}
