package broker

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
)

// The grants of the token endpoint. Every other one is refused before anything else is looked at.
const (
	grantAuthorizationCode = "authorization_code"
	grantRefreshToken      = "refresh_token"
)

// token answers token requests (RFC 6749 section 3.2).
func (b *Broker) token(w http.ResponseWriter, r *http.Request) {
	answer, refused := b.tokenAnswer(r)
	if refused != nil {
		b.refuseJSON(w, r, refused)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (b *Broker) tokenAnswer(r *http.Request) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	p, refused := params.Form(r)
	if refused != nil {
		return none, refused
	}
	if refused := p.OnceEach(); refused != nil {
		return none, refused
	}
	switch p.Get("grant_type") {
	case grantAuthorizationCode, grantRefreshToken:
	case "":
		return none, refusal.BadRequest(oauth.CodeInvalidRequest, refusal.ReasonMissingParameter, "The grant_type is missing")
	default:
		return none, refusal.BadRequest(oauth.CodeUnsupportedGrantType, refusal.ReasonGrantType,
			"The grants are authorization_code and refresh_token")
	}
	if refused := b.identifyClient(r, p); refused != nil {
		return none, refused
	}
	if p.Get("grant_type") == grantAuthorizationCode {
		return b.redeem(r, p)
	}
	return b.refresh(r, p)
}

// identifyClient finds out which client is asking. Clients are public: they have no secret, and one that sends a secret
// takes us for another server.
func (b *Broker) identifyClient(r *http.Request, p params.Params) *oauth.Error {
	if header := r.Header.Get("Authorization"); header != "" {
		id, err := basicClientID(header)
		if err != nil || p.Get("client_id") != "" && p.Get("client_id") != id {
			return clientSecretRefused(err)
		}
		p.Set("client_id", id)
	}
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		if p.Get(name) != "" {
			return clientSecretRefused(nil)
		}
	}
	if p.Get("client_id") == "" {
		return &oauth.Error{
			Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: refusal.ReasonMissingParameter,
			Description: "The client_id is missing",
		}
	}
	return b.knownClient(p.Get("client_id"))
}

// basicClientID reads the client id of a Basic header without a secret, which some libraries send for public clients.
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
	return &oauth.Error{
		Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: refusal.ReasonClientAuthentication, Cause: cause,
		Description: "Clients are public here: send the client_id alone, without secret or assertion",
	}
}
