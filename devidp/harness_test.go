package devidp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
)

const (
	testVerifier = "a-test-verifier-that-is-long-enough-for-rfc-7636"
	testRedirect = "http://127.0.0.1:7000/callback"
	testResource = "https://mcp.example.com/mcp"
)

// clock is a time that stands still until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func publicClient(c *devidp.Config) {
	c.Clients = append(c.Clients, devidp.Client{ID: "public", Name: "Public Client", RedirectURIs: []string{testRedirect}})
}

func confidentialClient(c *devidp.Config) {
	c.Clients = append(c.Clients, devidp.Client{
		ID: "confidential", Secret: "test-secret-of-confidential", RedirectURIs: []string{testRedirect},
	})
}

func withClock(now func() time.Time) func(*devidp.Config) {
	return func(c *devidp.Config) { c.Now = now }
}

// result is an answer that was read to its end.
type result struct {
	status int
	header http.Header
	text   string
}

func (r result) json(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(r.text), &object); err != nil {
		t.Fatalf("not JSON (status %d): %v", r.status, err)
	}
	return object
}

func (r result) wantError(t *testing.T, status int, code oauth.Code) {
	t.Helper()
	if got := r.json(t)["error"]; r.status != status || got != string(code) {
		t.Errorf("got %d %v, want %d %s", r.status, got, status, code)
	}
}

func do(t *testing.T, client *http.Client, request *http.Request) result {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.URL.Path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return result{response.StatusCode, response.Header, string(body)}
}

func newRequest(t *testing.T, method, address, contentType, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return request
}

const formType = "application/x-www-form-urlencoded"

func get(t *testing.T, idp *devidp.TestServer, address string) result {
	t.Helper()
	return do(t, unfollowing(idp.Client()), newRequest(t, http.MethodGet, address, "", ""))
}

func postForm(t *testing.T, idp *devidp.TestServer, path string, form url.Values) result {
	t.Helper()
	return do(t, idp.Client(), newRequest(t, http.MethodPost, idp.URL(path), formType, form.Encode()))
}

func postJSON(t *testing.T, idp *devidp.TestServer, path string, value any) result {
	t.Helper()
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(value); err != nil {
		t.Fatal(err)
	}
	return do(t, idp.Client(), newRequest(t, http.MethodPost, idp.URL(path), "application/json", body.String()))
}

func unfollowing(c *http.Client) *http.Client {
	unfollowing := *c
	unfollowing.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &unfollowing
}

// with returns a copy of values with some replaced; an empty one is removed.
func with(values url.Values, pairs ...string) url.Values {
	changed := url.Values{}
	maps.Copy(changed, values)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			changed.Del(pairs[i])
		} else {
			changed.Set(pairs[i], pairs[i+1])
		}
	}
	return changed
}

func authorizeParameters() url.Values {
	digest := sha256.Sum256([]byte(testVerifier))
	return url.Values{
		"response_type": {"code"}, "client_id": {"public"}, "redirect_uri": {testRedirect}, "state": {"state-1"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "code_challenge_method": {"S256"},
		"scope": {"openid profile email"}, "resource": {testResource},
	}
}

func authorizeURL(idp *devidp.TestServer, parameters url.Values) string {
	return idp.URL("/authorize") + "?" + parameters.Encode()
}

// login plays alice and returns the parameters of the redirect.
func login(t *testing.T, idp *devidp.TestServer, parameters url.Values) url.Values {
	t.Helper()
	redirect, err := idp.Login(context.Background(), idp.Client(), authorizeURL(idp, parameters), "alice")
	if err != nil {
		t.Fatal(err)
	}
	return redirect.Query()
}

func codeForm(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {testRedirect}, "client_id": {"public"},
		"code_verifier": {testVerifier},
	}
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"public"}}
}

// tokens logs alice in and redeems the code.
func tokens(t *testing.T, idp *devidp.TestServer, parameters url.Values) oauth.TokenResponse {
	t.Helper()
	return readTokens(t, postForm(t, idp, "/token", codeForm(login(t, idp, parameters).Get("code"))))
}

func readTokens(t *testing.T, r result) oauth.TokenResponse {
	t.Helper()
	var response oauth.TokenResponse
	if err := json.Unmarshal([]byte(r.text), &response); err != nil || r.status != http.StatusOK {
		t.Fatalf("token endpoint: status %d, error %v", r.status, r.json(t)["error"])
	}
	return response
}

// verified returns header type and claims of a JWT that one of the server's published keys signed.
func verified(t *testing.T, idp *devidp.TestServer, token string) (jwtType string, claims oauth.Claims) {
	t.Helper()
	set, err := jose.ParseSet([]byte(get(t, idp, idp.URL("/jwks")).text))
	if err != nil {
		t.Fatal(err)
	}
	var parsed jose.JWS
	if err := parsed.Parse(token); err != nil {
		t.Fatalf("parse: %v", err)
	}
	found := set.Find(parsed.KeyID, parsed.Algorithm)
	if parsed.VerifyAny(&found) == nil {
		t.Fatalf("none of the %d keys made the signature", found.Len())
	}
	if claims, err = oauth.ParseClaims(parsed.Payload); err != nil {
		t.Fatal(err)
	}
	return parsed.Type, claims
}

func userInfo(t *testing.T, idp *devidp.TestServer, token string) result {
	t.Helper()
	request := newRequest(t, http.MethodGet, idp.URL("/userinfo"), "", "")
	request.Header.Set("Authorization", "Bearer "+token)
	return do(t, idp.Client(), request)
}
