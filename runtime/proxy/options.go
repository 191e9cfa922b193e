package proxy

import (
	"html/template"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Options adjusts proxy mode, where the server stands in as the authorization server of its
// clients. It means nothing for a provider in direct mode. The zero value of every field is the
// safe default.
type Options struct {
	// SealingKeys are the keys of everything sealed: 32 random bytes each, in base64, newest first.
	// The default is the variable MCP_USE_OAUTH_SEALING_KEYS; without either the key is derived
	// from the client secret.
	SealingKeys []oauth.Secret
	// PreviousClientSecrets are client secrets of the past, so that rotating one logs nobody out.
	PreviousClientSecrets []oauth.Secret
	// Store keeps what cannot be sealed: revocations, used codes, refreshes under way. The default
	// is this process's memory.
	Store store.Store
	// RevocationMemory is how long a request relies on an earlier look into Store that found its
	// login not revoked. The default is one second; a negative one asks for each request. In this
	// process's memory every request looks, since that costs nothing.
	RevocationMemory time.Duration
	// StoreGrace is for how long after such a look requests are served while Store fails. The
	// default is 30 seconds; with a negative one they are refused with 503 at once. Nothing but
	// requests with tokens that were seen here before goes on without the store.
	StoreGrace time.Duration
	// Scopes are further ones that clients may ask for, though metadata does not announce them:
	// those that single tools need, which a client asks for when a challenge says so.
	Scopes []string
	// ScopeWords say in words, for the consent page, what scopes allow: {"files:write": "Change
	// your files"}. They are added to the spec's, and replace those of the same scope.
	ScopeWords map[string]string
	// Tokens says whose access tokens clients get. The default is the spec's, else [Sealed].
	Tokens TokenMode
	// AccessLifetime is how long a sealed access token is good at most; the provider's own may end
	// it earlier. The default is one hour, the most one day: where replicas share no store, a
	// revoked token works at the others until it ends.
	AccessLifetime time.Duration
	// RefreshLifetime is how long a refresh token may stay unused. The default is 30 days. The
	// provider may end it earlier.
	RefreshLifetime time.Duration
	// CustomSchemes are the URI schemes of native applications that may be redirected to, such as
	// "cursor" and "vscode". Any application on the user's device can claim a scheme, so none is
	// allowed by default.
	CustomSchemes []string
	// ClientDocuments says which clients may describe themselves by a document instead of
	// registering.
	ClientDocuments ClientDocuments
	// Limits bounds what one client address, one login and all together may do.
	Limits Limits
	// Logo is shown on the pages: a PNG, JPEG, GIF, WebP or SVG image of 64 KB at most. It is sent
	// inside them.
	Logo []byte
	// Templates replaces the pages: the templates named "consent", "continue" and "error", which
	// get a [ConsentPage], a [ContinuePage] and an [ErrorPage]. A template that is missing keeps
	// its default, and so do "style", "head" and "server", which they may use. The set must not
	// have been executed before. The Content-Security-Policy stays: no script, nothing from
	// elsewhere, styles in elements with the page's nonce only.
	Templates *template.Template
	// InsecureOpaquePassthrough lets [Passthrough] hand out provider tokens that are not JWTs. Any
	// application that got such a token from the provider may then be able to use it here, and this
	// server's clients can use it there.
	InsecureOpaquePassthrough bool
}
