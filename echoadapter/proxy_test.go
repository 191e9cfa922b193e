package echoadapter_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/internal/browser"
	"github.com/latchkey-auth/latchkey/oauth"
	oauthproxy "github.com/latchkey-auth/latchkey/providers_gen/proxy"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// proxied is a server on Echo with two resources in mode proxy, in front of one identity provider
// that registers nobody.
type proxied struct {
	origin string
	idp    *devidp.TestServer
	client *http.Client
}

func newProxied(t *testing.T) *proxied {
	t.Helper()
	const id, secret, audience = "mcp-server", "test-secret-of-the-application-0123456789", "api://mcp"
	server := httptest.NewUnstartedServer(nil)
	p := &proxied{origin: "http://" + server.Listener.Addr().String()}
	p.idp = devidp.Start(t, devidp.Preregistered(devidp.Client{
		ID: id, Secret: secret, Name: "MCP server",
		RedirectURIs: []string{p.origin + "/notes/mcp/oauth/callback", p.origin + "/mail/oauth/callback"},
	}), func(c *devidp.Config) { c.DefaultAudience = audience })
	logger := slog.New(slog.DiscardHandler)
	verifier, err := runtime.JWKSVerifier(runtime.JWKSConfig{
		JWKSURL: p.idp.URL("/jwks"), Issuer: p.idp.Issuer(), Audience: audience,
	}, runtime.WithLogger(logger))
	if err != nil {
		t.Fatal(err)
	}
	provider, err := oauthproxy.New(oauthproxy.Config{
		AuthEndpoint: p.idp.URL("/authorize"), TokenEndpoint: p.idp.URL("/token"), Issuer: p.idp.Issuer(),
		ClientID: id, ClientSecret: secret, VerifyToken: verifier, Scopes: []string{"openid", "email", "offline_access"},
	}, runtime.WithLogger(logger))
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	// Applications put these in front of everything.
	e.Use(middleware.Recover(), middleware.RequestID(), middleware.Secure(), middleware.Gzip(), middleware.BodyLimit("1M"))
	for _, path := range []string{"/notes/mcp", "/mail"} {
		guard, err := echoadapter.Mount(e, provider, echoadapter.Config{
			Resource: p.origin + path, Logger: logger, AllowedOrigins: []string{"https://app.example.com"},
			Proxy: proxy.Options{Tokens: proxy.Sealed},
		})
		if err != nil {
			t.Fatal(err)
		}
		e.GET(path, func(c echo.Context) error {
			info, _ := echoadapter.AuthInfo(c)
			return c.String(http.StatusOK, info.User.ID)
		}, guard.Require())
	}
	server.Config.Handler = e
	server.Start()
	t.Cleanup(server.Close)
	p.client = server.Client()
	return p
}

// send sends a request. The body of the answer is read.
func (p *proxied) send(t *testing.T, method, address string, header http.Header, body string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := p.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, text
}

// fetch reads the JSON answer to a request.
func (p *proxied) fetch(t *testing.T, method, address, contentType, body string, into any) {
	t.Helper()
	response, text := p.send(t, method, address, http.Header{"Content-Type": {contentType}}, body)
	if err := json.Unmarshal(text, into); err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s: %s %s", address, response.Status, text)
	}
}

// logIn finds a resource's endpoints as clients do, and returns them with the tokens of a new
// login.
func (p *proxied) logIn(t *testing.T, path string) (endpoints oauth.AuthorizationServerMetadata, tokens oauth.TokenResponse) {
	t.Helper()
	ctx := t.Context()
	const redirect = "http://127.0.0.1:33418/callback"
	p.fetch(t, http.MethodGet, p.origin+"/.well-known/oauth-authorization-server"+path, "", "", &endpoints)
	var client oauth.ClientInformation
	p.fetch(t, http.MethodPost, endpoints.RegistrationEndpoint, "application/json", `{"redirect_uris":["`+redirect+`"]}`, &client)
	user, err := browser.New(p.client)
	if err != nil {
		t.Fatal(err)
	}
	authorize, err := url.Parse(endpoints.AuthorizationEndpoint + "?" + url.Values{
		"response_type": {"code"}, "client_id": {client.ClientID}, "redirect_uri": {redirect},
		// RFC 7636 appendix B
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	back, err := p.walk(ctx, user, authorize)
	if err != nil {
		t.Fatal(err)
	}
	p.fetch(t, http.MethodPost, endpoints.TokenEndpoint, "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "client_id": {client.ClientID},
		"redirect_uri": {redirect}, "code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
	}.Encode(), &tokens)
	before := tokens
	p.fetch(t, http.MethodPost, endpoints.TokenEndpoint, "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {client.ClientID},
	}.Encode(), &tokens)
	if tokens.AccessToken == before.AccessToken || tokens.RefreshToken == before.RefreshToken {
		t.Error("the refresh renews nothing")
	}
	return endpoints, tokens
}

