package clientshapes_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/browser"
	"github.com/latchkey-auth/latchkey/internal/clientshapes"
	"github.com/latchkey-auth/latchkey/internal/dev"
	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// toolScope is what the tool step_up needs. It is not announced.
const toolScope = "notes:write"

// way is how a client says who it is.
type way string

const (
	byDocument     way = "document"
	byRegistration way = "registration"
)

// Every client that people use logs in, refreshes and steps up, where clients register at the
// identity provider and where they register at the MCP server, in each way that the client knows.
// covers: R1, R3, R4, R5, R27
func TestClientsLogIn(t *testing.T) {
	t.Parallel()
	for _, mode := range []oauth.Mode{oauth.Direct, oauth.Proxy} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			makers := newInternet(t)
			pair := start(t, mode, makers)
			for _, shape := range clientshapes.All() {
				for _, identify := range ways(shape) {
					t.Run(shape.Name+" by "+string(identify), func(t *testing.T) {
						t.Parallel()
						for i := range shape.Redirects {
							play(t, pair, makers, mode, shape, identify, i)
						}
					})
				}
			}
		})
	}
}

// A scheme of the client's own works where the operator allows it.
// covers: R3
func TestClientsLogInByTheirOwnScheme(t *testing.T) {
	t.Parallel()
	for _, mode := range []oauth.Mode{oauth.Direct, oauth.Proxy} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			makers := newInternet(t)
			pair := start(t, mode, makers, "cursor")
			for _, shape := range clientshapes.All() {
				for i, redirect := range shape.Redirects {
					if strings.HasPrefix(redirect, "cursor:") {
						play(t, pair, makers, mode, shape, byRegistration, i)
					}
				}
			}
		})
	}
}

// ways are those that a client knows.
func ways(shape clientshapes.Shape) []way {
	var all []way
	if shape.DocumentURL != "" {
		all = append(all, byDocument)
	}
	if shape.Registration != "" {
		all = append(all, byRegistration)
	}
	return all
}

// internet is what the clients' makers publish: their documents, and one key set for all who sign.
type internet struct {
	key  *jose.SigningKey
	keys []byte
}

func newInternet(t *testing.T) *internet {
	t.Helper()
	key, err := jose.GenerateKey(jose.RS256, "key-of-a-client")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jose.PublicSet(key)
	if err != nil {
		t.Fatal(err)
	}
	return &internet{key: key, keys: keys}
}

// RoundTrip implements [http.RoundTripper].
func (i *internet) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	answer.Header().Set("Content-Type", "application/json")
	for _, shape := range clientshapes.All() {
		if r.URL.String() == shape.DocumentURL {
			_, _ = answer.WriteString(shape.Document)
			return answer.Result(), nil
		}
	}
	if !strings.HasSuffix(r.URL.Path, "/jwks.json") {
		return nil, fmt.Errorf("nothing is at %s", r.URL)
	}
	_, _ = answer.Write(i.keys)
	return answer.Result(), nil
}

