package devidp

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
)

// Algorithm is the JWS algorithm that tokens are signed with (RFC 7518 section 3.1, RFC 8037).
type Algorithm string

// The algorithms on offer.
const (
	ES256 Algorithm = "ES256"
	RS256 Algorithm = "RS256"
	EdDSA Algorithm = "EdDSA"
)

// Format is what access tokens look like.
type Format string

const (
	// JWT makes every access token a JWT (RFC 9068).
	JWT Format = "jwt"
	// Opaque makes every access token a random string, which only introspection and userinfo
	// understand.
	Opaque Format = "opaque"
	// OpaqueWithoutResource makes an access token a JWT when the client named a resource
	// (RFC 8707), and opaque otherwise, as several authorization servers do.
	OpaqueWithoutResource Format = "opaque-without-resource"
)

// The lifetimes that a zero [Config] field stands for.
const (
	DefaultAccessTokenLifetime  = time.Hour
	DefaultRefreshTokenLifetime = 24 * time.Hour
)

// Config says how a [Server] behaves. Only Issuer is required; every other zero value is a default.
type Config struct {
	// Issuer is the issuer identifier (RFC 8414 section 2): an http or https URL of a loopback
	// host, perhaps with a path, without query and fragment. Tokens carry it byte for byte, a
	// trailing slash included.
	Issuer string
	// Users are the people who can log in. The default is [DefaultUsers].
	Users []User
	// Clients are registered from the start.
	Clients []Client
	// DisableRegistration turns Dynamic Client Registration off: nobody but Clients, and clients
	// with a metadata document where those are on, can log users in.
	DisableRegistration bool
	// MetadataClient fetches Client ID Metadata Documents: a client may then use an https URL, or
	// an http URL of a loopback host, as its client_id. Nil turns the feature off. Which addresses
	// may be reached is this client's decision; redirects are never followed, and what it answers
	// is read for five seconds and up to 5 KiB.
	MetadataClient *http.Client
	// RedirectSchemes are the custom URI schemes ("cursor") that redirect URIs may have beside
	// https and loopback http.
	RedirectSchemes []string
	// Algorithm signs tokens. The default is ES256.
	Algorithm Algorithm
	// AccessTokens is the format of access tokens. The default is JWT.
	AccessTokens Format
	// Scopes are all scopes that clients may ask for. Empty accepts any and announces openid,
	// profile, email and offline_access.
	Scopes []string
	// DefaultScopes are granted to a client that asks for none. The default is profile and email,
	// as far as Scopes has them.
	DefaultScopes []string
	// Resources are the protected resources (RFC 8707) that clients may ask for, compared byte for
	// byte. Empty accepts any.
	Resources []string
	// DefaultAudience is the audience of access tokens for which no resource was asked. The default
	// is the issuer.
	DefaultAudience string
	// AccessTokenLifetime also holds for ID tokens. The default is [DefaultAccessTokenLifetime].
	AccessTokenLifetime time.Duration
	// RefreshTokenLifetime counts from each rotation. The default is [DefaultRefreshTokenLifetime].
	RefreshTokenLifetime time.Duration
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Logger gets refusals and the warning that this is no production server. The default is
	// [slog.Default]; under [Start] it is the test's log.
	Logger *slog.Logger
}

// User is somebody who can log in.
type User struct {
	// Username names the user to pick; it is unique and becomes the preferred_username claim.
	Username string
	// ID is the sub claim. The default is "user-" and the username.
	ID string
	// Name, Email, EmailVerified and Picture become the standard claims of OpenID Connect Core
	// section 5.1.
	Name          string
	Email         string
	EmailVerified bool
	Picture       string
	// Roles and Permissions become the claims of these names, in access tokens too.
	Roles       []string
	Permissions []string
	// Claims are further claims for access tokens, ID tokens and userinfo. They never replace a
	// claim that the server sets.
	Claims map[string]any
}

// DefaultUsers are the people of a server whose configuration names none: alice is an
// administrator, bob an ordinary user, carol may only read, and dave has neither email, name nor
// roles.
func DefaultUsers() []User {
	return []User{
		{
			Username: "alice", Name: "Alice Archer", Email: "alice@example.com", EmailVerified: true,
			Roles: []string{"admin", "user"}, Permissions: []string{"read", "write", "admin"},
		},
		{
			Username: "bob", Name: "Bob Baker", Email: "bob@example.com", EmailVerified: true,
			Roles: []string{"user"}, Permissions: []string{"read", "write"},
		},
		{
			Username: "carol", Name: "Carol Çelik", Email: "carol@example.org",
			Roles: []string{"viewer"}, Permissions: []string{"read"},
		},
		{Username: "dave"},
	}
}

// Client is an OAuth client that is registered without asking.
type Client struct {
	// ID is the client_id.
	ID string
	// Secret makes the client confidential (RFC 6749 section 2.1). Without one it is public.
	Secret oauth.Secret
	// Name is shown on the consent page. The default is ID.
	Name string
	// RedirectURIs are compared exactly; the port of a loopback http URI may differ (RFC 8252
	// section 7.3). A client of client_credentials alone needs none.
	RedirectURIs []string
	// AuthMethod is none, client_secret_basic or client_secret_post (RFC 7591 section 2). The
	// default is none for a public client; a confidential one may then use either of the others.
	AuthMethod string
	// GrantTypes are authorization_code and refresh_token by default. A confidential client may also
	// have client_credentials (RFC 6749 section 4.4): its tokens are its own, without any user.
	GrantTypes []string
}

