package grants

import (
	"context"
	"errors"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// Request is a token request of a client that is known (RFC 6749 section 4.1.3 and others).
type Request struct {
	params.Params

	// Client stands in sealed values for the client if it need not authenticate, Confidential if it
	// must. Label is its name for logs and callers.
	Client, Confidential tickets.ID
	Label                string
	// Address is the client's as limits count it; empty where those of addresses are off.
	Address string
	// Authenticated says that the client did authenticate.
	Authenticated bool
}

// owns checks that what was sealed for a client is good for the one that asks.
func (r Request) owns(client tickets.ID) *oauth.Error {
	switch {
	case client == r.Client, client == r.Confidential && r.Authenticated:
		return nil
	case client == r.Confidential:
		return unauthenticated()
	default:
		return refusal.InvalidGrant(oauth.ReasonOtherClient, nil)
	}
}

// unauthenticated is the refusal of a client that signed when its login began, or had to, and does
// not now.
func unauthenticated() *oauth.Error {
	return refusal.Unauthenticated("This client authenticates with private_key_jwt: send a client_assertion",
		errors.New("the login is that of a client that signs assertions"))
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
