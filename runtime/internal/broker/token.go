package broker

import (
	"context"
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/grants"
)

// token is the token endpoint (RFC 6749 section 3.2).
type token struct {
	grants interface {
		Find(grantType string) (grants.Type, *oauth.Error)
	}
	asking  asking
	answers answers
}

func (t *token) serve(w http.ResponseWriter, r *http.Request) {
	answer, client, refused := t.answer(r)
	if refused != nil {
		t.answers.refuseJSON(w, r, refused, client)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// answer gives what a token request asks for, and the label of its client. A grant type that there
// is not is refused before anything else is looked at.
func (t *token) answer(r *http.Request) (answer oauth.TokenResponse, client string, refused *oauth.Error) {
	p, refused := onceEach(r)
	if refused != nil {
		return answer, "", refused
	}
	grant, refused := t.grants.Find(p.Get("grant_type"))
	if refused != nil {
		return answer, "", refused
	}
	request, refused := t.asking.request(r, p)
	if refused != nil {
		return answer, "", refused
	}
	answer, refused = grant.Give(r.Context(), request)
	return answer, request.Label, refused
}

// asking finds out which client is asking.
type asking struct {
	clients interface {
		Identify(ctx context.Context, p clients.Presented, address string) (clients.Identity, *oauth.Error)
	}
	limits *limiters
}

// request returns a request together with its client.
func (a asking) request(r *http.Request, p params.Params) (grants.Request, *oauth.Error) {
	client, refused := a.clients.Identify(r.Context(), clients.Presented{
		Authorization: r.Header.Get("Authorization"), ID: p.Get("client_id"), Secret: p.Get("client_secret"),
		Assertion: p.Get("client_assertion"), AssertionType: p.Get("client_assertion_type"),
	}, a.limits.peers.Address(r))
	return grants.Request{
		Params: p, Client: clients.PublicDigest(client.ID), Confidential: clients.ConfidentialDigest(client.ID),
		Label: clients.Label(client.ID), Authenticated: client.Authenticated, Address: a.limits.peers.Budget(r),
	}, refused
}

// onceEach reads the form of a request.
func onceEach(r *http.Request) (params.Params, *oauth.Error) {
	p, refused := params.Form(r)
	if refused == nil {
		refused = p.OnceEach()
	}
	return p, refused
}
