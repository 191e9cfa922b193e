package grants

import (
	"context"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// Request is a token request of a client that is known (RFC 6749 section 4.1.3 and others).
type Request struct {
	params.Params

	// Client is the digest of the client's client_id, Label its name for logs and callers.
	Client tickets.ID
	Label  string
}

// Type is a grant type of the token endpoint (RFC 6749 section 1.3).
type Type interface {
	// Name is the value of grant_type.
	Name() string
	// Give answers a token request.
	Give(ctx context.Context, r Request) (oauth.TokenResponse, *oauth.Error)
}

// VerifyFunc checks an access token of the provider for a resource and returns its caller. The
// errors are those of [oauth.Provider.Verify]: [oauth.ErrInvalidToken] for a token that will never
// do, [oauth.ErrTemporarilyUnavailable] when the provider could not be asked.
//
// It must refuse tokens that the provider issued to other applications. Where the provider's tokens
// name no application and it offers no way to ask, accepting all is tolerable: the broker only
// shows tokens that it got itself, for a code that was issued to its own client id, from the
// provider's token endpoint.
type VerifyFunc func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error)
