package harness

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
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// redirectURI is where an OAuthClient's browser ends. Nobody listens: the redirect is read, not
// followed.
const redirectURI = "http://127.0.0.1:33418/callback"

// OAuthClient is a bare OAuth client, for asking an authorization server for exactly the token that
// a test wants.
type OAuthClient struct {
	server   Server
	metadata struct {
		Authorization string `json:"authorization_endpoint"`
		Token         string `json:"token_endpoint"`
		Registration  string `json:"registration_endpoint"`
		Revocation    string `json:"revocation_endpoint"`
		Documents     bool   `json:"client_id_metadata_document_supported"`
	}
	clientID string
	secret   string // of a confidential client
	http     *http.Client
}

// Tokens is a token response.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
	Type         string `json:"token_type"`
}

// NewOAuthClient reads the server's OpenID configuration and registers a public client.
func NewOAuthClient(ctx context.Context, server Server) (*OAuthClient, error) {
	return NewOAuthClientAt(ctx, server, strings.TrimSuffix(server.Issuer(), "/")+"/.well-known/openid-configuration")
}

// NewConfidentialClient is NewOAuthClient for a client with a secret, which it sends in the
// Authorization header (client_secret_basic).
func NewConfidentialClient(ctx context.Context, server Server) (*OAuthClient, error) {
	metadata := clientMetadata()
	metadata["token_endpoint_auth_method"] = "client_secret_basic"
	return register(ctx, server, strings.TrimSuffix(server.Issuer(), "/")+"/.well-known/openid-configuration", metadata)
}

// NewOAuthClientAt is NewOAuthClient with the address of the metadata: that of a resource server
// which registers clients itself, or of a server whose OpenID configuration does not say enough.
func NewOAuthClientAt(ctx context.Context, server Server, metadata string) (*OAuthClient, error) {
	return register(ctx, server, metadata, clientMetadata())
}

func register(ctx context.Context, server Server, address string, metadata map[string]any) (*OAuthClient, error) {
	c, err := unregistered(ctx, server, address)
	if err != nil {
		return nil, err
	}
	registration, err := json.Marshal(metadata)
	if err != nil {
		return nil, err
	}
	var registered struct {
		ClientID string `json:"client_id"`
		Secret   string `json:"client_secret"`
	}
	err = c.call(ctx, http.MethodPost, c.metadata.Registration, "application/json", registration, &registered)
	if err != nil {
		return nil, err
	}
	c.clientID = registered.ClientID
	if metadata["token_endpoint_auth_method"] != "none" {
		c.secret = registered.Secret
	}
	return c, nil
}

// NewDocumentClient is NewOAuthClient for a client that does not register: its client id is the
// address where the server finds its [ClientDocument].
func NewDocumentClient(ctx context.Context, server Server, clientID string) (*OAuthClient, error) {
	c, err := unregistered(ctx, server, strings.TrimSuffix(server.Issuer(), "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	if !c.metadata.Documents {
		return nil, errors.New("the server announces no support for client id metadata documents")
	}
	c.clientID = clientID
	return c, nil
}

// ClientDocument is the client id metadata document (CIMD) of a client at its address.
func ClientDocument(clientID string) map[string]any {
	document := clientMetadata()
	document["client_id"] = clientID
	return document
}

func clientMetadata() map[string]any {
	return map[string]any{
		"client_name":                "latchkey token test",
		"redirect_uris":              []string{redirectURI},
		"grant_types":                []string{"authorization_code", "refresh_token"},
		"response_types":             []string{"code"},
		"token_endpoint_auth_method": "none",
		"application_type":           "native",
	}
}

func unregistered(ctx context.Context, server Server, metadata string) (*OAuthClient, error) {
	transport, err := trustingTransport(server)
	if err != nil {
		return nil, err
	}
	c := &OAuthClient{server: server, http: &http.Client{Timeout: time.Minute, Transport: transport}}
	return c, c.call(ctx, http.MethodGet, metadata, "", nil, &c.metadata)
}

// ClientID is the registered client.
func (c *OAuthClient) ClientID() string { return c.clientID }

// Login gets tokens by the authorization code grant with PKCE. An empty resource is not sent.
func (c *OAuthClient) Login(ctx context.Context, scope, resource string) (*Tokens, error) {
	return c.login(ctx, scope, resource, manner{pkce: true})
}

// LoginWithoutPKCE is Login as no client should do it.
func (c *OAuthClient) LoginWithoutPKCE(ctx context.Context, scope, resource string) (*Tokens, error) {
	return c.login(ctx, scope, resource, manner{})
}

// LoginWithDPoP is Login with a proof of a new key (RFC 9449), to which the tokens are bound.
func (c *OAuthClient) LoginWithDPoP(ctx context.Context, scope, resource string) (*Tokens, error) {
	proof, err := dpopProof(http.MethodPost, c.metadata.Token)
	if err != nil {
		return nil, err
	}
	return c.login(ctx, scope, resource, manner{pkce: true, proof: proof})
}

// manner is how a client logs in.
type manner struct {
	pkce  bool
	proof string // goes into the header DPoP of the token request
}

func (c *OAuthClient) login(ctx context.Context, scope, resource string, how manner) (*Tokens, error) {
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
	if !how.pkce {
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
	err = c.call(ctx, http.MethodPost, c.metadata.Token, "application/x-www-form-urlencoded", []byte(form.Encode()), tokens,
		"DPoP", how.proof)
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

// Revoke ends a token at the server (RFC 7009).
func (c *OAuthClient) Revoke(ctx context.Context, token string) error {
	form := url.Values{"token": {token}, "client_id": {c.clientID}}
	return c.call(ctx, http.MethodPost, c.metadata.Revocation, "application/x-www-form-urlencoded", []byte(form.Encode()), nil)
}

// call sends a request with pairs of further headers, of which empty ones are left out.
func (c *OAuthClient) call(ctx context.Context, method, target, contentType string, body []byte, into any, headers ...string) error {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if c.secret != "" {
		request.SetBasicAuth(url.QueryEscape(c.clientID), url.QueryEscape(c.secret))
	}
	for pair := range slices.Chunk(append([]string{"Content-Type", contentType}, headers...), 2) {
		if pair[1] != "" {
			request.Header.Set(pair[0], pair[1])
		}
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
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
