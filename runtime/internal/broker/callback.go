package broker

import (
	"fmt"
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/grants"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// maxProviderCode bounds the provider's code; Entra ID's have up to about 2 KB.
const maxProviderCode = 4 << 10

// callback is the endpoint that the provider sends the browser back to.
type callback struct {
	logins *logins
	grants interface {
		Code(a grants.Authorization) string
	}
	provider interface {
		AcceptsIssuer(iss string) bool
		Code(name string) oauth.Code
	}
	site    site
	answers answers
}

// serve takes the provider's authorization response (RFC 6749 section 4.1.2). Only the browser
// whose user consented has the login; it is good for one answer.
func (c *callback) serve(w http.ResponseWriter, r *http.Request) {
	p, refused := params.Query(r)
	if refused == nil {
		refused = p.OnceEach()
	}
	if refused != nil {
		c.answers.refusePage(w, r, refused)
		return
	}
	handle, ok := tickets.ParseID(p.Get("state"))
	if !ok {
		c.answers.refusePage(w, r, unknownLogin(nil))
		return
	}
	t, err := c.logins.open(r, handle)
	if err != nil {
		c.answers.refusePage(w, r, unknownLogin(err))
		return
	}
	c.logins.clear(w, t)
	if refused := c.check(r, t, p); refused != nil {
		c.answers.refusePage(w, r, refused)
		return
	}
	if p.Get("error") != "" || p.Get("code") == "" || len(p.Get("code")) > maxProviderCode {
		e := c.answers.tell(r, c.refused(p), observe.Event{Resource: t.resource, ScopesAsked: t.scopes})
		c.answers.pages.SendBack(w, r, t.redirect, c.site.errorURL(t.redirect, t.state, e))
		return
	}
	code := c.grants.Code(grants.Authorization{
		Client: t.client, Redirect: t.redirect, Challenge: t.challenge, Secret: t.secret, Resource: t.resource, Scopes: t.scopes,
		ProviderCode: p.Get("code"),
	})
	c.answers.pages.SendBack(w, r, t.redirect, c.site.answerURL(t.redirect, t.state, [2]string{"code", code}))
}

// check makes sure that the answer is the first, and from the provider that the user was sent to.
func (c *callback) check(r *http.Request, t login, p params.Params) *oauth.Error {
	first, err := c.logins.use(r.Context(), t)
	switch {
	case err != nil:
		return refusal.StoreFailed(err)
	case !first:
		e := unknownLogin(nil)
		e.Reason = oauth.ReasonTransactionUsed
		return e
	}
	iss := p.Get("iss")
	if !c.provider.AcceptsIssuer(iss) {
		return refusal.Caused(oauth.CodeInvalidRequest, oauth.ReasonUpstreamIssuer,
			"The answer did not come from the identity provider that was asked", fmt.Errorf("iss is %q", upstream.Quote(iss, p.Get("code"), p.Get("state"))))
	}
	return nil
}

// unknownLogin is the refusal of a callback that no login of this browser is waiting for.
func unknownLogin(cause error) *oauth.Error {
	return refusal.Caused(oauth.CodeInvalidRequest, oauth.ReasonTransaction,
		"No login is waiting for this answer in this browser. Go back to the application and start again", cause)
}

// refused maps the provider's error for the client: what the user or the provider's state decided
// is passed on, what only the operator can correct is ours.
func (c *callback) refused(p params.Params) *oauth.Error {
	quoted := func(name string) string { return upstream.Quote(p.Get(name), p.Get("code"), p.Get("state")) }
	cause := fmt.Errorf("the provider answered %q: %q", quoted("error"), quoted("error_description"))
	switch c.provider.Code(p.Get("error")) {
	case oauth.CodeAccessDenied, "consent_required", "interaction_required", "login_required", "account_selection_required":
		return refusal.Caused(oauth.CodeAccessDenied, oauth.ReasonUpstreamError, "The login was not completed at the identity provider", cause)
	case oauth.CodeTemporarilyUnavailable:
		return refusal.Caused(oauth.CodeTemporarilyUnavailable, oauth.ReasonUpstreamError,
			"The identity provider cannot answer right now, try again later", cause)
	default:
		return refusal.Misconfigured(oauth.ReasonUpstreamError, cause)
	}
}
