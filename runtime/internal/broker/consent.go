package broker

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// showConsent asks the user whether the client may act for them, before anything goes to the provider: the provider only
// ever sees one application, ours, and cannot ask (MCP security best practices, "Confused Deputy Problem").
func (b *Broker) showConsent(w http.ResponseWriter, r *http.Request, req request) {
	browser := b.browser(w, r)
	b.pages.Consent(w, r, proxy.ConsentPage{
		Client:      proxy.ClientInfo{Name: req.name, DocumentHost: req.host},
		Redirect:    redirectInfo(req.redirect),
		Scopes:      b.scopeInfo(req.scopes),
		Action:      b.path + pathConsent,
		Form:        b.sealForm(req, browser),
		CanRemember: !req.native,
	})
}

func redirectInfo(redirect string) proxy.RedirectInfo {
	info := proxy.RedirectInfo{URI: redirect}
	u, err := url.Parse(redirect)
	switch {
	case err != nil:
	case u.Scheme != "https" && u.Scheme != "http":
		info.Scheme = u.Scheme
	case redirecturi.IsLoopback(u):
		info.Loopback = true
	default:
		info.Host = u.Host
	}
	return info
}

func (b *Broker) scopeInfo(scopes []string) []proxy.ScopeInfo {
	list := make([]proxy.ScopeInfo, 0, len(scopes))
	for _, s := range scopes {
		list = append(list, proxy.ScopeInfo{Name: s, Words: b.config.ScopeWords[s]})
	}
	return list
}

// sealForm puts a request into the hidden field of a consent page. It is good for the browser that it was made for alone,
// so that nobody can hand their own page to somebody else.
func (b *Broker) sealForm(req request, browser tickets.ID) string {
	return b.tickets.Form.Seal(tickets.Form{
		Browser: tickets.Digest("browser", browser.String()), Client: req.client, Label: req.label, Redirect: req.redirect,
		State: req.state, Challenge: req.challenge, Scopes: req.scopes, Resource: req.resource,
	}, b.now().Add(formLifetime))
}

// openForm returns the request of a consent page that was shown in the browser with one of the identifiers.
func (b *Broker) openForm(sealed string, browser []tickets.ID) (request, *oauth.Error) {
	form, _, err := b.tickets.Form.Open(sealed)
	u, parseErr := url.Parse(form.Redirect)
	if err := errors.Join(err, parseErr); err != nil {
		return request{}, refusal.Caused(oauth.CodeInvalidRequest, refusal.ReasonForm,
			"This page is too old. Go back to the application and start again", err)
	}
	req := request{
		client: form.Client, label: form.Label, redirect: form.Redirect, native: redirecturi.IsNative(u), state: form.State,
		challenge: form.Challenge, scopes: form.Scopes, resource: form.Resource,
	}
	if !slices.ContainsFunc(browser, func(id tickets.ID) bool { return form.Browser == tickets.Digest("browser", id.String()) }) {
		return req, foreignForm()
	}
	return req, nil
}

func foreignForm() *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeAccessDenied, Status: http.StatusForbidden, Reason: refusal.ReasonForeignForm,
		Description: "This answer did not come from the page that asked for it in this browser. " +
			"Allow cookies for this site, go back to the application and start again",
	}
}

// consent takes the user's answer.
func (b *Broker) consent(w http.ResponseWriter, r *http.Request) {
	if !b.limits.authorize.allow(b.address(r), b.now()) {
		b.refusePage(w, r, refusal.TooMany())
		return
	}
	req, p, refused := b.readConsent(r)
	if refused != nil {
		b.refusePage(w, r, refused)
		return
	}
	if p.Get("decision") != "allow" {
		e := refusal.BadRequest(oauth.CodeAccessDenied, refusal.ReasonConsentDenied, "The user did not allow the access")
		b.logRefusal(r, e, "client", req.label)
		b.pages.Continue(w, r, "denied", req.redirect, b.errorURL(req.redirect, req.state, e))
		return
	}
	if p.Get("remember") != "" && !req.native {
		b.remember(w, r, req)
	}
	b.logger.InfoContext(r.Context(), "consent given", "client", req.label, "provider", b.config.Upstream.Name)
	target := b.startTransaction(w, r, req)
	b.pages.Continue(w, r, "login", b.config.Upstream.Authorization, target)
}

// readConsent checks that the answer comes from the page that was shown in this very browser.
func (b *Broker) readConsent(r *http.Request) (request, params.Params, *oauth.Error) {
	if !b.fromOwnPage(r) {
		return request{}, params.Params{}, foreignForm()
	}
	p, refused := params.Form(r)
	if refused == nil {
		refused = p.OnceEach()
	}
	if refused != nil {
		return request{}, p, refused
	}
	browser := b.browserIdentifiers(r)
	if len(browser) == 0 {
		return request{}, p, foreignForm()
	}
	req, refused := b.openForm(p.Get("form"), browser)
	if refused == nil && p.Get("decision") != "allow" && p.Get("decision") != "deny" {
		refused = refusal.BadRequest(oauth.CodeInvalidRequest, refusal.ReasonForm, "The page was answered with neither Allow nor Deny")
	}
	return req, p, refused
}

// fromOwnPage tells what the browser says about where a form came from. The sealed form and its cookie hold without it;
// it is a second lock, for browsers that have one.
func (b *Broker) fromOwnPage(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == b.origin
}
