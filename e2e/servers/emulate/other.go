package emulate

import (
	"context"
	"slices"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// OtherTokens logs the same user in to another application of the same emulator, without latchkey.
func (s *Server) OtherTokens(ctx context.Context) (*harness.Tokens, error) {
	return harness.Application{
		ID: s.other.ID, Secret: s.other.Secret, RedirectURI: s.redirect,
		Authorize: s.origin + s.service.authorize, Token: s.gateway.endpoint("/token"), Scope: s.service.scope,
	}.Login(ctx, Pick)
}

// Issued are the values of all tokens that the emulator issued: access, refresh and ID tokens.
func (s *Server) Issued() []string {
	s.gateway.mu.Lock()
	defer s.gateway.mu.Unlock()
	return slices.Clone(s.gateway.values)
}
