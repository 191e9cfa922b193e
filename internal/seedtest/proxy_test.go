package seedtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/proxy"
	"github.com/latchkey-auth/latchkey/runtime"
)

func anybody() oauth.TokenVerifier {
	return oauth.TokenVerifierFunc(func(context.Context, oauth.Presented) (oauth.Claims, error) { return oauth.Claims{}, nil })
}

// TestMissingProxyConfiguration has the seed's messages of oauthProxy, word for word.
func TestMissingProxyConfiguration(t *testing.T) {
	t.Parallel()
	_, err := proxy.New(proxy.Config{}, environment(nil))
	want := []string{
		"oauthProxy: authEndpoint is required", "oauthProxy: tokenEndpoint is required", "oauthProxy: issuer is required",
		"oauthProxy: clientId is required", "oauthProxy: verifyToken is required (use `jwksVerifier()` for JWT/JWKS providers)",
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("the error is\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
	var problem *oauth.ConfigError
	if !errors.As(err, &problem) || problem.Field != "authEndpoint" {
		t.Error("the error is no *oauth.ConfigError with a field")
	}
}

// TestMissingJWKSVerifierConfiguration has the seed's messages of jwksVerifier, word for word.
func TestMissingJWKSVerifierConfiguration(t *testing.T) {
	t.Parallel()
	_, err := runtime.JWKSVerifier(runtime.JWKSConfig{}, environment(nil))
	const want = "jwksVerifier: jwksUrl is required\njwksVerifier: issuer is required"
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
}

func TestProxyDefaults(t *testing.T) {
	t.Parallel()
	p, err := proxy.New(proxy.Config{
		AuthEndpoint: "https://id.example.com/a", TokenEndpoint: "https://id.example.com/t", Issuer: "https://id.example.com/",
		ClientID: "app", VerifyToken: anybody(),
	}, environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	d := p.Describe()
	if d.Mode != oauth.Proxy || d.Issuer != "https://id.example.com/" || d.Endpoints.Token != "https://id.example.com/t" {
		t.Errorf("got %+v", d)
	}
	if !slices.Equal(d.ScopesSupported, []string{"openid", "email", "profile"}) ||
		!slices.Equal(d.GrantTypesSupported, []string{"authorization_code", "refresh_token"}) {
		t.Errorf("scopes %q, grants %q", d.ScopesSupported, d.GrantTypesSupported)
	}
}

// TestProxyNeedsAKeyWithoutSecret has what somebody reads whose application is a public one.
func TestProxyNeedsAKeyWithoutSecret(t *testing.T) {
	t.Parallel()
	p, err := proxy.New(proxy.Config{
		AuthEndpoint: "https://id.example.com/a", TokenEndpoint: "https://id.example.com/t", Issuer: "https://id.example.com",
		ClientID: "app", VerifyToken: anybody(),
	}, environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = runtime.NewGuard(p, runtime.GuardConfig{Resource: "https://mcp.example.com/mcp"})
	if err == nil || !strings.Contains(err.Error(), runtime.SealingKeysVariable) {
		t.Errorf("the error %v does not say how to set a key", err)
	}
}

// TestVariablesOfProxyProviders are in the style of the seed's.
func TestVariablesOfProxyProviders(t *testing.T) {
	t.Parallel()
	message := func(title, field, variable string) string {
		return title + " " + field + " is required. Set MCP_USE_OAUTH_" + variable + " environment variable or pass " + field + " in config."
	}
	for name, want := range map[string][]string{
		"google": {message("Google", "clientId", "GOOGLE_CLIENT_ID"), message("Google", "clientSecret", "GOOGLE_CLIENT_SECRET")},
		"github": {message("GitHub", "clientId", "GITHUB_CLIENT_ID"), message("GitHub", "clientSecret", "GITHUB_CLIENT_SECRET")},
		"okta": {
			message("Okta", "domain", "OKTA_DOMAIN"), message("Okta", "clientId", "OKTA_CLIENT_ID"),
			message("Okta", "clientSecret", "OKTA_CLIENT_SECRET"),
		},
		"entra": {
			message("Microsoft Entra ID", "tenantId", "ENTRA_TENANT_ID"), message("Microsoft Entra ID", "clientId", "ENTRA_CLIENT_ID"),
			message("Microsoft Entra ID", "clientSecret", "ENTRA_CLIENT_SECRET"),
		},
	} {
		t.Run(name+" says all that is missing", func(t *testing.T) {
			t.Parallel()
			_, err := provider(t, name).New(environment(nil))
			if err == nil || err.Error() != strings.Join(want, "\n") {
				t.Errorf("the error is\n%v\nwant\n%s", err, strings.Join(want, "\n"))
			}
		})
	}
}
