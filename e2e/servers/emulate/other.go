package emulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// OtherTokens logs the same user in to another application of the same emulator, without latchkey.
func (s *Server) OtherTokens(ctx context.Context) (*harness.Tokens, error) {
	return s.tokensOf(ctx, s.other)
}

func (s *Server) tokensOf(ctx context.Context, a Application) (*harness.Tokens, error) {
	return harness.Application{
		ID: a.ID, Secret: a.Secret, RedirectURI: s.redirect,
		Authorize: s.origin + s.service.authorize, Token: s.gateway.endpoint("/token"), Scope: s.service.scope,
	}.Login(ctx, Pick)
}

// Honours reports whether the emulator still gives something for a token: new tokens for a refresh
// token or, at GitHub, which has none, the user for an access token.
func (s *Server) Honours(ctx context.Context, token string) (bool, error) {
	if s.service.revoke == "" {
		_, err := s.gateway.profile(ctx, token)
		if errors.Is(err, errRefused) {
			return false, nil
		}
		return err == nil, err
	}
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token},
		"client_id": {s.application.ID}, "client_secret": {s.application.Secret},
	}
	answer, err := s.gateway.post(ctx, s.service.token, form)
	return err == nil && answer.status == http.StatusOK, err
}

// TakeBack is the user who takes back at the provider what they allowed the application.
func (s *Server) TakeBack(ctx context.Context) error {
	for _, token := range s.Issued() {
		var answer reply
		var err error
		if s.service.revoke != "" {
			answer, err = s.gateway.post(ctx, s.service.revoke, url.Values{"token": {token}})
		} else {
			answer, err = s.gateway.takeBack(ctx, s.application.ID, token)
		}
		if err != nil {
			return err
		}
		if answer.status >= http.StatusBadRequest && answer.status != http.StatusUnauthorized {
			return fmt.Errorf("the emulator answers %d", answer.status)
		}
	}
	return nil
}

// Issued are the values of all tokens that the emulator issued: access, refresh and ID tokens.
func (s *Server) Issued() []string {
	s.gateway.mu.Lock()
	defer s.gateway.mu.Unlock()
	return slices.Clone(s.gateway.values)
}

// OwnTokens logs the user in to the application that latchkey is, without latchkey.
func (s *Server) OwnTokens(ctx context.Context) (*harness.Tokens, error) {
	return s.tokensOf(ctx, s.application)
}