// Preregistered is for [Start]: the server knows the given clients and registers no others, as
// Google, GitHub or Entra ID do. With a confidential client it plays the upstream of a server in
// proxy mode.
func Preregistered(clients ...Client) func(*Config) {
	return func(c *Config) { c.Clients, c.DisableRegistration = clients, true }
}

// limits of a configuration: what is listed on a page or searched in a loop stays small.
const (
	maxUsers       = 200
	maxIssuerBytes = 512
)

// resolved returns the configuration with its defaults, or every problem of it at once.
func (c Config) resolved() (Config, error) {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if err := checkIssuer(c.Issuer); err != nil {
		report("issuer: %w", err)
	}
	if c.Users == nil {
		c.Users = DefaultUsers()
	}
	users, err := resolveUsers(c.Users)
	if err != nil {
		problems = append(problems, err)
	}
	c.Users = users
	if err := redirecturi.CheckSchemes(c.RedirectSchemes); err != nil {
		problems = append(problems, err)
	}
	c.Algorithm = cmp.Or(c.Algorithm, ES256)
	if !slices.Contains([]Algorithm{ES256, RS256, EdDSA}, c.Algorithm) {
		report("algorithm %q: must be ES256, RS256 or EdDSA", c.Algorithm)
	}
	c.AccessTokens = cmp.Or(c.AccessTokens, JWT)
	if !slices.Contains([]Format{JWT, Opaque, OpaqueWithoutResource}, c.AccessTokens) {
		report("access token format %q: must be jwt, opaque or opaque-without-resource", c.AccessTokens)
	}
	for _, scope := range slices.Concat(c.Scopes, c.DefaultScopes) {
		if !oauth.ValidScope(scope) {
			report("scope %q: must be printable ASCII without space, quote and backslash", scope)
		}
	}
	for _, resource := range c.Resources {
		if err := checkResource(resource); err != nil {
			report("resource %q: %w", resource, err)
		}
	}
	c.AccessTokenLifetime = cmp.Or(c.AccessTokenLifetime, DefaultAccessTokenLifetime)
	c.RefreshTokenLifetime = cmp.Or(c.RefreshTokenLifetime, DefaultRefreshTokenLifetime)
	if c.AccessTokenLifetime < time.Second || c.RefreshTokenLifetime < time.Second {
		report("token lifetimes must be at least one second")
	}
	c.DefaultAudience = cmp.Or(c.DefaultAudience, c.Issuer)
	if c.DefaultScopes == nil {
		c.DefaultScopes = c.knownOf("profile", "email")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(problems...)
}

// knownOf returns those of the given scopes that clients may ask for.
func (c Config) knownOf(scopes ...string) []string {
	return slices.DeleteFunc(scopes, func(s string) bool { return len(c.Scopes) > 0 && !slices.Contains(c.Scopes, s) })
}

// checkIssuer refuses everything that could make this server look like a real one.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return errors.New("is required, such as http://127.0.0.1:9400")
	case err != nil:
		return err
	case len(issuer) > maxIssuerBytes:
		return fmt.Errorf("must not be longer than %d bytes", maxIssuerBytes)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("must be an http or https URL, such as http://127.0.0.1:9400")
	case !plainurl.IsLoopbackHost(u.Hostname()):
		return fmt.Errorf("host %q is not this machine: devidp is for development only and needs a loopback issuer "+
			"such as http://127.0.0.1:9400", u.Hostname())
	case u.User != nil || strings.ContainsAny(issuer, "?#"):
		return errors.New("must have neither credentials, query nor fragment (RFC 8414 section 2)")
	case !plainPath(u.Path) || u.Path != u.EscapedPath():
		return errors.New("path may have letters, digits and -._~ between slashes only, without dot segments")
	}
	return nil
}

// plainPath reports whether a path needs no escaping, has no empty or dot segments, and means
// nothing to http.ServeMux.
func plainPath(path string) bool {
	path = strings.TrimSuffix(path, "/")
	if path == "" {
		return true
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." || strings.Trim(segment, unreserved) != "" {
			return false
		}
	}
	return true
}

// unreserved are the characters of RFC 3986 section 2.3.
const unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

func resolveUsers(users []User) ([]User, error) {
	users = slices.Clone(users)
	if len(users) == 0 || len(users) > maxUsers {
		return nil, fmt.Errorf("users: need between 1 and %d of them, or nil for the default ones", maxUsers)
	}
	names, ids := make(map[string]bool), make(map[string]bool)
	for i := range users {
		u := &users[i]
		u.ID = cmp.Or(u.ID, "user-"+u.Username)
		switch {
		case u.Username == "" || !printable(u.Username) || !printable(u.ID):
			return nil, fmt.Errorf("users: number %d needs a username and an ID of printable characters", i+1)
		case names[u.Username] || ids[u.ID]:
			return nil, fmt.Errorf("users: username or ID of %q is used twice", u.Username)
		}
		names[u.Username], ids[u.ID] = true, true
	}
	return users, nil
}
