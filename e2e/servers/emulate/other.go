package emulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// OtherTokens logs the same user in to another application of the same emulator, without latchkey.
func (s *Server) OtherTokens(ctx context.Context) (*harness.Tokens, error) {
	query := url.Values{
		"response_type": {"code"}, "client_id": {s.other.ID}, "redirect_uri": {s.redirect},
		"scope": {s.service.scope}, "state": {"other"},
	}
	redirect, err := harness.Walk(ctx, s.origin+s.service.authorize+"?"+query.Encode(), harness.Deny, Pick)
	if err != nil {
		return nil, err
	}
	callback, err := url.Parse(redirect)
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {callback.Query().Get("code")}, "redirect_uri": {s.redirect},
		"client_id": {s.other.ID}, "client_secret": {s.other.Secret},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.gateway.endpoint("/token"), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := s.gateway.client.Do(request) //nolint:gosec // the gateway is ours
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	tokens := new(harness.Tokens)
	if err := json.NewDecoder(response.Body).Decode(tokens); err != nil {
		return nil, fmt.Errorf("the emulator's token endpoint answers %d: %w", response.StatusCode, err)
	}
	if tokens.AccessToken == "" {
		return nil, errors.New("the emulator issues no token")
	}
	return tokens, nil
}

// Issued are the values of all tokens that the emulator issued: access, refresh and ID tokens.
func (s *Server) Issued() []string {
	s.gateway.mu.Lock()
	defer s.gateway.mu.Unlock()
	return slices.Clone(s.gateway.values)
}
