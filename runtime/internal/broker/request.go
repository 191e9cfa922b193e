package broker

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/grants"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

const (
	// maxStateAndRedirect bounds a client's state and redirect URI together: they travel in a
	// cookie of 2 KB.
	maxStateAndRedirect = 1230
	// maxAnsweredState bounds the state that is sent back in an answer: browsers and servers take
	// URLs of 8 KB.
	maxAnsweredState = 6 << 10
)

// request is a checked authorization request.
type request struct {
	client   tickets.ID // of its client_id
	label    string     // for logs
	name     string
	host     string // of the client ID metadata document, else empty
	redirect string
	native   bool
	state    string
	// challenge is the S256 code challenge, decoded.
	challenge [32]byte
	scopes    []string
	resource  string
}

// requests reads authorization requests.
type requests struct {
	clients interface {
		Find(ctx context.Context, id, address string) (clients.Client, *oauth.Error)
		Redirect(c clients.Client, uri string) (native bool, refused *oauth.Error)
	}
	resources grants.Resources
	scopes    scopes
	limits    *limiters
}

// read checks an authorization request (RFC 6749 section 4.1.1). Until request.redirect is set
// nothing may be redirected: the error belongs on a page.
func (a *requests) read(r *http.Request, p params.Params) (request, *oauth.Error) {
	var req request
	if slices.ContainsFunc([]string{"client_id", "redirect_uri", "state"}, p.Repeats) {
		return req, p.OnceEach()
	}
	if err := a.readClient(r, p, &req); err != nil {
		return req, err
	}
	// From here on the client hears of errors, with its state (RFC 6749 section 4.1.2.1), unless no
	// answer can carry that.
	req.state = p.Get("state")
	if len(req.state)+len(req.redirect) > maxStateAndRedirect {
		if len(req.state) > maxAnsweredState {
			req.redirect = ""
		}
		return req, refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonState,
			fmt.Sprintf("The state and the redirect URI have more than %d characters together", maxStateAndRedirect))
	}
	if err := p.OnceEach(); err != nil {
		return req, err
	}
	if err := checkResponse(p); err != nil {
		return req, err
	}
	if err := readChallenge(p, &req); err != nil {
		return req, err
	}
	var err *oauth.Error
	if req.resource, err = a.resources.Named(p.Resources()); err != nil {
		return req, err
	}
	req.scopes = a.scopes.named(p.Get("scope"))
	return req, nil
}

// readClient finds the client and its redirect URI.
func (a *requests) readClient(r *http.Request, p params.Params, req *request) *oauth.Error {
	id, redirect := p.Get("client_id"), p.Get("redirect_uri")
	if id == "" {
		return refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonMissingParameter, "The application did not say who it is (client_id)")
	}
	if redirect == "" {
		return refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonMissingParameter,
			"The application did not say where to return to (redirect_uri)")
	}
	c, refused := a.clients.Find(r.Context(), id, a.limits.peers.Address(r))
	if refused != nil {
		if refused.Reason == oauth.ReasonClientUnknown { // a person reads it: the application does not notice
			refused.Description = "The application is not known here any more. In its settings, remove this server and add it " +
				"again, so that it registers once more"
		}
		return refused
	}
	native, refused := a.clients.Redirect(c, redirect)
	if refused != nil {
		return refused
	}
	req.client, req.label, req.name, req.host = c.Digest(), clients.Label(id), c.Name, clients.DocumentHost(id)
	req.redirect, req.native = redirect, native
	return nil
}

// checkResponse checks how the client wants its answer.
func checkResponse(p params.Params) *oauth.Error {
	for _, name := range []string{"request", "request_uri"} { // OpenID Connect Core section 6
		if p.Get(name) != "" {
			return refusal.BadRequest(oauth.Code(name+"_not_supported"), oauth.ReasonRequestObject, "Request objects are not supported")
		}
	}
	switch {
	case p.Get("response_type") == "":
		return refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonResponseType, "The response_type is missing")
	case p.Get("response_type") != "code":
		return refusal.BadRequest(oauth.CodeUnsupportedResponseType, oauth.ReasonResponseType, "The only response_type is code")
	case p.Get("response_mode") != "" && p.Get("response_mode") != "query":
		return refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonResponseType, "The only response_mode is query")
	case slices.Contains(strings.Fields(p.Get("prompt")), "none"): // OpenID Connect Core section 3.1.2.6
		return refusal.BadRequest("interaction_required", oauth.ReasonPrompt, "The user has to be asked")
	}
	return nil
}

// readChallenge reads the code challenge (RFC 7636 section 4.3). Without a method it would mean
// plain, which is refused like any other but S256.
func readChallenge(p params.Params, req *request) *oauth.Error {
	challenge, method := p.Get("code_challenge"), p.Get("code_challenge_method")
	switch {
	case challenge == "":
		return refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonCodeChallenge, "PKCE is required: the code_challenge is missing")
	case method != "S256":
		return refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonCodeChallenge, "The only code_challenge_method is S256")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	if err != nil || len(raw) != len(req.challenge) || len(challenge) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonCodeChallenge, "The code_challenge is not a SHA-256 digest in base64url")
	}
	req.challenge = [32]byte(raw)
	return nil
}
