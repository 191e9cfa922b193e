package broker

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// VerifyFunc checks an access token of the provider for a resource and returns its caller. The errors are those of
// [oauth.Provider.Verify]: [oauth.ErrInvalidToken] for a token that will never do,
// [oauth.ErrTemporarilyUnavailable] when the provider could not be asked.
//
// It must refuse tokens that the provider issued to other applications. Where the provider's tokens name no application
// and it offers no way to ask, accepting all is tolerable: the broker only shows tokens that it got itself, for a code
// that was issued to its own client id, from the provider's token endpoint.
type VerifyFunc func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error)

// Config says what a [Broker] stands in front of, and for whom. Resource, Upstream and Verify are required; the zero value
// of every other field is the safe default.
type Config struct {
	// Resource is the public URL of the protected endpoint, such as https://mcp.example.com/mcp. It is also the issuer, and
	// all other URLs derive from it; nothing is derived from a request.
	Resource string
	// Subresources are the URLs of further protected endpoints that clients may name in the resource parameter: those
	// below Resource that have metadata of their own, such as https://mcp.example.com/mcp/sse.
	Subresources []string
	// Name is the server's name on the consent page. The default is the host of Resource.
	Name string
	// Logo is shown on the consent page: a PNG, JPEG, GIF, WebP or SVG image of 64 KB at most. It is sent inside the page.
	Logo []byte

	// Upstream is the provider.
	Upstream facts.Upstream
	// Scopes are what clients may ask for. Others that a client asks for are left out.
	Scopes []string
	// DefaultScopes are asked for when a client names none. Nil means all of Scopes.
	DefaultScopes []string
	// ScopeWords says in words, for the consent page, what a scope allows: {"repo": "Read and write your repositories"}.
	ScopeWords map[string]string

	// Tokens says whose access tokens clients get. The default is [proxy.Sealed].
	Tokens proxy.TokenMode
	// InsecureOpaquePassthrough lets [proxy.Passthrough] hand out provider tokens that are not JWTs. Whatever application got
	// such a token from the provider may then be able to use it here, and this server's clients can use it there.
	InsecureOpaquePassthrough bool
	// Verify checks the provider's access tokens: once when they arrive and, where the provider gives no refresh token, on
	// each refresh. It never gets a token that came from outside.
	Verify VerifyFunc
	// VerifyFresh is Verify without a cache, for refreshes without a refresh token of the provider: only the provider knows
	// whether the user took the access back. The default is Verify.
	VerifyFresh VerifyFunc
	// Forget drops what Verify keeps about a token. It is called for tokens that were revoked at the provider. The default
	// does nothing, for a Verify that keeps nothing.
	Forget func(token string)

	// SealingKeys are the keys of everything sealed, newest first: see package seal. Without any, the key is derived from
	// the provider's client secret, which then needs 32 characters.
	SealingKeys []oauth.Secret
	// PreviousClientSecrets are client secrets of the past, so that rotating one logs nobody out.
	PreviousClientSecrets []oauth.Secret
	// Store keeps what cannot be sealed. The default is a store of this process.
	Store store.Store
	// RefreshLifetime is how long a refresh token may stay unused. The default is 30 days. The provider may end it earlier.
	RefreshLifetime time.Duration

	// CustomSchemes are the URI schemes of native applications that may be redirected to, such as "cursor" and "vscode".
	// Any application on the user's device can claim a scheme, so none is allowed by default.
	CustomSchemes []string
	// AllowedOrigins are the browser origins whose scripts may register and get tokens: "https://app.example.com", or "*"
	// for all. Metadata is readable from every origin.
	AllowedOrigins []string
	// Limits bounds what one client address may do.
	Limits proxy.Limits
	// ClientAddress returns the address of a request's client, for Limits. The default is the connection's own: behind a
	// reverse proxy that is the proxy's, and all clients share the limits.
	ClientAddress func(*http.Request) string

	// UpstreamClient makes the requests to the provider. The default may reach the hosts of Upstream's URLs only.
	UpstreamClient *http.Client
	// DocumentClient fetches client metadata documents, whose URLs strangers choose. The default reaches public addresses
	// over HTTPS only. Redirects are never followed, whatever the client says.
	DocumentClient *http.Client

	// Templates replaces the pages: the templates named "consent", "continue" and "error", which get a [proxy.ConsentPage], a
	// [proxy.ContinuePage] and an [proxy.ErrorPage]. What is missing keeps its default, and so do "style", "head" and "server", which
	// they may use. The set must not have been executed before. The Content-Security-Policy stays: no script,
	// nothing from elsewhere, styles in elements with the page's nonce only.
	Templates *template.Template

	// Logger receives refusals, with their reasons, and what was granted. It never gets a token, code or secret. The
	// default is [slog.Default].
	Logger *slog.Logger
	// Now replaces time.Now, for tests.
	Now func() time.Time
}

// The lifetimes that are not configurable.
const (
	// formLifetime is how long a consent page may stay open.
	formLifetime = 10 * time.Minute
	// transactionLifetime is how long a login at the provider may take (MCP security best practices).
	transactionLifetime = 10 * time.Minute
	// codeLifetime is how long a client may take to redeem its code (RFC 6749 section 4.1.2 advises 10 minutes at most).
	codeLifetime = time.Minute
	// accessLifetime bounds a sealed access token.
	accessLifetime = time.Hour
	// rememberLifetime is how long a remembered consent counts.
	rememberLifetime = 90 * 24 * time.Hour
	// retryWindow is how long the answer to a refresh is repeated to the client that may not have got it.
	retryWindow = 30 * time.Second

	defaultRefreshLifetime = 30 * 24 * time.Hour
)

// maxAccessToken bounds a sealed access token: common servers refuse requests whose headers exceed 8 KB.
const maxAccessToken = 6 << 10
