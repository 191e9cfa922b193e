package clients

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
)

// Presented is what a client says of itself at the token and revocation endpoints (RFC 6749 section
// 2.3).
type Presented struct {
	// Authorization is the header.
	Authorization string
	// ID, Secret, Assertion and AssertionType are the parameters client_id, client_secret,
	// client_assertion and client_assertion_type.
	ID, Secret, Assertion, AssertionType string
}

// Identity is a client at the token and revocation endpoints.
type Identity struct {
	ID string
	// Authenticated says that the client proved that it holds the keys of its document.
	Authenticated bool
}

// Identify returns the client that is asking, from an address. Clients have no secret, and one that
// sends a secret takes us for another server.
func (r *Registry) Identify(ctx context.Context, p Presented, address string) (Identity, *oauth.Error) {
	id := p.ID
	if p.Authorization != "" {
		basic, err := basicClientID(p.Authorization)
		if err != nil || id != "" && id != basic {
			return Identity{}, clientSecretRefused(err)
		}
		id = basic
	}
	switch {
	case p.Secret != "":
		return Identity{}, clientSecretRefused(nil)
	case p.Assertion != "" || p.AssertionType != "":
		signer, refused := r.assertions.authenticate(ctx, p, id, address)
		return Identity{ID: signer, Authenticated: refused == nil}, refused
	case id == "":
		return Identity{}, &oauth.Error{
			Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: oauth.ReasonMissingParameter,
			Description: "The client_id is missing",
		}
	}
	return Identity{ID: id}, r.known(id)
}

// basicClientID reads the client id of a Basic header without a secret, which some libraries send
// for public clients.
func basicClientID(header string) (string, error) {
	scheme, encoded, _ := strings.Cut(header, " ")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !strings.EqualFold(scheme, "Basic") {
		return "", errors.New("the Authorization header is not a Basic one")
	}
	user, password, found := strings.Cut(string(raw), ":")
	if !found || password != "" {
		return "", errors.New("the Basic header has a secret")
	}
	id, err := url.QueryUnescape(user)
	if err != nil || !params.IsPlainText(id) {
		return "", errors.New("the client id in the Basic header cannot be read")
	}
	return id, nil
}

func clientSecretRefused(cause error) *oauth.Error {
	return refusal.Unauthenticated("Clients have no secret here: send the client_id alone, or an assertion signed by a key of the client's document", cause)
}
