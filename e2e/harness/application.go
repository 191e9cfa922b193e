package harness

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Application is a confidential OAuth client of a provider, registered there beforehand. Its tokens
// are what others than latchkey get from the same provider.
type Application struct {
	ID, Secret, RedirectURI string
	// Authorize and Token are the provider's endpoints.
	Authorize, Token string
	// Scope is what it asks for.
	Scope string
}

// Login gets tokens by the authorization code grant. answer answers the provider's pages, as in
// [Walk].
func (a Application) Login(ctx context.Context, answer func(*Page) (*Form, error)) (*Tokens, error) {
	verifier := rand.Text() + rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {a.ID}, "redirect_uri": {a.RedirectURI}, "scope": {a.Scope},
		"state": {rand.Text()}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	redirect, err := Walk(ctx, a.Authorize+"?"+query.Encode(), Deny, answer)
	if err != nil {
		return nil, err
	}
	callback, err := url.Parse(redirect)
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {callback.Query().Get("code")}, "redirect_uri": {a.RedirectURI},
		"client_id": {a.ID}, "client_secret": {a.Secret}, "code_verifier": {verifier},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := (&http.Client{Timeout: time.Minute}).Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	tokens := new(Tokens)
	if err := json.NewDecoder(response.Body).Decode(tokens); err != nil {
		return nil, fmt.Errorf("the provider's token endpoint answers %d: %w", response.StatusCode, err)
	}
	if tokens.AccessToken == "" {
		return nil, errors.New("the provider issues no token")
	}
	return tokens, nil
}
