package seedtest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/all"
	"github.com/latchkey-auth/latchkey/providers_gen/custom"
	"github.com/latchkey-auth/latchkey/providers_gen/supabase"
	"github.com/latchkey-auth/latchkey/runtime"
)

// environment is a set of variables.
func environment(variables map[string]string) runtime.Option {
	return runtime.WithLookupEnv(func(name string) (string, bool) { v, ok := variables[name]; return v, ok })
}

func provider(t *testing.T, name string) all.Provider {
	t.Helper()
	p, ok := all.Lookup(name)
	if !ok {
		t.Fatalf("there is no provider %s", name)
	}
	return p
}

// TestMissingConfiguration has the seed's "Messages to keep", word for word.
func TestMissingConfiguration(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"auth0": {
			"Auth0 domain is required. Set MCP_USE_OAUTH_AUTH0_DOMAIN environment variable or pass domain in config.",
			"Auth0 audience is required. Set MCP_USE_OAUTH_AUTH0_AUDIENCE environment variable or pass audience in config.",
		},
		"betterauth": {"Better Auth authURL is required. Set MCP_USE_OAUTH_BETTER_AUTH_URL environment variable or pass authURL in config."},
		"clerk":      {"Clerk frontendApiUrl is required. Set MCP_USE_OAUTH_CLERK_FRONTEND_API_URL environment variable or pass frontendApiUrl in config."},
		"keycloak": {
			"Keycloak serverUrl is required. Set MCP_USE_OAUTH_KEYCLOAK_SERVER_URL environment variable or pass serverUrl in config.",
			"Keycloak realm is required. Set MCP_USE_OAUTH_KEYCLOAK_REALM environment variable or pass realm in config.",
		},
		"supabase": {
			"Supabase projectId or supabaseUrl is required. Set MCP_USE_OAUTH_SUPABASE_PROJECT_ID (hosted) or MCP_USE_OAUTH_SUPABASE_URL (self-hosted/local), or pass `projectId` / `supabaseUrl` in config.",
		},
		"workos": {"WorkOS subdomain is required. Set MCP_USE_OAUTH_WORKOS_SUBDOMAIN environment variable or pass subdomain in config."},
	} {
		t.Run(name+" says all that is missing", func(t *testing.T) {
			t.Parallel()
			_, err := provider(t, name).New(environment(nil))
			if err == nil || err.Error() != strings.Join(want, "\n") {
				t.Errorf("the error is\n%v\nwant\n%s", err, strings.Join(want, "\n"))
			}
			var problem *oauth.ConfigError
			if !errors.As(err, &problem) || problem.Field == "" {
				t.Error("the error is no *oauth.ConfigError with a field")
			}
		})
	}
	t.Run("custom says all that is missing", func(t *testing.T) {
		t.Parallel()
		_, err := custom.New(custom.Config{}, environment(nil))
		for _, field := range []string{"issuer", "authEndpoint", "tokenEndpoint", "verifyToken"} {
			if want := field + " is required. Pass " + field + " in config."; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error %v does not say %q", err, want)
			}
		}
	})
}

