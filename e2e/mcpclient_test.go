package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// brokerClient is a registered client of a resource server in proxy mode that keeps everything it
// was ever answered.
type brokerClient struct {
	resource *harness.ResourceServer
	id       string
	http     *http.Client

	mu   sync.Mutex
	seen bytes.Buffer
}

// clientRedirect is where nobody listens: redirects are read, not followed.
const clientRedirect = "http://127.0.0.1:33418/callback"

// newBrokerClient registers.
func newBrokerClient(t *testing.T, resource *harness.ResourceServer) *brokerClient {
	t.Helper()
	c := &brokerClient{resource: resource, http: &http.Client{Timeout: time.Minute}}
	status, answer := c.post(t, "/register", "application/json", `{"client_name":"token test","redirect_uris":["`+clientRedirect+`"]}`)
	id, _ := answer["client_id"].(string)
	if status != http.StatusCreated || id == "" {
		t.Fatalf("the registration answers %d %v", status, answer["error"])
	}
	c.id = id
	return c
}

// brokerLogin is an authorization request under way.
type brokerLogin struct {
	client   *brokerClient
	verifier string
	state    string
	url      string
}

// begin makes an authorization request with PKCE and nothing else that may be left out.
func (c *brokerClient) begin() brokerLogin {
	l := brokerLogin{client: c, verifier: rand.Text() + rand.Text(), state: rand.Text()}
	challenge := sha256.Sum256([]byte(l.verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {clientRedirect}, "state": {l.state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	l.url = c.resource.MCPURL() + "/authorize?" + query.Encode()
	return l
}

// callback reads the redirect that ends a login (RFC 6749 section 4.1.2, RFC 9207).
func (l brokerLogin) callback(t *testing.T, redirect string) url.Values {
	t.Helper()
	l.client.keep([]byte(redirect))
	u, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	answer := u.Query()
	if answer.Get("state") != l.state || answer.Get("iss") != l.client.resource.MCPURL() {
		t.Errorf("the callback has state %q and iss %q", answer.Get("state"), answer.Get("iss"))
	}
	return answer
}

// redeem asks for the tokens of a code.
func (l brokerLogin) redeem(t *testing.T, code string) (int, map[string]any) {
	t.Helper()
	return l.client.form(t, "/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {clientRedirect},
		"client_id": {l.client.id}, "code_verifier": {l.verifier},
	})
}

// tokens logs in.
func (c *brokerClient) tokens(t *testing.T) harness.Tokens {
	t.Helper()
	l := c.begin()
	redirect, err := c.resource.Server.Login(t.Context(), l.url)
	if err != nil {
		t.Fatal(err)
	}
	status, answer := l.redeem(t, l.callback(t, redirect).Get("code"))
	return readTokens(t, status, answer)
}

func (c *brokerClient) refresh(t *testing.T, token string) (int, map[string]any) {
	t.Helper()
	return c.form(t, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {c.id}})
}

func (c *brokerClient) revoke(t *testing.T, token string) {
	t.Helper()
	if status, answer := c.form(t, "/revoke", url.Values{"token": {token}, "client_id": {c.id}}); status != http.StatusOK {
		t.Fatalf("the revocation answers %d %v", status, answer)
	}
}

func readTokens(t *testing.T, status int, answer map[string]any) harness.Tokens {
	t.Helper()
	text := func(name string) string { value, _ := answer[name].(string); return value }
	tokens := harness.Tokens{AccessToken: text("access_token"), RefreshToken: text("refresh_token"), Scope: text("scope")}
	if status != http.StatusOK || tokens.AccessToken == "" || tokens.RefreshToken == "" || answer["token_type"] != "Bearer" {
		t.Fatalf("the token endpoint answers %d, error %v %v", status, answer["error"], answer["error_description"])
	}
	return tokens
}

// wantError says that an answer is an error of RFC 6749 section 5.2.
func wantError(t *testing.T, status int, answer map[string]any, wantStatus int, want string) {
	t.Helper()
	if status != wantStatus || answer["error"] != want || answer["access_token"] != nil {
		t.Errorf("the answer is %d, error %v; want %d %s", status, answer["error"], wantStatus, want)
	}
}

func (c *brokerClient) form(t *testing.T, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	return c.post(t, path, "application/x-www-form-urlencoded", form.Encode())
}

// post posts to an endpoint of the broker and reads a JSON object, if there is one.
func (c *brokerClient) post(t *testing.T, path, contentType, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.resource.MCPURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := c.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	c.keep(text)
	for name, values := range response.Header {
		c.keep([]byte(name + ": " + strings.Join(values, ", ")))
	}
	var answer map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatalf("%s answers %d with what is no JSON object: %v", path, response.StatusCode, err)
		}
	}
	return response.StatusCode, answer
}

func (c *brokerClient) keep(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Write(text)
	c.seen.WriteByte('\n')
}

// wasShown reports whether the client was ever answered with the text, plainly or base64-encoded.
func (c *brokerClient) wasShown(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.seen.Bytes(), []byte(text)) ||
		bytes.Contains(c.seen.Bytes(), []byte(base64.RawURLEncoding.EncodeToString([]byte(text)))[:4*(len(text)/3)])
}
