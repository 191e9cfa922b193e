package broker

import (
	"context"
	"net/http"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/grants"
)

// revocation is the revocation endpoint (RFC 7009).
type revocation struct {
	grants interface {
		Revoke(ctx context.Context, r grants.Request, mayAsk func() bool) *oauth.Error
	}
	asking  asking
	limits  *limiters
	answers answers
}

func (e *revocation) serve(w http.ResponseWriter, r *http.Request) {
	p, refused := onceEach(r)
	var request grants.Request
	if refused == nil {
		request, refused = e.asking.request(r, p)
	}
	if refused == nil {
		mayAsk := func() bool { return e.limits.mayAuthorize(r) }
		refused = e.grants.Revoke(context.WithoutCancel(r.Context()), request, mayAsk)
	}
	if refused != nil {
		e.answers.refuseJSON(w, r, refused, request.Label)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}