// walk takes the user through consent, login and callback.
func (p *proxied) walk(ctx context.Context, user *browser.Browser, authorize *url.URL) (*url.URL, error) {
	login, err := user.Consent(ctx, authorize)
	if err != nil {
		return nil, err
	}
	callback, err := p.idp.Login(ctx, p.idp.Client(), login.String(), "alice")
	if err != nil {
		return nil, err
	}
	return user.Return(ctx, callback)
}

// TestProxyModeOnEcho logs in to two resources of one server through all the routes that Mount
// adds.
func TestProxyModeOnEcho(t *testing.T) {
	t.Parallel()
	p := newProxied(t)
	tokens := map[string]oauth.TokenResponse{}
	for _, path := range []string{"/notes/mcp", "/mail"} {
		endpoints, got := p.logIn(t, path)
		tokens[path] = got
		if endpoints.Issuer != p.origin+path {
			t.Errorf("%s: the issuer is %s", path, endpoints.Issuer)
		}
	}
	for at, others := range map[string]string{"/notes/mcp": "/mail", "/mail": "/notes/mcp"} {
		if response, text := p.send(t, http.MethodGet, p.origin+at, bearer(tokens[at].AccessToken), ""); string(text) != "user-alice" {
			t.Errorf("%s: %s %s", at, response.Status, text)
		}
		for name, token := range map[string]string{
			"the other resource's access token": tokens[others].AccessToken, "a refresh token": tokens[at].RefreshToken, "no token": "",
		} {
			response, _ := p.send(t, http.MethodGet, p.origin+at, bearer(token), "")
			want := `resource_metadata="` + p.origin + "/.well-known/oauth-protected-resource" + at + `"`
			if response.StatusCode != http.StatusUnauthorized || !strings.Contains(response.Header.Get("WWW-Authenticate"), want) {
				t.Errorf("%s: %s is answered with %s", at, name, response.Status)
			}
		}
	}
}

// TestProxyRoutesOnEcho: Echo's own answers, which no OAuth client understands, never take the
// place of the broker's.
func TestProxyRoutesOnEcho(t *testing.T) {
	t.Parallel()
	p := newProxied(t)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	preflight := http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"POST"}}
	for name, c := range map[string]struct {
		method, path string
		header       http.Header
		status       int
		contains     string
	}{
		"registration without a body":     {http.MethodPost, "/register", nil, 400, `"error":"invalid_client_metadata"`},
		"an authorization without client": {http.MethodGet, "/authorize", nil, 400, "This did not work"},
		"the same by POST":                {http.MethodPost, "/authorize", form, 400, "This did not work"},
		"a consent from nowhere":          {http.MethodPost, "/consent", form, 403, "This did not work"},
		"a consent by a link":             {http.MethodGet, "/consent", nil, 405, "This did not work"},
		"a callback from nowhere":         {http.MethodGet, "/oauth/callback", nil, 400, "No login is waiting"},
		"a code exchange without a code":  {http.MethodPost, "/token", form, 400, `"error":"invalid_request"`},
		"a code exchange by a link":       {http.MethodGet, "/token", nil, 405, `"error":"invalid_request"`},
		"a revocation without a token":    {http.MethodPost, "/revoke", form, 401, `"error":"invalid_client"`},
		"a preflight of a registration":   {http.MethodOptions, "/register", preflight, 204, ""},
		"a preflight of a code exchange":  {http.MethodOptions, "/token", preflight, 204, ""},
		"the key set":                     {http.MethodGet, "/jwks", nil, 200, `"keys"`},
	} {
		for _, mount := range []string{"/notes/mcp", "/mail"} {
			response, text := p.send(t, c.method, p.origin+mount+c.path, c.header, "")
			if response.StatusCode != c.status || !strings.Contains(string(text), c.contains) || strings.Contains(string(text), `"message"`) {
				t.Errorf("%s at %s: %s %s", name, mount, response.Status, text)
			}
		}
	}
}
