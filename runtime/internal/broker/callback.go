package broker

import (
	"fmt"
	"net/http"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// callback takes the provider's authorization response (RFC 6749 section 4.1.2). Only the browser whose user consented has
// the transaction; it is good for one answer.
func (b *Broker) callback(w http.ResponseWriter, r *http.Request) {
	p, refused := params.Query(r)
	if refused == nil {
		refused = p.OnceEach()
	}
	if refused != nil {
		b.refusePage(w, r, refused)
		return
	}
	handle, ok := tickets.ParseID(p.Get("state"))
	if !ok {
		b.refusePage(w, r, unknownTransaction(nil))
		return
	}
	t, err := b.openTransaction(r, handle)
	if err != nil {
		b.refusePage(w, r, unknownTransaction(err))
		return
	}
	b.cookies.clear(w, b.transactionName(handle))
	if refused := b.useTransaction(r, t, p); refused != nil {
		b.refusePage(w, r, refused)
		return
	}
	if p.Get("error") != "" || p.Get("code") == "" || len(p.Get("code")) > maxUpstreamCode {
		e := b.upstreamRefusal(p)
		b.logRefusal(r, e)
		b.pages.SendBack(w, r, t.redirect, b.errorURL(t.redirect, t.state, e))
		return
	}
	b.pages.SendBack(w, r, t.redirect, b.answerURL(t.redirect, t.state, [2]string{"code", b.sealCode(t, p.Get("code"))}))
}

// useTransaction makes sure that the answer is the first, and from the provider that the user was sent to.
func (b *Broker) useTransaction(r *http.Request, t transaction, p params.Params) *oauth.Error {
	first, err := store.Mark(r.Context(), b.store, b.key("login", t.handle), transactionLifetime)
	switch {
	case err != nil:
		return refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	case !first:
		e := unknownTransaction(nil)
		e.Reason = refusal.ReasonTransactionUsed
		return e
	}
	iss := p.Get("iss")
	if !b.upstream.AcceptsIssuer(iss) {
		return refusal.Caused(oauth.CodeInvalidRequest, refusal.ReasonUpstreamIssuer,
			"The answer did not come from the identity provider that was asked", fmt.Errorf("iss is %q", clip(iss)))
	}
	return nil
}

// upstreamRefusal maps the provider's error for the client: what the user or the provider's state decided is passed on,
// what only the operator can mend is ours.
func (b *Broker) upstreamRefusal(p params.Params) *oauth.Error {
	cause := fmt.Errorf("the provider answered %q: %q", clip(p.Get("error")), clip(p.Get("error_description")))
	switch b.upstream.Code(p.Get("error")) {
	case oauth.CodeAccessDenied, "consent_required", "interaction_required", "login_required", "account_selection_required":
		return refusal.Caused(oauth.CodeAccessDenied, refusal.ReasonUpstreamError, "The login was not completed at the identity provider", cause)
	case oauth.CodeTemporarilyUnavailable:
		return refusal.Caused(oauth.CodeTemporarilyUnavailable, refusal.ReasonUpstreamError,
			"The identity provider cannot answer right now, try again later", cause)
	default:
		e := refusal.Misconfigured(refusal.ReasonUpstreamError, cause)
		return e
	}
}

// clip shortens what the provider said for a log.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
