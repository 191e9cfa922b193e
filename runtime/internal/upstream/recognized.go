package upstream

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/latchkey-auth/latchkey/oauth"
)

// ErrUnclear is in the error of [Client.Recognized] where the provider's answer says nothing about
// our credentials.
var ErrUnclear = errors.New("the provider's answer does not say whether it knows our application")

// Recognized asks whether the provider knows our application and its secret, by a refresh with a
// token that nobody issued: it cannot succeed and touches no account. Nil means that the token was
// refused and not the application; [ErrOwnCredentials] is in the error where the application was.
func (c *Client) Recognized(ctx context.Context) error {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"latchkey-check-" + rand.Text()}}
	for name, value := range c.provider.TokenParams {
		form.Set(name, value)
	}
	resp, err := c.post(ctx, c.gate.Token, c.provider.Token, form)
	if err != nil {
		return err
	}
	switch answer := c.readAnswer(resp, form); {
	case answer.isOutage():
		return &Error{Kind: KindUnavailable, RetryAfter: answer.retryAfter, cause: answer.cause()}
	case answer.code == oauth.CodeInvalidGrant:
		return nil
	case answer.status == http.StatusUnauthorized, slices.Contains(refusedClient(), answer.code):
		return failure(KindRejected, errors.Join(ErrOwnCredentials, answer.cause()))
	default:
		return failure(KindUnusable, errors.Join(ErrUnclear, answer.cause()))
	}
}

// refusedClient are the errors by which providers refuse an application. The second is also for one
// that may not use refresh tokens (RFC 6749 section 5.2), which has to be changed all the same.
func refusedClient() []oauth.Code {
	return []oauth.Code{oauth.CodeInvalidClient, "unauthorized_client"}
}
