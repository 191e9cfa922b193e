package harness

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// redirectURI is where an OAuthClient's browser ends. Nobody listens: the redirect is read, not followed.
const redirectURI = "http://127.0.0.1:33418/callback"

// OAuthClient is a bare OAuth client, for asking an authorization server for exactly the token that a test wants.
type OAuthClient struct {
	server   Server
	metadata struct {
		Authorization string `json:"authorization_endpoint"`
		Token         string `json:"token_endpoint"`
		Registration  string `json:"registration_endpoint"`
	}
	clientID string
	http     *http.Client
}

// Tokens is a token response.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
}

// NewOAuthClient reads the server's OpenID configuration and registers a public client.
func NewOAuthClient(ctx context.Context, server Server) (*OAuthClient, error) {
	return NewOAuthClientAt(ctx, server, strings.TrimSuffix(server.Issuer(), "/")+"/.well-known/openid-configuration")
}

// NewOAuthClientAt is NewOAuthClient with the address of the metadata: that of a resource server which registers clients
// itself, or of a server whose OpenID configuration does not say enough.
func NewOAuthClientAt(ctx context.Context, server Server, metadata string) (*OAuthClient, error) {
	transport, err := trustingTransport(server)
	if err != nil {
		return nil, err
	}
	c := &OAuthClient{server: server, http: &http.Client{Timeout: time.Minute, Transport: transport}}
	if err := c.call(ctx, http.MethodGet, metadata, "", nil, &c.metadata); err != nil {
		return nil, err
	}
	registration, err := json.Marshal(map[string]any{
		"client_name":                "latchkey token test",
		"redirect_uris":              []string{redirectURI},
		"grant_types":                []string{"authorization_code", "refresh_token"},
		"response_types":             []string{"code"},
		"token_endpoint_auth_method": "none",
		"application_type":           "native",
	})
	if err != nil {
		return nil, err
	}
	var registered struct {
		ClientID string `json:"client_id"`
	}
	err = c.call(ctx, http.MethodPost, c.metadata.Registration, "application/json", registration, &registered)
	if err != nil {
		return nil, err
	}
	c.clientID = registered.ClientID
	return c, nil
}

// ClientID is the registered client.
func (c *OAuthClient) ClientID() string { return c.clientID }

// Login gets tokens by the authorization code grant with PKCE. An empty resource is not sent.
func (c *OAuthClient) Login(ctx context.Context, scope, resource string) (*Tokens, error) {
	return c.login(ctx, scope, resource, true)
}

// LoginWithoutPKCE is Login as no client should do it.
func (c *OAuthClient) LoginWithoutPKCE(ctx context.Context, scope, resource string) (*Tokens, error) {
	return c.login(ctx, scope, resource, false)
}

func (c *OAuthClient) login(ctx context.Context, scope, resource string, pkce bool) (*Tokens, error) {
	verifier, state := rand.Text()+rand.Text(), rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type":         {"code"},
		"client_id":             {c.clientID},
		"redirect_uri":          {redirectURI},
		"scope":                 {scope},
		"state":                 {state},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"client_id":     {c.clientID},
		"redirect_uri":  {redirectURI},
		"code_verifier": {verifier},
	}
	if !pkce {
		query.Del("code_challenge")
		query.Del("code_challenge_method")
		form.Del("code_verifier")
	}
	if resource != "" {
		query.Set("resource", resource)
		form.Set("resource", resource)
	}
	redirect, err := c.server.Login(ctx, c.metadata.Authorization+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	callback, err := url.Parse(redirect)
	if err != nil {
		return nil, err
	}
	answer := callback.Query()
	if answer.Get("state") != state || answer.Get("code") == "" {
		return nil, fmt.Errorf("no code at the callback: %s: %s", answer.Get("error"), answer.Get("error_description"))
	}
	form.Set("code", answer.Get("code"))
	tokens := new(Tokens)
	err = c.call(ctx, http.MethodPost, c.metadata.Token, "application/x-www-form-urlencoded", []byte(form.Encode()), tokens)
	return tokens, err
}

// Refresh gets tokens by a refresh token.
func (c *OAuthClient) Refresh(ctx context.Context, refreshToken, resource string) (*Tokens, error) {
	form := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {c.clientID}, "refresh_token": {refreshToken}, "resource": {resource},
	}
	tokens := new(Tokens)
	err := c.call(ctx, http.MethodPost, c.metadata.Token, "application/x-www-form-urlencoded", []byte(form.Encode()), tokens)
	return tokens, err
}

func (c *OAuthClient) call(ctx context.Context, method, target, contentType string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s answers %d: %s", method, target, response.StatusCode, answer)
	}
	return json.Unmarshal(answer, into)
}
