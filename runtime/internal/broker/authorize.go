package broker

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/pages"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
)

// authorize starts a login. It always asks the user first, unless they told us not to ask again for the very same.
func (b *Broker) authorize(w http.ResponseWriter, r *http.Request) {
	if !b.limits.authorize.allow(b.address(r), b.now()) {
		b.refusePage(w, r, refusal.TooMany())
		return
	}
	p, refused := authorizeParams(r)
	if refused != nil {
		b.refusePage(w, r, refused)
		return
	}
	req, refused := b.readRequest(r, p)
	if refused != nil {
		b.refuseRequest(w, r, req, refused)
		return
	}
	if b.remembers(r, req) {
		target := b.startTransaction(w, r, req)
		b.logger.InfoContext(r.Context(), "consent remembered", "client", req.label, "provider", b.config.Upstream.Name)
		pages.Redirect(w, r, target)
		return
	}
	if r.Method == http.MethodPost && len(b.browserIdentifiers(r)) == 0 {
		pages.Redirect(w, r, b.authorizeURL(p))
		return
	}
	b.showConsent(w, r, req)
}

// authorizeURL is the same request as a link. Browsers send no Lax cookies with a form of another site, but with the redirect
// that it is answered with: otherwise each such form would give the browser one more identifier, until it lost the cookies of
// everything else on this host.
func (b *Broker) authorizeURL(p params.Params) string {
	var pairs [][2]string
	for _, name := range authorizeParameters {
		if value := p.Get(name); value != "" {
			pairs = append(pairs, [2]string{name, value})
		}
	}
	return appendQuery(b.resource+pathAuthorize, pairs)
}

// authorizeParameters are those that count.
var authorizeParameters = []string{
	"response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
	"resource", "prompt",
}

// authorizeParams reads the query of a GET and the form of a POST request (RFC 6749 section 3.1). What a POST request has
// in its query counts too: a parameter in both is a repeated one.
func authorizeParams(r *http.Request) (params.Params, *oauth.Error) {
	p, refused := params.Query(r)
	if refused != nil || r.Method != http.MethodPost {
		return p, refused
	}
	form, refused := params.Form(r)
	if refused != nil {
		return p, refused
	}
	p.Merge(form)
	return p, nil
}

// refuseRequest answers a refused authorization request. Before client and redirect URI are known to belong together, that
// is a page and nothing else. After that the client has to hear of it, but not by itself where the redirect leads to a
// web site: anybody can register one, and would have made us an open redirector (RFC 9700 section 4.11.2). There the page
// names the site and leaves the step to the user. A redirect to the user's own device is no use for phishing.
func (b *Broker) refuseRequest(w http.ResponseWriter, r *http.Request, req request, e *oauth.Error) {
	if req.redirect == "" {
		b.refusePage(w, r, e)
		return
	}
	b.logRefusal(r, e, "client", req.label)
	target := b.errorURL(req.redirect, req.state, e)
	if req.native {
		b.pages.SendBack(w, r, req.redirect, target)
		return
	}
	b.pages.ErrorWithReturn(w, r, e, req.redirect, target)
}