// TestFacts are the seed's issuers, endpoints, default scopes and grants.
func TestFacts(t *testing.T) {
	t.Parallel()
	const prefix = "MCP_USE_OAUTH_"
	standard := []string{"openid", "profile", "email", "offline_access"}
	usual := []string{"authorization_code", "refresh_token"}
	for _, c := range []struct {
		name, provider string
		variables      map[string]string
		issuer         string
		endpoints      oauth.Endpoints
		audience       string
		scopes, grants []string
	}{
		{
			"auth0 keeps the slash of its issuer", "auth0",
			map[string]string{"AUTH0_DOMAIN": "https://tenant.us.auth0.com/", "AUTH0_AUDIENCE": "https://api.example.com"},
			"https://tenant.us.auth0.com/",
			oauth.Endpoints{
				Authorization: "https://tenant.us.auth0.com/authorize", Token: "https://tenant.us.auth0.com/oauth/token",
				JWKS: "https://tenant.us.auth0.com/.well-known/jwks.json",
			},
			"https://api.example.com", standard, usual,
		},
		{
			"better auth drops the slash of its URL", "betterauth", map[string]string{"BETTER_AUTH_URL": "https://app.example.com/api/auth/"},
			"https://app.example.com/api/auth",
			oauth.Endpoints{
				Authorization: "https://app.example.com/api/auth/oauth2/authorize", Token: "https://app.example.com/api/auth/oauth2/token",
				JWKS: "https://app.example.com/api/auth/jwks", Registration: "https://app.example.com/api/auth/oauth2/register",
			},
			"", standard, []string{"authorization_code", "client_credentials", "refresh_token"},
		},
		{
			"clerk drops the slash of its URL", "clerk", map[string]string{"CLERK_FRONTEND_API_URL": "https://verb-noun-42.clerk.accounts.dev/"},
			"https://verb-noun-42.clerk.accounts.dev",
			oauth.Endpoints{
				Authorization: "https://verb-noun-42.clerk.accounts.dev/oauth/authorize",
				Token:         "https://verb-noun-42.clerk.accounts.dev/oauth/token",
				JWKS:          "https://verb-noun-42.clerk.accounts.dev/.well-known/jwks.json",
			},
			"", []string{"profile", "email", "offline_access"}, usual,
		},
		{
			"keycloak puts the realm into its issuer", "keycloak",
			map[string]string{"KEYCLOAK_SERVER_URL": "https://sso.example.com/auth/", "KEYCLOAK_REALM": "my realm", "KEYCLOAK_AUDIENCE": "mcp"},
			"https://sso.example.com/auth/realms/my%20realm",
			oauth.Endpoints{
				Authorization: "https://sso.example.com/auth/realms/my%20realm/protocol/openid-connect/auth",
				Token:         "https://sso.example.com/auth/realms/my%20realm/protocol/openid-connect/token",
				JWKS:          "https://sso.example.com/auth/realms/my%20realm/protocol/openid-connect/certs",
			},
			"mcp", append(slices.Clone(standard), "roles"), []string{"authorization_code", "refresh_token", "client_credentials"},
		},
		{
			"supabase makes its issuer of the project", "supabase", map[string]string{"SUPABASE_PROJECT_ID": "abcdefghijklmnopqrst"},
			"https://abcdefghijklmnopqrst.supabase.co/auth/v1",
			oauth.Endpoints{
				Authorization: "https://abcdefghijklmnopqrst.supabase.co/auth/v1/oauth/authorize",
				Token:         "https://abcdefghijklmnopqrst.supabase.co/auth/v1/oauth/token",
				JWKS:          "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json",
			},
			"authenticated", nil, usual,
		},
		{
			"supabase prefers its URL", "supabase",
			map[string]string{"SUPABASE_PROJECT_ID": "abcdefghijklmnopqrst", "SUPABASE_URL": "http://localhost:54321/"},
			"http://localhost:54321/auth/v1",
			oauth.Endpoints{
				Authorization: "http://localhost:54321/auth/v1/oauth/authorize", Token: "http://localhost:54321/auth/v1/oauth/token",
				JWKS: "http://localhost:54321/auth/v1/.well-known/jwks.json",
			},
			"authenticated", nil, usual,
		},
		{
			"workos takes the whole host", "workos", map[string]string{"WORKOS_SUBDOMAIN": "my-company.authkit.app"},
			"https://my-company.authkit.app",
			oauth.Endpoints{
				Authorization: "https://my-company.authkit.app/oauth2/authorize", Token: "https://my-company.authkit.app/oauth2/token",
				JWKS: "https://my-company.authkit.app/oauth2/jwks",
			},
			"", []string{"email", "offline_access", "openid", "profile"}, usual,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			variables := map[string]string{}
			for name, value := range c.variables {
				variables[prefix+name] = value
			}
			p, err := provider(t, c.provider).New(environment(variables))
			if err != nil {
				t.Fatal(err)
			}
			d := p.Describe()
			if d.Issuer != c.issuer || d.Mode != oauth.Direct || d.Audience != c.audience {
				t.Errorf("issuer %q, mode %q, audience %q", d.Issuer, d.Mode, d.Audience)
			}
			got := oauth.Endpoints{Authorization: d.Endpoints.Authorization, Token: d.Endpoints.Token, JWKS: d.Endpoints.JWKS}
			if c.endpoints.Registration != "" {
				got.Registration = d.Endpoints.Registration
			}
			if got != c.endpoints {
				t.Errorf("endpoints are %+v, want %+v", got, c.endpoints)
			}
			if !slices.Equal(d.ScopesSupported, c.scopes) || !slices.Equal(d.GrantTypesSupported, c.grants) {
				t.Errorf("scopes %q, grants %q", d.ScopesSupported, d.GrantTypesSupported)
			}
		})
	}
}

