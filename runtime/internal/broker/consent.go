package broker

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// formLifetime is how long a consent page may stay open.
const formLifetime = 10 * time.Minute

// consents asks users whether a client may act for them, and takes their answers.
type consents struct {
	cookies    cookieJar
	box        *tickets.Box[tickets.Form]
	site       site
	words      map[string]string // of scopes
	login      []string          // scopes that each login asks for
	scopes     scopes
	limits     *limiters
	remembered *remembered
	logins     *logins
	loginPage  string // of the provider
	now        func() time.Time
	answers    answers
}

// show asks the user whether the client may act for them, before anything goes to the provider: the
// provider only ever sees one application, ours, and cannot ask (MCP security best practices,
// "Confused Deputy Problem").
func (c *consents) show(w http.ResponseWriter, r *http.Request, req request) {
	c.answers.events.Observe(r.Context(), observe.Event{
		Kind: observe.ConsentShown, Level: slog.LevelDebug, Client: req.label, Resource: req.resource, ScopesAsked: req.scopes,
	})
	browser := c.cookies.browser(w, r)
	c.answers.pages.Consent(w, r, proxy.ConsentPage{
		Client:      proxy.ClientInfo{Name: req.name, DocumentHost: req.host},
		Redirect:    redirectInfo(req.redirect),
		Resource:    req.resource,
		Scopes:      c.scopeInfo(req.scopes),
		Action:      c.site.path + pathConsent,
		Form:        c.sealForm(req, browser),
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

func (c *consents) scopeInfo(scopes []string) []proxy.ScopeInfo {
	list := make([]proxy.ScopeInfo, 0, len(scopes))
	for _, s := range scopes {
		list = append(list, proxy.ScopeInfo{Name: s, Words: c.words[s], Login: slices.Contains(c.login, s)})
	}
	return list
}

// sealForm puts a request into the hidden field of a consent page. It is good for the browser that
// it was made for alone, so that nobody can hand their own page to somebody else.
func (c *consents) sealForm(req request, browser tickets.ID) string {
	return c.box.Seal(tickets.Form{
		Browser: tickets.Digest("browser", browser.String()), Client: req.client, Label: req.label, Redirect: req.redirect,
		State: req.state, Challenge: req.challenge, Scopes: req.scopes, Resource: req.resource,
	}, c.now().Add(formLifetime))
}

// openForm returns the request of a consent page that was shown in the browser with one of the
// identifiers.
func (c *consents) openForm(sealed string, browser []tickets.ID) (request, *oauth.Error) {
	form, _, err := c.box.Open(sealed)
	u, parseErr := url.Parse(form.Redirect)
	if err := errors.Join(err, parseErr); err != nil {
		return request{}, refusal.Caused(oauth.CodeInvalidRequest, oauth.ReasonForm,
			"This page is too old. Go back to the application and start again", err)
	}
	known := c.scopes.list(c.scopes.set(form.Scopes))
	if len(known) == 0 && len(form.Scopes) > 0 {
		return request{}, refusal.Caused(oauth.CodeInvalidRequest, oauth.ReasonForm,
			"This page is too old. Go back to the application and start again", errors.New("the server has none of the scopes any more"))
	}
	req := request{
		client: form.Client, label: form.Label, redirect: form.Redirect, native: redirecturi.IsNative(u), state: form.State,
		challenge: form.Challenge, scopes: known, resource: form.Resource,
	}
	if !slices.ContainsFunc(browser, func(id tickets.ID) bool { return form.Browser == tickets.Digest("browser", id.String()) }) {
		return req, foreignForm()
	}
	return req, nil
}

func foreignForm() *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeAccessDenied, Status: http.StatusForbidden, Reason: oauth.ReasonForeignForm,
		Description: "This answer did not come from the page that asked for it in this browser. " +
			"Allow cookies for this site, go back to the application and start again",
	}
}

// serve takes the user's answer.
func (c *consents) serve(w http.ResponseWriter, r *http.Request) {
	if !c.limits.mayAuthorize(r) {
		c.answers.refusePage(w, r, refusal.TooMany())
		return
	}
	req, p, refused := c.read(r)
	if refused != nil {
		c.answers.refusePage(w, r, refused)
		return
	}
	if p.Get("decision") != "allow" {
		e := refusal.BadRequest(oauth.CodeAccessDenied, oauth.ReasonConsentDenied, "The user did not allow the access")
		e = c.answers.tell(r, e, observe.Event{
			Kind: observe.ConsentDenied, Client: req.label, Resource: req.resource, ScopesAsked: req.scopes,
		})
		c.answers.pages.Continue(w, r, "denied", req.redirect, c.site.errorURL(req.redirect, req.state, e))
		return
	}
	if refused := c.answers.consented(r, req, observe.Event{}); refused != nil {
		c.answers.refusePage(w, r, refused)
		return
	}
	if p.Get("remember") != "" && !req.native {
		c.remembered.add(w, r, req)
	}
	target := c.logins.start(w, r, req)
	c.answers.pages.Continue(w, r, "login", c.loginPage, target)
}

// consented tells of a user's consent, before it takes effect. It returns the refusal of an
// observer who does not agree.
func (a answers) consented(r *http.Request, req request, event observe.Event) *oauth.Error {
	event.Kind, event.Client, event.Resource = observe.ConsentGiven, req.label, req.resource
	event.ScopesAsked, event.ScopesHad = req.scopes, req.scopes
	if refused := a.events.Decide(r.Context(), &event); refused != nil {
		return refused
	}
	a.events.Observe(r.Context(), event)
	return nil
}

// read checks that the answer comes from the page that was shown in this very browser.
func (c *consents) read(r *http.Request) (request, params.Params, *oauth.Error) {
	if !c.fromOwnPage(r) {
		return request{}, params.Params{}, foreignForm()
	}
	p, refused := onceEach(r)
	if refused != nil {
		return request{}, p, refused
	}
	browser := c.cookies.browsers(r)
	if len(browser) == 0 {
		return request{}, p, foreignForm()
	}
	req, refused := c.openForm(p.Get("form"), browser)
	if refused == nil && p.Get("decision") != "allow" && p.Get("decision") != "deny" {
		refused = refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonForm, "The page was answered with neither Allow nor Deny")
	}
	return req, p, refused
}

// fromOwnPage tells what the browser says about where a form came from. The sealed form and its
// cookie hold without it; it is a second lock, for browsers that have one.
func (c *consents) fromOwnPage(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == c.site.origin
}