// assertion is what a client signs (RFC 7523 section 3).
func (i *internet) assertion(t *testing.T, clientID, audience string) string {
	t.Helper()
	now := time.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": clientID, "sub": clientID, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := i.key.Sign(nil, payload)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// start runs an MCP server and the identity provider that it trusts until the test ends.
func start(t *testing.T, mode oauth.Mode, makers *internet, schemes ...string) *dev.Pair {
	t.Helper()
	many := proxy.Rate{PerSecond: 1000, Burst: 1000} // all clients have one address
	ctx, stop := context.WithCancel(context.Background())
	pair, err := dev.Listen(ctx, dev.Config{
		Mode: mode, Addr: "127.0.0.1:0", IDPAddr: "127.0.0.1:0", Path: "/mcp", Version: "test", ToolScopes: []string{toolScope},
		CustomSchemes:   schemes,
		Limits:          proxy.Limits{Register: many, Authorize: many, Documents: many},
		ClientDocuments: proxy.ClientDocuments{Policy: "open", Client: &http.Client{Transport: makers}},
		Logger:          slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- pair.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return pair
}

// player is one client with its user's browser.
type player struct {
	t        *testing.T
	makers   *internet
	mode     oauth.Mode
	shape    clientshapes.Shape
	browser  *browser.Browser
	resource oauth.ProtectedResourceMetadata
	server   oauth.AuthorizationServerMetadata
	values   clientshapes.Values
	tokens   oauth.TokenResponse
	// signs says that the client signs assertions.
	signs bool
	// keeps says that the client asked for refresh tokens.
	keeps bool
}

// play logs a client in, lets it refresh, and lets it step up.
func play(t *testing.T, pair *dev.Pair, makers *internet, mode oauth.Mode, shape clientshapes.Shape, identify way, redirect int) {
	t.Helper()
	own, err := browser.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, makers: makers, mode: mode, shape: shape, browser: own, values: clientshapes.Values{Port: 40123, Resource: pair.Resource}}
	p.values.Redirect = shape.RedirectURIs(p.values)[redirect]
	// The embedded provider gives refresh tokens to clients that say that they use some.
	p.keeps = mode == oauth.Proxy || identify == byRegistration || strings.Contains(shape.Document, "refresh_token")
	p.discover()
	if identify == byDocument && !p.describe() || identify == byRegistration && !p.register() {
		return
	}
	p.login()
	p.call("whoami", http.StatusOK)
	if p.keeps {
		p.refresh()
		p.call("whoami", http.StatusOK)
	}
	p.stepUp()
}

// discover finds the authorization server, from the challenge on.
func (p *player) discover() {
	p.t.Helper()
	challenge := p.call("whoami", http.StatusUnauthorized)
	p.read(challenge.ResourceMetadata, &p.resource)
	if len(p.resource.AuthorizationServers) != 1 {
		p.t.Fatalf("the resource names the authorization servers %q", p.resource.AuthorizationServers)
	}
	p.read(oauth.InsertWellKnown(p.resource.AuthorizationServers[0], oauth.WellKnownAuthorizationServer), &p.server)
	if !p.shape.ScopesByHand {
		p.values.Scope = strings.Join(p.resource.ScopesSupported, " ")
	}
}

// describe takes the client's document for its client_id, as it does where the server announces
// that it may. It reports whether the client goes on: one that has to sign registers instead where
// nobody announces to check signatures.
func (p *player) describe() bool {
	p.t.Helper()
	methods := p.server.TokenEndpointAuthMethodsSupported
	if !p.server.ClientIDMetadataDocumentSupported || p.shape.NeedsNone && !slices.Contains(methods, "none") {
		p.t.Fatalf("documents announced: %t, methods %q", p.server.ClientIDMetadataDocumentSupported, methods)
	}
	p.signs = p.shape.Signs != "" && slices.Contains(methods, "private_key_jwt")
	if p.shape.Signs != "" && p.mode == oauth.Proxy && !p.signs {
		p.t.Fatalf("methods %q", methods)
	}
	p.values.ClientID = p.shape.DocumentURL
	return p.signs || p.shape.Signs == "" || strings.Contains(p.shape.Document, `"none"`)
}

// sign makes a new assertion for the next request, where the client signs.
func (p *player) sign() clientshapes.Values {
	p.t.Helper()
	if p.signs {
		p.values.Assertion = p.makers.assertion(p.t, p.values.ClientID, p.server.Issuer)
	}
	return p.values
}

// register registers the client, and reports whether its redirect URI was registered. Those of the
// web are, others where the server allows their scheme.
func (p *player) register() bool {
	p.t.Helper()
	body := p.shape.RegistrationBody(p.values)
	var answer oauth.ClientInformation
	if status := p.send(http.MethodPost, p.server.RegistrationEndpoint, "application/json", body, &answer); status != http.StatusCreated {
		p.t.Fatalf("the registration is answered with %d", status)
	}
	if answer.TokenEndpointAuthMethod != "none" && p.mode == oauth.Proxy {
		p.t.Errorf("registered with %s", answer.TokenEndpointAuthMethod)
	}
	p.values.ClientID, p.values.Secret, p.values.RegisteredScope = answer.ClientID, answer.ClientSecret, answer.Scope
	registered := slices.ContainsFunc(answer.RedirectURIs, func(uri string) bool {
		return uri == p.values.Redirect || uri == strings.Replace(p.values.Redirect, fmt.Sprintf(":%d", p.values.Port), "", 1)
	})
	if strings.HasPrefix(p.values.Redirect, "http") && !registered {
		p.t.Fatalf("%s is not registered", p.values.Redirect)
	}
	return registered
}

// login sends the user through an authorization request, and redeems the code.
func (p *player) login() {
	p.t.Helper()
	p.values.State, p.values.Verifier = rand.Text(), rand.Text()+rand.Text()
	challenge := sha256.Sum256([]byte(p.values.Verifier))
	p.values.Challenge = base64.RawURLEncoding.EncodeToString(challenge[:])
	u, err := url.Parse(p.server.AuthorizationEndpoint)
	if err != nil {
		p.t.Fatal(err)
	}
	query := p.shape.AuthorizeQuery(p.values)
	u.RawQuery = query.Encode()
	if p.shape.AsksFirst {
		p.send(http.MethodGet, u.String(), "", "", nil)
	}
	back, err := p.walk(u)
	if err != nil {
		p.t.Fatal(err)
	}
	answer := back.Query()
	if back.Query().Get("code") == "" || answer.Get("state") != query.Get("state") || answer.Get("iss") != p.server.Issuer ||
		!strings.HasPrefix(back.String(), p.values.Redirect+"?") {
		p.t.Fatalf("the login ends at %s with error %q (%s), state %q and iss %q",
			p.values.Redirect, answer.Get("error"), answer.Get("error_description"), answer.Get("state"), answer.Get("iss"))
	}
	p.values.Code = answer.Get("code")
	p.redeem(p.shape.TokenForm(p.sign()))
}

// walk is what the user's browser does between an authorization request and the redirect back to
// the client.
func (p *player) walk(authorize *url.URL) (*url.URL, error) {
	ctx := p.t.Context()
	if p.mode == oauth.Direct {
		return devidp.Login(ctx, nil, authorize.String(), "alice")
	}
	login, err := p.browser.Consent(ctx, authorize)
	if err != nil {
		return nil, err
	}
	callback, err := devidp.Login(ctx, nil, login.String(), "alice")
	if err != nil {
		return nil, err
	}
	return p.browser.Return(ctx, callback)
}

// redeem sends a form to the token endpoint and keeps the answer.
func (p *player) redeem(form url.Values) {
	p.t.Helper()
	var answer struct {
		oauth.TokenResponse
		oauth.ErrorResponse
	}
	status := p.send(http.MethodPost, p.server.TokenEndpoint, "application/x-www-form-urlencoded", form.Encode(), &answer)
	if status != http.StatusOK || answer.AccessToken == "" || p.keeps && answer.RefreshToken == "" {
		p.t.Fatalf("%s is answered with %d %s: %s", form.Get("grant_type"), status, answer.Error, answer.ErrorDescription)
	}
	p.tokens = answer.TokenResponse
	p.values.RefreshToken = answer.RefreshToken
}

func (p *player) refresh() {
	p.t.Helper()
	before := p.tokens
	p.redeem(p.shape.RefreshForm(p.sign()))
	if p.tokens.AccessToken == before.AccessToken || p.tokens.RefreshToken == before.RefreshToken {
		p.t.Error("the refresh changed nothing")
	}
	if p.tokens.Scope != before.Scope {
		p.t.Errorf("the refresh changed the scope from %q to %q", before.Scope, p.tokens.Scope)
	}
}

// stepUp calls the tool that needs one more scope, and logs in once more with what the challenge
// says.
func (p *player) stepUp() {
	p.t.Helper()
	challenge := p.call("step_up", http.StatusForbidden)
	if challenge.Error != oauth.CodeInsufficientScope || !slices.Contains(oauth.ParseScope(challenge.Scope), toolScope) {
		p.t.Fatalf("the challenge asks for %q with %s", challenge.Scope, challenge.Error)
	}
	p.values.Scope = challenge.Scope
	p.login()
	p.call("step_up", http.StatusOK)
}

// call calls a tool with the client's token, and returns the challenge of the answer, if it has
// one.
func (p *player) call(tool string, want int) oauth.Challenge {
	p.t.Helper()
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.values.Resource, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	request.Header.Set("Mcp-Protocol-Version", p.shape.Revision)
	if p.tokens.AccessToken != "" {
		request.Header.Set("Authorization", "Bearer "+p.tokens.AccessToken)
	}
	response, text, err := do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	if response.StatusCode != want || want == http.StatusOK && !strings.Contains(string(text), "alice") {
		p.t.Fatalf("%s is answered with %s, want %d: %s", tool, response.Status, want, text)
	}
	if challenges := oauth.ParseChallenges(response.Header.Values("WWW-Authenticate")); len(challenges) == 1 {
		return challenges[0]
	}
	return oauth.Challenge{}
}

func (p *player) read(address string, into any) {
	p.t.Helper()
	if status := p.send(http.MethodGet, address, "", "", into); status != http.StatusOK {
		p.t.Fatalf("%s is answered with %d", address, status)
	}
}

// send sends a request as the client does, and reads a JSON answer.
func (p *player) send(method, address, contentType, body string, into any) int {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, h := range p.shape.Headers {
		request.Header.Set(h.Name, h.Value)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, text, err := do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			p.t.Fatalf("%s answers %s and no JSON: %s", request.URL.Path, response.Status, text)
		}
	}
	return response.StatusCode
}

func do(request *http.Request) (*http.Response, []byte, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response, text, errors.Join(err, response.Body.Close())
}
