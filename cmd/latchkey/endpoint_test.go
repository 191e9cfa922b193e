package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/browser"
	"github.com/latchkey-auth/latchkey/oauth"
)

// googleVariables are all that is needed for Google.
var googleVariables = map[string]string{
	"MCP_USE_OAUTH_GOOGLE_CLIENT_ID":     "test.apps.googleusercontent.com",
	"MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET": "test-secret-of-no-client-at-google-0123456789",
}

func TestMistakesInEndpoints(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		endpoints []string
		want      string
	}{
		"no URL":                   {[]string{"token"}, `--endpoint "token" must be NAME=URL`},
		"no name":                  {[]string{"=https://gateway.example.com"}, "must be NAME=URL"},
		"an unknown name":          {[]string{"tokens=https://gateway.example.com"}, "endpoint tokens is not known; the endpoints are authorization,"},
		"one endpoint twice":       {[]string{"token=https://a.example.com", "token=https://b.example.com"}, "--endpoint token is given twice"},
		"plain http beyond here":   {[]string{"token=http://gateway.example.com/token"}, "must use https"},
		"a URL with credentials":   {[]string{"token=https://user:word@gateway.example.com"}, "without credentials"},
		"something that is no URL": {[]string{"token=::"}, "must be a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"serve", "--provider", "google"}
			for _, e := range c.endpoints {
				args = append(args, "--endpoint", e)
			}
			code, _, stderr := command(t.Context(), googleVariables, args...)
			if code != exitUsage || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("got %d, %q; want %q", code, stderr, c.want)
			}
		})
	}
}

// fakeGoogle answers as Google does, on loopback.
func fakeGoogle(t *testing.T) *httptest.Server {
	t.Helper()
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", answer(`{"access_token":"ya29.test","expires_in":3599,"token_type":"Bearer","refresh_token":"1//test","scope":"openid"}`))
	mux.HandleFunc("POST /tokeninfo", answer(`{"aud":"test.apps.googleusercontent.com","sub":"1101","exp":"4070908800","expires_in":"3599","scope":"openid"}`))
	mux.HandleFunc("GET /userinfo", answer(`{"sub":"1101","name":"Ada Lovelace"}`))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// TestServeWithNothingButVariables serves Google from its variables, with the endpoints at another
// address, and logs in.
func TestServeWithNothingButVariables(t *testing.T) {
	t.Parallel()
	google := fakeGoogle(t)
	const public = "http://127.0.0.1:8080"
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	errs := newOutput()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{
			"serve", "--provider", "google", "--addr", "127.0.0.1:0", "--public-url", public,
			"--endpoint", "authorization=" + google.URL + "/auth", "--endpoint", "token=" + google.URL + "/token",
			"--endpoint", "tokeninfo=" + google.URL + "/tokeninfo", "--endpoint", "userinfo=" + google.URL + "/userinfo",
			"--endpoint", "discovery=" + google.URL + "/metadata",
		}, environment{stdout: io.Discard, stderr: errs, lookupEnv: lookup(googleVariables)})
	}()
	line := <-errs.lines
	_, addr, _ := strings.Cut(strings.TrimSpace(line), " with Google on ")
	if line := <-errs.lines; !strings.Contains(line, "register at the provider is "+public+"/mcp/oauth/callback") {
		t.Errorf("the server says %q", line)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer transport.CloseIdleConnections()
	c := &loginClient{t: t, resource: public + "/mcp", http: &http.Client{Transport: transport}}
	token := c.logIn(ctx, google.URL+"/auth")
	status, body := c.send(ctx, http.MethodGet, public+"/whoami", "", "", token)
	if status != http.StatusOK || !strings.Contains(body, `"userId":"1101"`) || !strings.Contains(body, "Ada Lovelace") {
		t.Errorf("whoami: %d %s", status, body)
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("stopped with exit code %d: %s", code, errs)
	}
	if strings.Contains(errs.String(), "ya29.test") || strings.Contains(errs.String(), googleVariables["MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET"]) {
		t.Error("the log holds a secret")
	}
}

// loginClient is an MCP client with its user's browser.
type loginClient struct {
	t        *testing.T
	resource string
	http     *http.Client
}

func (c *loginClient) send(ctx context.Context, method, address, contentType, body, token string) (int, string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// logIn returns an access token. The provider's login is at wantLogin.
func (c *loginClient) logIn(ctx context.Context, wantLogin string) string {
	c.t.Helper()
	const redirect = "http://127.0.0.1:33418/callback"
	_, body := c.send(ctx, http.MethodPost, c.resource+"/register", "application/json", `{"redirect_uris":["`+redirect+`"]}`, "")
	var client oauth.ClientInformation
	if err := json.Unmarshal([]byte(body), &client); err != nil || client.ClientID == "" {
		c.t.Fatalf("registration: %v %s", err, body)
	}
	user, err := browser.New(c.http)
	if err != nil {
		c.t.Fatal(err)
	}
	authorize, err := url.Parse(c.resource + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {client.ClientID}, "redirect_uri": {redirect},
		// RFC 7636 appendix B
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode())
	if err != nil {
		c.t.Fatal(err)
	}
	login, err := user.Consent(ctx, authorize)
	if err != nil {
		c.t.Fatal(err)
	}
	if q := login.Query(); !strings.HasPrefix(login.String(), wantLogin+"?") || q.Get("access_type") != "offline" || q.Get("prompt") != "consent" {
		c.t.Errorf("the login is at %s", login)
	}
	callback, err := url.Parse(c.resource + "/oauth/callback?" + url.Values{
		"code": {"4/test"}, "state": {login.Query().Get("state")}, "iss": {"https://accounts.google.com"},
	}.Encode())
	if err != nil {
		c.t.Fatal(err)
	}
	back, err := user.Return(ctx, callback)
	if err != nil {
		c.t.Fatal(err)
	}
	_, body = c.send(ctx, http.MethodPost, c.resource+"/token", "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "client_id": {client.ClientID},
		"redirect_uri": {redirect}, "code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
	}.Encode(), "")
	var tokens oauth.TokenResponse
	if err := json.Unmarshal([]byte(body), &tokens); err != nil || tokens.AccessToken == "" {
		c.t.Fatalf("token: %v %s", err, body)
	}
	return tokens.AccessToken
}

func TestProxyProvidersAreShownWithTheirRedirectURI(t *testing.T) {
	t.Parallel()
	code, page, _ := command(t.Context(), nil, "providers", "google")
	for _, want := range []string{
		"Google (google), mode proxy", "MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET  (required, secret)", "tokeninfo", "/mcp/oauth/callback",
	} {
		if code != exitOK || !strings.Contains(page, want) {
			t.Errorf("the page lacks %q: %s", want, page)
		}
	}
}

func TestServeSaysWhenASecretIsTooShort(t *testing.T) {
	t.Parallel()
	code, _, stderr := command(t.Context(), map[string]string{
		"MCP_USE_OAUTH_GOOGLE_CLIENT_ID": "test.apps.googleusercontent.com", "MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET": "test-too-short",
	}, "serve", "--provider", "google")
	if code != exitUsage || !strings.Contains(stderr, "MCP_USE_OAUTH_SEALING_KEYS") || strings.Contains(stderr, "test-too-short") {
		t.Errorf("got %d, %q", code, stderr)
	}
}
