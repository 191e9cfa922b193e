package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// client is an MCP client that does what the authorization chapter of the protocol asks of one, by
// hand, so that every message can be shown.
type client struct {
	http  *http.Client
	say   *transcript
	mcp   *url.URL
	login func(ctx context.Context, authorize *url.URL) (*url.URL, error)
	// sealed says that the client_id is a sealed value, of which callers carry a short name.
	sealed bool

	challenge    oauth.Challenge
	resource     oauth.ProtectedResourceMetadata
	server       oauth.AuthorizationServerMetadata
	registration oauth.ClientInformation
	tokens       oauth.TokenResponse
}

// redirectURI is where the client would listen. The demo reads the redirect itself instead.
const redirectURI = "http://127.0.0.1:33418/callback"

// maxAnswer bounds what the client reads of an answer.
const maxAnswer = 1 << 20

// answer is a response that was read to its end.
type answer struct {
	Status     string
	StatusCode int
	Header     http.Header
	Body       []byte
}

func (c *client) do(request *http.Request) (answer, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return answer{Status: response.Status, StatusCode: response.StatusCode, Header: response.Header, Body: body}, err
}

func (c *client) getJSON(ctx context.Context, address string, into any) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	c.say.sent(http.MethodGet, u)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	response, err := c.do(request)
	if err != nil {
		return err
	}
	c.say.received(response)
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", u.Path, response.Status)
	}
	return json.Unmarshal(response.Body, into)
}

// meetChallenge calls the server without a token and reads its challenge.
func (c *client) meetChallenge(ctx context.Context) error {
	response, _, err := c.call(ctx, "", "initialize", initializeParams)
	if err != nil {
		return err
	}
	c.say.received(response, "WWW-Authenticate: "+response.Header.Get("WWW-Authenticate"))
	if response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("a call without a token was answered %s, want 401", response.Status)
	}
	challenges := oauth.ParseChallenges(response.Header.Values("WWW-Authenticate"))
	if len(challenges) != 1 || challenges[0].ResourceMetadata == "" || challenges[0].Error != "" {
		return errors.New("the challenge must name resource_metadata and, without credentials, no error (RFC 6750 section 3.1)")
	}
	c.challenge = challenges[0]
	c.say.holdsf("401, and the challenge says where the resource's metadata is")
	return nil
}

// readResource fetches the protected resource metadata.
func (c *client) readResource(ctx context.Context) error {
	if err := c.getJSON(ctx, c.challenge.ResourceMetadata, &c.resource); err != nil {
		return err
	}
	if c.resource.Resource != c.mcp.String() || len(c.resource.AuthorizationServers) == 0 {
		return fmt.Errorf("the metadata is for %q and names %d authorization servers", c.resource.Resource, len(c.resource.AuthorizationServers))
	}
	c.say.details([]string{"authorization_servers: " + strings.Join(c.resource.AuthorizationServers, ", "), "scopes_supported: " + strings.Join(c.resource.ScopesSupported, " ")})
	c.say.holdsf("it is for exactly this resource (RFC 9728 section 3.3)")
	return nil
}

// discover fetches the authorization server's metadata.
func (c *client) discover(ctx context.Context) error {
	issuer := c.resource.AuthorizationServers[0]
	var err error
	for _, address := range oauth.AuthorizationServerMetadataURLs(issuer) {
		if err = c.getJSON(ctx, address, &c.server); err == nil {
			break
		}
	}
	switch {
	case err != nil:
		return err
	case c.server.Issuer != issuer:
		return fmt.Errorf("the metadata's issuer is %q, announced was %q", c.server.Issuer, issuer)
	case !slices.Contains(c.server.CodeChallengeMethodsSupported, "S256"):
		return errors.New("the authorization server does not announce PKCE with S256")
	}
	c.say.holdsf("its issuer is the announced one, PKCE with S256 is offered")
	return nil
}

// register registers the client (RFC 7591).
func (c *client) register(ctx context.Context) error {
	u, err := url.Parse(c.server.RegistrationEndpoint)
	if err != nil {
		return err
	}
	body, err := json.Marshal(oauth.ClientMetadata{
		ClientName: "latchkey demo", RedirectURIs: []string{redirectURI}, TokenEndpointAuthMethod: "none",
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, ApplicationType: "native",
	})
	if err != nil {
		return err
	}
	c.say.sent(http.MethodPost, u, string(body))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.do(request)
	if err != nil {
		return err
	}
	c.say.received(response)
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("registration answered %s", response.Status)
	}
	if err := json.Unmarshal(response.Body, &c.registration); err != nil || c.registration.ClientID == "" {
		return errors.New("the registration's answer has no client_id")
	}
	c.say.holdsf("registered as a public client")
	return nil
}

// attempt is one authorization request with what the client keeps to itself.
type attempt struct {
	url             *url.URL
	verifier, state string
	resource        string
	redirect        string
}

