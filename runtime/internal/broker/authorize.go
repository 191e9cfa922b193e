package broker

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/pages"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// authorization is the authorization endpoint (RFC 6749 section 3.1).
type authorization struct {
	requests   requests
	site       site
	limits     *limiters
	cookies    cookieJar
	remembered *remembered
	logins     *logins
	consents   *consents
	answers    answers
}

// serve starts a login. It always asks the user first, unless they told us not to ask again for the
// very same.
func (a *authorization) serve(w http.ResponseWriter, r *http.Request) {
	if !a.limits.mayAuthorize(r) {
		a.answers.refusePage(w, r, refusal.TooMany())
		return
	}
	p, refused := authorizeParams(r)
	if refused != nil {
		a.answers.refusePage(w, r, refused)
		return
	}
	req, refused := a.requests.read(r, p)
	if refused != nil {
		a.refuse(w, r, req, refused)
		return
	}
	if a.remembered.covers(r, req) {
		if refused := a.answers.consented(r, req, observe.Event{Message: "consent remembered"}); refused != nil {
			a.answers.refusePage(w, r, refused)
			return
		}
		pages.Redirect(w, r, a.logins.start(w, r, req))
		return
	}
	if r.Method == http.MethodPost && len(a.cookies.browsers(r)) == 0 {
		pages.Redirect(w, r, a.url(p))
		return
	}
	a.consents.show(w, r, req)
}

// url is the same request as a link. Browsers send no Lax cookies with a form of another site, but
// with the redirect that it is answered with: otherwise each such form would give the browser one
// more identifier, until it lost the cookies of everything else on this host.
func (a *authorization) url(p params.Params) string {
	var pairs [][2]string
	for _, name := range authorizeParameters {
		if value := p.Get(name); value != "" {
			pairs = append(pairs, [2]string{name, value})
		}
	}
	for _, resource := range p.Resources() {
		pairs = append(pairs, [2]string{"resource", resource})
	}
	return appendQuery(a.site.url(pathAuthorize), pairs)
}

// authorizeParameters are those that count, beside resource.
var authorizeParameters = []string{
	"response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method", "prompt",
}

// authorizeParams reads the query of a GET and the form of a POST request (RFC 6749 section 3.1).
// The parameters that a POST request has in its query count too: a parameter in both is a repeated
// one.
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

// refuse answers a refused authorization request. Before client and redirect URI are known to
// belong together, that is a page and nothing else. After that the client has to hear of it, but
// not by itself where the redirect leads to a web site: anybody can register one, and would have
// made us an open redirector (RFC 9700 section 4.11.2). There the page names the site and leaves
// the step to the user. A redirect to the user's own device is no use for phishing.
func (a *authorization) refuse(w http.ResponseWriter, r *http.Request, req request, e *oauth.Error) {
	if req.redirect == "" {
		a.answers.refusePage(w, r, e)
		return
	}
	e = a.answers.tell(r, e, observe.Event{Client: req.label})
	target := a.site.errorURL(req.redirect, req.state, e)
	if req.native {
		a.answers.pages.SendBack(w, r, req.redirect, target)
		return
	}
	a.answers.pages.ErrorWithReturn(w, r, e, req.redirect, target)
}