func TestCustomDefaults(t *testing.T) {
	t.Parallel()
	p, err := custom.New(custom.Config{
		Issuer: "https://id.example.com/", AuthEndpoint: "https://id.example.com/a", TokenEndpoint: "https://id.example.com/t",
		VerifyToken: oauth.TokenVerifierFunc(func(context.Context, oauth.Presented) (oauth.Claims, error) { return oauth.Claims{}, nil }),
	}, environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	d := p.Describe()
	if d.Issuer != "https://id.example.com/" {
		t.Errorf("the issuer became %q", d.Issuer)
	}
	if !slices.Equal(d.ScopesSupported, []string{"openid", "profile", "email"}) ||
		!slices.Equal(d.GrantTypesSupported, []string{"authorization_code", "refresh_token"}) {
		t.Errorf("scopes %q, grants %q", d.ScopesSupported, d.GrantTypesSupported)
	}
}

// TestHMACWithoutSecret has the message for projects that still sign with the shared secret.
func TestHMACWithoutSecret(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	p, err := supabase.New(
		supabase.Config{ProjectID: "abcdefghijklmnopqrst"}, environment(nil), runtime.WithClock(func() time.Time { return now }),
		runtime.WithLogger(slog.New(slog.DiscardHandler)), runtime.WithHTTPClient(&http.Client{Transport: http.NewFileTransport(http.Dir("."))}),
	)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(
		`{"iss":"https://abcdefghijklmnopqrst.supabase.co/auth/v1","exp":4070908800,"aud":"authenticated","sub":"u","client_id":"c"}`))
	mac := hmac.New(sha256.New, []byte("test-secret-of-no-project-0123456789"))
	mac.Write([]byte(signed))
	_, err = p.Verify(t.Context(), presented(signed+"."+encode(mac.Sum(nil)), "https://mcp.example.com/mcp"))
	const want = "JWT Secret is required for HS256 tokens. Get it from: Supabase Dashboard → Project Settings → API → JWT Settings"
	if !errors.Is(err, oauth.ErrInvalidToken) || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want one that says %q", err, want)
	}
}

// TestOpaqueToken has what the log says of a token that is no JWT.
func TestOpaqueToken(t *testing.T) {
	t.Parallel()
	p, err := provider(t, "auth0").New(environment(map[string]string{
		"MCP_USE_OAUTH_AUTH0_DOMAIN": "tenant.us.auth0.com", "MCP_USE_OAUTH_AUTH0_AUDIENCE": "https://api.example.com",
	}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Verify(t.Context(), presented("opaque", "https://mcp.example.com/mcp"))
	for _, want := range []string{
		"not a signed JWT", "Many providers (Auth0 included) issue JWT access tokens only when the authorization request names a valid audience",
		"Resource Parameter Compatibility Profile",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %v does not say %q", err, want)
		}
	}
}

// presented is a bearer token as a guard presents it.
func presented(token, resource string) oauth.Presented {
	return oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: resource}
}
