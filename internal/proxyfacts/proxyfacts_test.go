// Package proxyfacts_test holds what one configuration, and so a generated test, cannot show of the
// providers in mode proxy.
package proxyfacts_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/entra"
	"github.com/latchkey-auth/latchkey/providers_gen/github"
	"github.com/latchkey-auth/latchkey/providers_gen/google"
	"github.com/latchkey-auth/latchkey/providers_gen/okta"
	"github.com/latchkey-auth/latchkey/runtime"
)

const (
	resource = "https://mcp.example.com/mcp"
	secret   = "test-secret-of-no-application-0123456789"
	token    = "opaque-token-of-a-user-0123456789"
)

// network answers requests by address, without a network.
type network map[string]string

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	body, ok := n[r.URL.String()]
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Content-Type", "application/json")
	if !ok {
		recorder.WriteHeader(http.StatusNotFound)
		body = `{"message":"Not Found"}`
	}
	_, _ = io.WriteString(recorder, body)
	return recorder.Result(), nil
}

// alone cuts a provider off from the environment and the network of the machine.
func alone(n network) []runtime.Option {
	return []runtime.Option{
		runtime.WithHTTPClient(&http.Client{Transport: n}), runtime.WithLogger(slog.New(slog.DiscardHandler)),
		runtime.WithLookupEnv(func(string) (string, bool) { return "", false }),
		runtime.WithClock(func() time.Time { return time.Unix(1_900_000_000, 0) }),
	}
}

func TestGoogleWorkspaceDomains(t *testing.T) {
	t.Parallel()
	const good = `"aud":"app","azp":"app","sub":"1","exp":"1900003600","scope":"openid"`
	for name, c := range map[string]struct {
		domain, info, profile string
		accepted              bool
	}{
		"lets everybody in without a domain":           {"", `{` + good + `}`, `{"sub":"1"}`, true},
		"lets users of the domain in":                  {"example.com", `{` + good + `}`, `{"sub":"1","hd":"example.com"}`, true},
		"refuses users of another domain":              {"example.com", `{` + good + `}`, `{"sub":"1","hd":"example.org"}`, false},
		"refuses personal accounts":                    {"example.com", `{` + good + `}`, `{"sub":"1","email":"ada@example.com"}`, false},
		"refuses a domain that ends like the right":    {"example.com", `{` + good + `}`, `{"sub":"1","hd":"evil-example.com"}`, false},
		"refuses a domain in another case, to be sure": {"example.com", `{` + good + `}`, `{"sub":"1","hd":"EXAMPLE.com"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := google.New(google.Config{ClientID: "app", ClientSecret: secret, HostedDomain: c.domain}, alone(network{
				"https://oauth2.googleapis.com/tokeninfo":          c.info,
				"https://openidconnect.googleapis.com/v1/userinfo": c.profile,
			})...)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Verify(t.Context(), presented(token, resource))
			if (err == nil) != c.accepted || err != nil && oauth.AsError(err).Reason != oauth.ReasonClaim {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestGitHubMailAddresses(t *testing.T) {
	t.Parallel()
	const check = `{"id":1,"app":{"client_id":"app"},"scopes":["user:email"],"user":{"id":7,"login":"ada"},"expires_at":null}`
	for name, c := range map[string]struct{ user, emails, want string }{
		"takes the public one": {`{"id":7,"email":"public@example.com"}`, `[{"email":"a@example.com","primary":true,"verified":true}]`, "public@example.com"},
		"else the primary one, if it is verified": {
			`{"id":7,"email":null}`,
			`[{"email":"b@example.com","primary":false,"verified":true},{"email":"a@example.com","primary":true,"verified":true}]`, "a@example.com",
		},
		"never one that is not verified":         {`{"id":7,"email":null}`, `[{"email":"a@example.com","primary":true,"verified":false}]`, ""},
		"none where the token may not read them": {`{"id":7,"email":null}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := network{
				"https://github.example.com/api/v3/applications/app/token": check,
				"https://github.example.com/api/v3/user":                   c.user,
			}
			if c.emails != "" {
				answers["https://github.example.com/api/v3/user/emails"] = c.emails
			}
			p, err := github.New(github.Config{
				ClientID: "app", ClientSecret: secret, EnterpriseURL: "https://github.example.com/",
			}, alone(answers)...)
			if err != nil {
				t.Fatal(err)
			}
			info, err := p.Verify(t.Context(), presented(token, resource))
			if err != nil {
				t.Fatal(err)
			}
			if info.User.ID != "7" || info.User.Username != "ada" || info.User.Email != c.want {
				t.Errorf("user is %+v", info.User)
			}
		})
	}
}

