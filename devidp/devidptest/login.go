package devidptest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/browser"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// Login plays a client that registers at a guard in mode proxy, and a user who allows what it asks
// for and logs in here. It returns what the client gets: tokens of the guard. The guard's own
// handler answers, so the server need not listen at its public URL, nor at all. Without scopes the
// client asks for none, and gets the guard's default ones. A problem ends the test.
//
// A guard in mode direct has no login of its own: [devidp.TestServer.Token] makes its tokens.
func (i *IDP) Login(t devidp.TB, guard *runtime.Guard, user string, scopes ...string) oauth.TokenResponse {
	t.Helper()
	return i.loginAt(t, server{resource: guard.Resource(), prefix: prefixOf(guard), handler: guard.Handler()}, user, scopes)
}

// LoginAt is [IDP.Login] at a whole server, whatever its framework: a handler that answers at the
// paths of the resource's URL.
func (i *IDP) LoginAt(t devidp.TB, handler http.Handler, resource, user string, scopes ...string) oauth.TokenResponse {
	t.Helper()
	return i.loginAt(t, server{resource: resource, handler: handler}, user, scopes)
}

func (i *IDP) loginAt(t devidp.TB, at server, user string, scopes []string) oauth.TokenResponse {
	t.Helper()
	tokens, err := i.login(context.Background(), at, user, scopes)
	if err != nil {
		t.Fatalf("devidptest: login as %q: %v", user, err)
	}
	return tokens
}

// server is where somebody logs in: the URL of a resource, what a reverse proxy takes away from its
// path, and what answers behind it.
type server struct {
	resource, prefix string
	handler          http.Handler
}

// clientRedirect is where the client of a login listens, as native ones do (RFC 8252 section 7.3).
// Nobody goes there: the last redirect is read and not followed.
const clientRedirect = "http://127.0.0.1:33418/callback"

func (i *IDP) login(ctx context.Context, at server, user string, scopes []string) (oauth.TokenResponse, error) {
	c, err := newClient(ctx, i.Client(), at)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	verifier, state := rand.Text()+rand.Text(), rand.Text()
	authorize, err := c.authorizeURL(verifier, state, scopes)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	visitor, err := browser.New(c.http)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	login, err := visitor.Consent(ctx, authorize)
	if err != nil {
		return oauth.TokenResponse{}, fmt.Errorf("consent: %w", err)
	}
	callback, err := devidp.Login(ctx, i.Client(), login.String(), user)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	back, err := visitor.Return(ctx, callback)
	if err != nil {
		return oauth.TokenResponse{}, fmt.Errorf("callback: %w", err)
	}
	return c.redeem(ctx, back.Query(), verifier, state)
}

// client is an OAuth client of a guard.
type client struct {
	http     *http.Client
	id       string
	resource string
	server   oauth.AuthorizationServerMetadata
}

// newClient finds the guard's endpoints and registers there, as clients do.
func newClient(ctx context.Context, reach *http.Client, at server) (*client, error) {
	resource, err := url.Parse(at.resource)
	if err != nil {
		return nil, err
	}
	own := *reach
	own.Transport = inProcess{host: resource.Host, prefix: at.prefix, handler: at.handler}
	c := &client{http: &own, resource: at.resource}
	metadata := resource.Scheme + "://" + resource.Host + "/.well-known/" + oauth.WellKnownAuthorizationServer + strings.TrimSuffix(resource.Path, "/")
	if err := c.exchange(ctx, http.MethodGet, metadata, "", "", &c.server); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	if c.server.Issuer != c.resource {
		return nil, errors.New("the guard is in mode direct: make a token for it with Token, or give it a ProxyProvider")
	}
	registration, err := json.Marshal(oauth.ClientMetadata{
		ClientName: "Test client", RedirectURIs: []string{clientRedirect}, TokenEndpointAuthMethod: "none",
		GrantTypes: []string{"authorization_code", "refresh_token"},
	})
	if err != nil {
		return nil, err
	}
	var registered oauth.ClientInformation
	err = c.exchange(ctx, http.MethodPost, c.server.RegistrationEndpoint, "application/json", string(registration), &registered)
	if err != nil {
		return nil, fmt.Errorf("registration: %w", err)
	}
	c.id = registered.ClientID
	return c, nil
}

// prefixOf is what a reverse proxy takes away from paths before they arrive at the guard.
func prefixOf(guard *runtime.Guard) string {
	resource, err := url.Parse(guard.Resource())
	if err != nil {
		return "" // the guard has looked at it
	}
	prefix, _ := strings.CutSuffix(resource.Path, guard.EndpointPaths()[0])
	return prefix
}

func (c *client) authorizeURL(verifier, state string, scopes []string) (*url.URL, error) {
	address, err := url.Parse(c.server.AuthorizationEndpoint)
	if err != nil {
		return nil, err
	}
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {clientRedirect}, "state": {state}, "resource": {c.resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	if len(scopes) > 0 {
		query.Set("scope", strings.Join(scopes, " "))
	}
	address.RawQuery = query.Encode()
	return address, nil
}

// redeem reads the authorization response and gets its tokens.
func (c *client) redeem(ctx context.Context, response url.Values, verifier, state string) (oauth.TokenResponse, error) {
	var tokens oauth.TokenResponse
	if code := response.Get("error"); code != "" {
		return tokens, fmt.Errorf("the authorization response says %s: %s", code, response.Get("error_description"))
	}
	if response.Get("state") != state || response.Get("iss") != c.server.Issuer {
		return tokens, errors.New("the authorization response has another state or issuer")
	}
	err := c.exchange(ctx, http.MethodPost, c.server.TokenEndpoint, "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"authorization_code"}, "code": {response.Get("code")}, "redirect_uri": {clientRedirect}, "client_id": {c.id},
		"code_verifier": {verifier}, "resource": {c.resource},
	}.Encode(), &tokens)
	if err != nil {
		return tokens, fmt.Errorf("tokens: %w", err)
	}
	return tokens, nil
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// exchange sends a request and reads the JSON of its answer.
func (c *client) exchange(ctx context.Context, method, address, contentType, body string, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		var refusal oauth.ErrorResponse
		_ = json.Unmarshal(text, &refusal)
		return fmt.Errorf("%s answered %s: %s %s", request.URL.Path, response.Status, refusal.Error, refusal.ErrorDescription)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s answered no JSON", request.URL.Path)
	}
	return nil
}

// inProcess answers requests to a guard by its handler, and no others.
type inProcess struct {
	host, prefix string
	handler      http.Handler
}

// RoundTrip gives the handler a request as it would have arrived.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != p.host {
		return nil, fmt.Errorf("the guard leads to %s, which is not its own host", r.URL.Host)
	}
	arriving := *r.URL
	arriving.Path = strings.TrimPrefix(r.URL.Path, p.prefix)
	body := io.Reader(http.NoBody)
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
		body = r.Body
	}
	request := httptest.NewRequestWithContext(r.Context(), r.Method, arriving.String(), body)
	request.Header = r.Header.Clone()
	recorder := httptest.NewRecorder()
	p.handler.ServeHTTP(recorder, request)
	response := recorder.Result()
	response.Request = r
	return response, nil
}
