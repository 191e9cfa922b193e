package broker

import (
	"fmt"
	"net/http"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// callback takes the provider's authorization response (RFC 6749 section 4.1.2). Only the browser whose user consented has
// the transaction; it is good for one answer.
func (b *Broker) callback(w http.ResponseWriter, r *http.Request) {
	p, refused := queryParams(r)
	if refused == nil {
		refused = p.onceEach()
	}
	if refused != nil {
		b.refusePage(w, r, refused)
		return
	}
	handle, ok := tickets.ParseID(p.get("state"))
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
	if p.get("error") != "" || p.get("code") == "" || len(p.get("code")) > maxUpstreamCode {
		e := b.upstreamRefusal(p)
		b.logRefusal(r, e)
		b.sendBack(w, r, t.redirect, b.errorURL(t.redirect, t.state, e))
		return
	}
	b.sendBack(w, r, t.redirect, b.answerURL(t.redirect, t.state, [2]string{"code", b.sealCode(t, p.get("code"))}))
}

// useTransaction makes sure that the answer is the first, and from the provider that the user was sent to.
func (b *Broker) useTransaction(r *http.Request, t transaction, p params) *oauth.Error {
	first, err := store.Mark(r.Context(), b.store, b.key("login", t.handle), transactionLifetime)
	switch {
	case err != nil:
		return retryLater(reasonStore, 0, err)
	case !first:
		e := unknownTransaction(nil)
		e.Reason = reasonTransactionUsed
		return e
	}
	iss := p.get("iss")
	if !b.upstream.AcceptsIssuer(iss) {
		return caused(oauth.CodeInvalidRequest, reasonUpstreamIssuer,
			"The answer did not come from the identity provider that was asked", fmt.Errorf("iss is %q", clip(iss)))
	}
	return nil
}

// upstreamRefusal maps the provider's error for the client: what the user or the provider's state decided is passed on,
// what only the operator can mend is ours.
func (b *Broker) upstreamRefusal(p params) *oauth.Error {
	cause := fmt.Errorf("the provider answered %q: %q", clip(p.get("error")), clip(p.get("error_description")))
	switch b.upstream.Code(p.get("error")) {
	case oauth.CodeAccessDenied, "consent_required", "interaction_required", "login_required", "account_selection_required":
		return caused(oauth.CodeAccessDenied, reasonUpstreamError, "The login was not completed at the identity provider", cause)
	case oauth.CodeTemporarilyUnavailable:
		return caused(oauth.CodeTemporarilyUnavailable, reasonUpstreamError,
			"The identity provider cannot answer right now, try again later", cause)
	default:
		e := misconfigured(reasonUpstreamError, cause)
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