func TestAddressesOfClouds(t *testing.T) {
	t.Parallel()
	const tenant, client = "72f988bf-86f1-41af-91ab-2d7cd011db47", "11111111-2222-3333-4444-555555555555"
	describe := func(p *runtime.Provider, err error) string {
		if err != nil {
			return err.Error()
		}
		d := p.Describe()
		return strings.Join([]string{d.Issuer, d.Endpoints.Authorization, d.Endpoints.Token, d.Endpoints.JWKS, d.Endpoints.TokenInfo}, "\n")
	}
	for name, c := range map[string]struct{ got, want string }{
		"github.com": {
			describe(github.New(github.Config{ClientID: "Iv1.app", ClientSecret: secret}, alone(nil)...)),
			"https://github.com/login/oauth\nhttps://github.com/login/oauth/authorize\nhttps://github.com/login/oauth/access_token\n\n" +
				"https://api.github.com/applications/Iv1.app/token",
		},
		"a GitHub Enterprise Server": {
			describe(github.New(github.Config{ClientID: "app", ClientSecret: secret, EnterpriseURL: "github.example.com"}, alone(nil)...)),
			"https://github.example.com/login/oauth\nhttps://github.example.com/login/oauth/authorize\n" +
				"https://github.example.com/login/oauth/access_token\n\nhttps://github.example.com/api/v3/applications/app/token",
		},
		"ghe.com": {
			describe(github.New(github.Config{
				ClientID: "app", ClientSecret: secret, EnterpriseURL: "https://acme.ghe.com", APIURL: "https://api.acme.ghe.com",
			}, alone(nil)...)),
			"https://acme.ghe.com/login/oauth\nhttps://acme.ghe.com/login/oauth/authorize\n" +
				"https://acme.ghe.com/login/oauth/access_token\n\nhttps://api.acme.ghe.com/applications/app/token",
		},
		"Okta's default authorization server": {
			describe(okta.New(okta.Config{Domain: "https://dev-1.okta.com/", ClientID: "app", ClientSecret: secret}, alone(nil)...)),
			"https://dev-1.okta.com/oauth2/default\nhttps://dev-1.okta.com/oauth2/default/v1/authorize\n" +
				"https://dev-1.okta.com/oauth2/default/v1/token\nhttps://dev-1.okta.com/oauth2/default/v1/keys\n",
		},
		"Entra ID of a government": {
			describe(entra.New(entra.Config{
				TenantID: tenant, ClientID: client, ClientSecret: secret, Authority: "login.microsoftonline.us",
			}, alone(nil)...)),
			"https://login.microsoftonline.us/" + tenant + "/v2.0\nhttps://login.microsoftonline.us/" + tenant + "/oauth2/v2.0/authorize\n" +
				"https://login.microsoftonline.us/" + tenant + "/oauth2/v2.0/token\nhttps://login.microsoftonline.us/" + tenant + "/discovery/v2.0/keys\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.got != c.want {
				t.Errorf("got\n%s\nwant\n%s", c.got, c.want)
			}
		})
	}
}

func TestMistakesInConfiguration(t *testing.T) {
	t.Parallel()
	const client = "11111111-2222-3333-4444-555555555555"
	in := func(tenant string, allowed ...string) error {
		_, err := entra.New(entra.Config{TenantID: tenant, ClientID: client, ClientSecret: secret, AllowedTenants: allowed}, alone(nil)...)
		return err
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"several tenants without a list":  {in("organizations"), "Microsoft Entra ID allowedTenants is required with the tenantId \"organizations\", which stands for many."},
		"a domain for the tenant":         {in("contoso.onmicrosoft.com"), "tenantId must be the tenant's id (a GUID in small letters), organizations or common"},
		"a list of tenants with one":      {in("72f988bf-86f1-41af-91ab-2d7cd011db47", "x"), "allowedTenants is for the tenantId organizations and common"},
		"GitHub's App ID for a client ID": {newGitHub("123456"), "clientId must be a client ID, which begins with a letter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var problem *oauth.ConfigError
			if !errors.As(c.err, &problem) || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("got %v, want %q", c.err, c.want)
			}
		})
	}
}

func newGitHub(id string) error {
	_, err := github.New(github.Config{ClientID: id, ClientSecret: secret}, alone(nil)...)
	return err
}

// Clients hear of the API's scopes by their short names, and of none that are Entra ID's own.
func TestScopesOfEntra(t *testing.T) {
	t.Parallel()
	p, err := entra.New(entra.Config{
		TenantID: "organizations", AllowedTenants: []string{"*"}, ClientID: "11111111-2222-3333-4444-555555555555", ClientSecret: secret,
		Scopes: []string{"read", "write", "https://graph.microsoft.com/User.Read"},
	}, alone(nil)...)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := runtime.NewGuard(p, runtime.GuardConfig{Resource: resource})
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	guard.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(
		t.Context(), http.MethodGet, "https://mcp.example.com/.well-known/oauth-authorization-server/mcp", nil))
	var document oauth.AuthorizationServerMetadata
	if err := json.Unmarshal(recorder.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	if document.Issuer != resource || strings.Join(document.ScopesSupported, " ") != "read write https://graph.microsoft.com/User.Read" {
		t.Errorf("got %+v", document)
	}
}

// presented is a bearer token as a guard presents it.
func presented(token, resource string) oauth.Presented {
	return oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: resource}
}