// attempt makes an authorization request for a resource.
func (c *client) attempt(resource, redirect string) (attempt, error) {
	verifier, state := rand.Text()+rand.Text(), rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	u, err := url.Parse(c.server.AuthorizationEndpoint)
	if err != nil {
		return attempt{}, err
	}
	scopes := append(slices.Clone(c.resource.ScopesSupported), "offline_access")
	u.RawQuery = url.Values{
		"response_type": {"code"}, "client_id": {c.registration.ClientID}, "redirect_uri": {redirect},
		"scope": {strings.Join(scopes, " ")}, "state": {state}, "resource": {resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}.Encode()
	return attempt{url: u, verifier: verifier, state: state, resource: resource, redirect: redirect}, nil
}

// authorize lets the user log in and consent, and redeems the code for tokens of the given
// resource.
func (c *client) authorize(ctx context.Context, resource string) (oauth.TokenResponse, error) {
	a, err := c.attempt(resource, redirectURI)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	c.say.sent("browser opens", a.url)
	redirect, err := c.login(ctx, a.url)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	code, err := c.codeOf(a, redirect)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	c.say.holdsf("logged in and consented; state and iss are ours and the server's")
	return c.redeemCode(ctx, a, code)
}

// codeOf takes the code of an authorization response, if it is one to the attempt.
func (c *client) codeOf(a attempt, redirect *url.URL) (string, error) {
	c.say.sent("browser returns to", redirect)
	query := redirect.Query()
	switch {
	case query.Get("state") != a.state:
		return "", errors.New("the redirect carries another state")
	case query.Get("iss") != c.server.Issuer:
		return "", fmt.Errorf("the redirect's iss is %q (RFC 9207)", query.Get("iss"))
	case query.Get("code") == "":
		return "", fmt.Errorf("the login ended with %q", query.Get("error"))
	}
	return query.Get("code"), nil
}

func (c *client) redeemCode(ctx context.Context, a attempt, code string) (oauth.TokenResponse, error) {
	return c.redeem(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.redirect},
		"client_id": {c.registration.ClientID}, "code_verifier": {a.verifier}, "resource": {a.resource},
	})
}

// refresh exchanges the refresh token.
func (c *client) refresh(ctx context.Context) (oauth.TokenResponse, error) {
	return c.redeem(ctx, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {c.tokens.RefreshToken},
		"client_id": {c.registration.ClientID}, "resource": {c.resource.Resource},
	})
}

func (c *client) redeem(ctx context.Context, form url.Values) (oauth.TokenResponse, error) {
	var tokens oauth.TokenResponse
	u, err := url.Parse(c.server.TokenEndpoint)
	if err != nil {
		return tokens, err
	}
	c.say.sent(http.MethodPost, u, formForPeople(form))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return tokens, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := c.do(request)
	if err != nil {
		return tokens, err
	}
	if response.StatusCode != http.StatusOK {
		c.say.received(response)
		return tokens, fmt.Errorf("the token endpoint answered %s", response.Status)
	}
	if err := json.Unmarshal(response.Body, &tokens); err != nil {
		return tokens, err
	}
	c.say.received(response, fmt.Sprintf("%s, access token %s, refresh token %s, expires in %d s, scope %q",
		tokens.TokenType, hidden(tokens.AccessToken), hidden(tokens.RefreshToken), tokens.ExpiresIn, tokens.Scope))
	if response.Header.Get("Cache-Control") != "no-store" {
		return tokens, errors.New("tokens must be answered with Cache-Control: no-store")
	}
	return tokens, nil
}

// The protocol revision that the client speaks, in the header and at initialize.
const protocolVersion = "2025-11-25"

var initializeParams = map[string]any{
	"protocolVersion": protocolVersion, "capabilities": map[string]any{},
	"clientInfo": map[string]any{"name": "latchkey-demo", "version": "1"},
}

// call sends one JSON-RPC request to the MCP endpoint.
func (c *client) call(ctx context.Context, token, method string, params any) (answer, json.RawMessage, error) {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return answer{}, nil, err
	}
	details := []string{string(body)}
	if token != "" {
		details = append(details, "Authorization: Bearer "+hidden(token))
	}
	c.say.sent(http.MethodPost, c.mcp, details...)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.mcp.String(), bytes.NewReader(body))
	if err != nil {
		return answer{}, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	request.Header.Set("Mcp-Protocol-Version", protocolVersion)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.do(request)
	if err != nil {
		return answer{}, nil, err
	}
	return response, payload(response), nil
}

// payload is the JSON-RPC message of an answer, which may come as a stream of one event.
func payload(response answer) json.RawMessage {
	if media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); media != "text/event-stream" {
		return response.Body
	}
	for line := range strings.Lines(string(response.Body)) {
		if data, ok := strings.CutPrefix(line, "data:"); ok && strings.TrimSpace(data) != "" {
			return json.RawMessage(strings.TrimSpace(data))
		}
	}
	return nil
}

// result calls a method with the client's token and returns the result.
func (c *client) result(ctx context.Context, method string, params any) (json.RawMessage, error) {
	response, message, err := c.call(ctx, c.tokens.AccessToken, method, params)
	if err != nil {
		return nil, err
	}
	c.say.received(response)
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s was answered %s", method, response.Status)
	}
	var reply struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(message, &reply); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	if reply.Error != nil {
		return nil, fmt.Errorf("%s: %s", method, reply.Error.Message)
	}
	return reply.Result, nil
}

// refused calls with a token that must not be accepted.
func (c *client) refused(ctx context.Context, token string) error {
	response, _, err := c.call(ctx, token, "tools/list", nil)
	if err != nil {
		return err
	}
	c.say.received(response, "WWW-Authenticate: "+response.Header.Get("WWW-Authenticate"))
	challenges := oauth.ParseChallenges(response.Header.Values("WWW-Authenticate"))
	if response.StatusCode != http.StatusUnauthorized || len(challenges) != 1 || challenges[0].Error != oauth.CodeInvalidToken {
		return fmt.Errorf("answered %s, want 401 with invalid_token", response.Status)
	}
	return nil
}
