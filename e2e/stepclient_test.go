package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// stepClient is an OAuth client whose every step a test takes by itself. It starts from the
// resource's URL alone, as MCP clients do.
type stepClient struct {
	t        *testing.T
	http     *http.Client
	resource string

	issuer string
	// authorization, token and the others are endpoints of the resource's authorization server.
	authorization, token, registration, revocation string

	redirect, id string
}

// newStepClient discovers the resource's authorization server.
func newStepClient(ctx context.Context, t *testing.T, client *http.Client, resource string) *stepClient {
	t.Helper()
	c := &stepClient{t: t, http: client, resource: resource}
	origin, path := splitURL(t, resource)
	var about struct {
		Servers []string `json:"authorization_servers"`
	}
	c.read(ctx, origin+"/.well-known/oauth-protected-resource"+path, &about)
	if len(about.Servers) != 1 {
		t.Fatalf("the resource names the authorization servers %q", about.Servers)
	}
	origin, path = splitURL(t, about.Servers[0])
	var server struct {
		Issuer        string `json:"issuer"`
		Authorization string `json:"authorization_endpoint"`
		Token         string `json:"token_endpoint"`
		Registration  string `json:"registration_endpoint"`
		Revocation    string `json:"revocation_endpoint"`
	}
	c.read(ctx, origin+"/.well-known/oauth-authorization-server"+path, &server)
	if server.Issuer != about.Servers[0] {
		t.Fatalf("the metadata of %s is that of %s", about.Servers[0], server.Issuer)
	}
	c.issuer, c.authorization, c.token = server.Issuer, server.Authorization, server.Token
	c.registration, c.revocation = server.Registration, server.Revocation
	return c
}

func splitURL(t *testing.T, raw string) (origin, path string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Scheme + "://" + u.Host, u.Path
}

// register registers a client of that name.
func (c *stepClient) register(ctx context.Context, name, redirect string) {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{
		"client_name": name, "redirect_uris": []string{redirect}, "token_endpoint_auth_method": "none",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	var registered struct {
		ID string `json:"client_id"`
	}
	if status := c.send(ctx, http.MethodPost, c.registration, "application/json", string(body), "", &registered); status != http.StatusCreated {
		c.t.Fatalf("the registration is answered with %d", status)
	}
	c.id, c.redirect = registered.ID, redirect
}

// attempt is one authorization request.
type attempt struct{ url, state, verifier string }

// request makes an authorization request. An empty scope is left out; further parameters replace
// the usual ones.
func (c *stepClient) request(scope string, further url.Values) attempt {
	a := attempt{state: rand.Text(), verifier: rand.Text() + rand.Text()}
	challenge := sha256.Sum256([]byte(a.verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {c.redirect}, "state": {a.state},
		"resource": {c.resource}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	if scope != "" {
		query.Set("scope", scope)
	}
	for name, values := range further {
		query[name] = values
	}
	a.url = c.authorization + "?" + query.Encode()
	return a
}

// code reads the redirect that answers an attempt: its code, or the error that it carries. State
// and issuer must be right in both cases.
func (c *stepClient) code(a attempt, redirect string) (code, refused string) {
	c.t.Helper()
	u, err := url.Parse(redirect)
	if err != nil {
		c.t.Fatal(err)
	}
	answer := u.Query()
	if !strings.HasPrefix(redirect, c.redirect+"?") {
		c.t.Fatalf("the answer goes to %s://%s%s, not to %s", u.Scheme, u.Host, u.Path, c.redirect)
	}
	if answer.Get("state") != a.state || answer.Get("iss") != c.issuer {
		c.t.Fatalf("the answer has the state %q and the issuer %q, want %q and %q",
			answer.Get("state"), answer.Get("iss"), a.state, c.issuer)
	}
	if (answer.Get("code") == "") == (answer.Get("error") == "") {
		c.t.Fatalf("the answer has not exactly one of code and error (%s)", answer.Get("error"))
	}
	return answer.Get("code"), answer.Get("error")
}

// reply is a token response or its error.
type reply struct {
	harness.Tokens
	ExpiresIn int    `json:"expires_in"`
	Error     string `json:"error"`
	status    int
}

// tryRedeem sends a code to the token endpoint.
func (c *stepClient) tryRedeem(ctx context.Context, a attempt, code string) reply {
	c.t.Helper()
	return c.tokens(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.redirect}, "code_verifier": {a.verifier},
	})
}

// redeem exchanges a code for tokens.
func (c *stepClient) redeem(ctx context.Context, a attempt, code string) reply {
	c.t.Helper()
	return c.granted("code", c.tryRedeem(ctx, a, code))
}

// tryRefresh sends a refresh token to the token endpoint.
func (c *stepClient) tryRefresh(ctx context.Context, token string) reply {
	c.t.Helper()
	return c.tokens(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// refresh exchanges a refresh token for new tokens.
func (c *stepClient) refresh(ctx context.Context, token string) reply {
	c.t.Helper()
	return c.granted("refresh token", c.tryRefresh(ctx, token))
}

func (c *stepClient) granted(what string, r reply) reply {
	c.t.Helper()
	if r.status != http.StatusOK || r.AccessToken == "" {
		c.t.Fatalf("the %s is answered with %d %s", what, r.status, r.Error)
	}
	return r
}

func (c *stepClient) tokens(ctx context.Context, form url.Values) reply {
	c.t.Helper()
	form.Set("client_id", c.id)
	form.Set("resource", c.resource)
	var r reply
	r.status = c.send(ctx, http.MethodPost, c.token, "application/x-www-form-urlencoded", form.Encode(), "", &r)
	return r
}

// revoke takes a token back.
func (c *stepClient) revoke(ctx context.Context, token, hint string) {
	c.t.Helper()
	form := url.Values{"token": {token}, "token_type_hint": {hint}, "client_id": {c.id}}
	if status := c.send(ctx, http.MethodPost, c.revocation, "application/x-www-form-urlencoded", form.Encode(), "", nil); status != http.StatusOK {
		c.t.Fatalf("the revocation is answered with %d", status)
	}
}

// call asks the resource who the caller of a token is. Of one who is refused nothing but the status
// is known.
func (c *stepClient) call(ctx context.Context, token string) (caller harness.Caller, status int) {
	c.t.Helper()
	origin, _ := splitURL(c.t, c.resource)
	status = c.send(ctx, http.MethodGet, origin+"/whoami", "", "", token, &caller)
	return caller, status
}

// read gets a JSON document.
func (c *stepClient) read(ctx context.Context, address string, into any) {
	c.t.Helper()
	if status := c.send(ctx, http.MethodGet, address, "", "", "", into); status != http.StatusOK {
		c.t.Fatalf("%s is answered with %d", address, status)
	}
}

// send sends a request and reads a JSON answer, whatever its status.
func (c *stepClient) send(ctx context.Context, method, address, contentType, body, token string, into any) int {
	c.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		c.t.Fatal(err)
	}
	if into != nil && strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, into); err != nil {
			c.t.Fatalf("%s answers no JSON: %v", address, err)
		}
	}
	return response.StatusCode
}
