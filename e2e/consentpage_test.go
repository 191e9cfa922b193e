package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/chromium"
)

// TestConsentPage asks a person in front of a real browser. Each test has a window without cookies.
// covers: AS-8
func TestConsentPage(t *testing.T) {
	ctx := longContext(t)
	w := newConsentWorld(ctx, t, func(w *consentWorld, port int) { w.serveCommandLine(ctx, t, port, "") })
	for _, kind := range redirectKinds() {
		t.Run("Allow lets a client in: "+kind.name, func(t *testing.T) { w.allow(ctx, t, kind) })
		t.Run("Deny tells the client, and the provider nothing: "+kind.name, func(t *testing.T) { w.deny(ctx, t, kind) })
		t.Run("no script is needed: "+kind.name, func(t *testing.T) { w.withoutScript(ctx, t, kind) })
	}
	for name, run := range map[string]func(context.Context, *testing.T){
		"two tabs finish their logins in the order of their beginning":      func(ctx context.Context, t *testing.T) { w.twoTabs(ctx, t, 0, 1) },
		"two tabs finish their logins in the other order":                   func(ctx context.Context, t *testing.T) { w.twoTabs(ctx, t, 1, 0) },
		"of more logins at once than fit, the oldest is told to start anew": w.manyTabs,
		"going back after Allow asks again, and works":                      w.backAfterAllow,
		"going back after Deny asks again, and works":                       w.backAfterDeny,
		"going back after a login logs nobody in twice":                     w.backAfterLogin,
		"the keyboard is enough":                                            w.keyboard,
		"the Enter key alone never allows":                                  w.enter,
		"a double click on Allow is one login":                              w.doubleClick,
		"a page may be reloaded":                                            w.reload,
		"a remembered consent is not asked for again":                       w.remembered,
		"A14: a click right after the pointer came counts for nothing":      w.tooEarly,
		"D20: the actions are in sight":                                     w.inSight,
		"long texts fit":                                                    w.longTexts,
		"the page cannot be framed":                                         w.framed,
		"the page on the way to the provider waits for nobody":              w.onTheWay,
		"errors before the client is known stay here":                       w.unknownClient,
		"errors of a web site's request name the site":                      w.badRequest,
	} {
		t.Run(name, func(t *testing.T) { run(ctx, t) })
	}
}

// start opens the consent page of a new client's request.
func (w *consentWorld) start(ctx context.Context, t *testing.T, p *person, redirect string) (*stepClient, attempt) {
	t.Helper()
	c := w.client(ctx, t, "Notebook", redirect)
	a := c.request("", nil)
	p.open(a.url)
	p.waitFor(allowButton)
	return c, a
}

func (w *consentWorld) allow(ctx context.Context, t *testing.T, kind redirectKind) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, kind.redirect(w))
	outline := p.outline()
	for _, want := range append(kind.outline, `heading "Notebook wants to use`, "This name is not verified",
		`button "Deny"`, `button "Allow"`, "log in with Google next") {
		if !strings.Contains(outline, want) {
			t.Errorf("the page lacks %q:\n%s", want, outline)
		}
	}
	p.inspect("consent-" + kind.file())
	if p.askedUpstream() {
		t.Error("the provider was asked before the user agreed")
	}
	p.click(allowButton)
	answer := p.logIn(c)
	if strings.HasPrefix(c.redirect, consentScheme) {
		p.inspect("done-" + kind.file())
	}
	w.wantUser(ctx, t, c, a, answer)
}

func (w *consentWorld) deny(ctx context.Context, t *testing.T, kind redirectKind) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, kind.redirect(w))
	p.click(denyButton)
	answer := p.finish(c)
	if strings.HasPrefix(c.redirect, consentScheme) {
		p.inspect("denied-" + kind.file())
	}
	if code, refused := c.code(a, answer); refused != "access_denied" {
		t.Errorf("the client gets the error %q and the code %q", refused, code)
	}
	if p.askedUpstream() {
		t.Error("the provider was asked")
	}
}

func (w *consentWorld) withoutScript(ctx context.Context, t *testing.T, kind redirectKind) {
	p := w.person(ctx, t, chromium.Settings{NoScript: true})
	c, a := w.start(ctx, t, p, kind.redirect(w))
	p.click(allowButton)
	w.wantUser(ctx, t, c, a, p.logIn(c))
}

// twoTabs opens both consent pages before either is answered, and brings both logins to the
// provider before either ends.
func (w *consentWorld) twoTabs(ctx context.Context, t *testing.T, order ...int) {
	window := w.window(ctx, t, chromium.Settings{})
	var tabs []*person
	var clients []*stepClient
	var attempts []attempt
	for range order {
		p := w.tab(ctx, t, window)
		c, a := w.start(ctx, t, p, w.loopback+"/callback")
		tabs, clients, attempts = append(tabs, p), append(clients, c), append(attempts, a)
	}
	for _, p := range tabs {
		p.click(allowButton)
		p.waitFor(pickUser)
	}
	for _, i := range order {
		w.wantUser(ctx, t, clients[i], attempts[i], tabs[i].logIn(clients[i]))
	}
}

// manyTabs starts one login more than a browser may have under way.
func (w *consentWorld) manyTabs(ctx context.Context, t *testing.T) {
	const most = 4
	window := w.window(ctx, t, chromium.Settings{})
	c := w.client(ctx, t, "Notebook", w.loopback+"/callback")
	var tabs []*person
	var attempts []attempt
	for range most + 1 {
		p, a := w.tab(ctx, t, window), c.request("", nil)
		p.open(a.url)
		p.click(allowButton)
		p.waitFor(pickUser)
		tabs, attempts = append(tabs, p), append(attempts, a)
	}
	tabs[0].click(pickUser)
	tabs[0].waitForText("main p", "No login is waiting for this answer in this browser. Go back to the application and start again")
	tabs[0].inspect("error-login-forgotten")
	for i := 1; i <= most; i++ {
		w.wantUser(ctx, t, c, attempts[i], tabs[i].logIn(c))
	}
}

func (w *consentWorld) backAfterAllow(ctx context.Context, t *testing.T) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, w.loopback+"/callback")
	p.click(allowButton)
	p.waitFor(pickUser)
	for !strings.Contains(p.look().URL, "/authorize?") {
		if !p.back() {
			t.Fatal("the consent page is not in the history")
		}
		p.wantNoCrash()
	}
	p.waitFor(allowButton)
	p.click(allowButton)
	w.wantUser(ctx, t, c, a, p.logIn(c))
}

func (w *consentWorld) backAfterDeny(ctx context.Context, t *testing.T) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, w.loopback+"/callback")
	p.click(denyButton)
	if _, refused := c.code(a, p.finish(c)); refused != "access_denied" {
		t.Fatalf("Deny is answered with %q", refused)
	}
	for !strings.Contains(p.look().URL, "/authorize?") {
		if !p.back() {
			t.Fatal("the consent page is not in the history")
		}
		p.wantNoCrash()
	}
	p.waitFor(allowButton)
	if p.askedUpstream() {
		t.Error("going back went to the provider")
	}
	p.click(allowButton)
	w.wantUser(ctx, t, c, a, p.logIn(c))
}

// backAfterLogin goes back through the whole history of a login, and forward again, with a client
// that is opened by a custom scheme: there the callback's page stays in the history.
func (w *consentWorld) backAfterLogin(ctx context.Context, t *testing.T) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, consentScheme+"://callback")
	p.click(allowButton)
	code, _ := c.code(a, p.logIn(c))
	tokens := c.redeem(ctx, a, code)
	for p.back() {
		p.wantNoCrash()
	}
	p.waitFor(allowButton) // where it began
	for p.forward() {
		p.wantNoCrash()
	}
	p.waitForText("main p", "No login is waiting for this answer in this browser")
	if _, status := c.call(ctx, tokens.AccessToken); status != http.StatusOK {
		t.Errorf("the login that was finished before is answered with %d", status)
	}
}

// wantNoCrash says that a page is one of the login's own: nothing that a server or browser says
// when it does not know what to do.
func (p *person) wantNoCrash() {
	p.t.Helper()
	p.waitFor("body")
	look := p.look()
	if look.Status >= http.StatusInternalServerError || look.Title == "" || !strings.HasPrefix(look.URL, "http") {
		p.t.Errorf("%s has the title %q and status %d", look.URL, look.Title, look.Status)
	}
}

// focus is what has the focus.
func (p *person) focus() string {
	p.t.Helper()
	return p.evaluate("document.activeElement.value ?? document.activeElement.tagName")
}

func (w *consentWorld) keyboard(ctx context.Context, t *testing.T) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, w.site+"/callback")
	if first := p.focus(); first != "BODY" {
		t.Errorf("%s has the focus before anybody touched a key", first)
	}
	for _, want := range []string{"1", "deny", "allow"} { // the box, and both buttons in the order of the page
		p.press("Tab")
		if got := p.focus(); got != want {
			t.Fatalf("the focus is at %s, want %s", got, want)
		}
		p.inspect("focus-" + want)
	}
	p.press("Shift+Tab", "Shift+Tab", "Space")
	if p.evaluate("document.activeElement.checked") != "true" {
		t.Error("the space bar does not tick the box")
	}
	p.press("Tab", "Tab", "Enter")
	w.wantUser(ctx, t, c, a, p.logIn(c))
}

// enter presses Enter where a form takes its first button.
func (w *consentWorld) enter(ctx context.Context, t *testing.T) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, w.site+"/callback")
	p.press("Enter") // nothing has the focus
	if p.press("Tab"); p.focus() != "1" {
		t.Fatal("the page is gone")
	}
	p.press("Enter")
	if code, refused := c.code(a, p.finish(c)); refused != "access_denied" {
		t.Errorf("the client gets the error %q and the code %q", refused, code)
	}
	if p.askedUpstream() {
		t.Error("the provider was asked")
	}
}

func (w *consentWorld) doubleClick(ctx context.Context, t *testing.T) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, w.loopback+"/callback")
	p.run("click", map[string]any{"selector": allowButton, "times": 2}, nil)
	w.wantUser(ctx, t, c, a, p.logIn(c))
}

// tooEarly clicks as somebody does who meant something else that lay there a moment ago.
func (w *consentWorld) tooEarly(ctx context.Context, t *testing.T) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, w.loopback+"/callback")
	for _, button := range []string{allowButton, denyButton, allowButton} {
		p.run("strike", map[string]any{"selector": button}, nil)
	}
	p.run("strike", map[string]any{"selector": allowButton, "after": 300}, nil)
	p.waitFor(allowButton)
	if slices.ContainsFunc(p.look().Documents, func(request string) bool { return strings.HasPrefix(request, "POST ") }) {
		t.Error("a click counted that came too early")
	}
	p.run("strike", map[string]any{"selector": allowButton, "after": 1500}, nil)
	w.wantUser(ctx, t, c, a, p.logIn(c))
}

// inSight measures where the actions are before anybody scrolls, on a phone and on a small laptop,
// and keeps pictures of both by day and by night.
// covers: D20
func (w *consentWorld) inSight(ctx context.Context, t *testing.T) {
	pictures := filepath.Join(suite.run, "consent-page")
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*stepClient{
		"a short page": w.client(ctx, t, "Notebook", w.loopback+"/callback"),
		"a long page":  w.client(ctx, t, strings.Repeat("Long name ", 8), w.site+"/callback/"+strings.Repeat("segment", 60)),
	} {
		p := w.person(ctx, t, chromium.Settings{})
		p.open(c.request("", nil).url)
		p.waitFor(allowButton)
		for _, size := range [][2]int{{390, 844}, {1280, 800}} {
			for _, dark := range []bool{false, true} {
				p.run("appear", map[string]any{"dark": dark, "width": size[0], "height": size[1]}, nil)
				if got := p.evaluate(`[...document.querySelectorAll(".actions button")].filter((button) => {
					const box = button.getBoundingClientRect();
					return scrollY === 0 && box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth;
				}).length`); got != "2" {
					t.Errorf("%s: %s of both actions are in sight at %d×%d", name, got, size[0], size[1])
				}
				look := map[bool]string{false: "light", true: "dark"}[dark]
				path := filepath.Join(pictures, fmt.Sprintf("%s-%dx%d-%s.png", strings.ReplaceAll(name, " ", "-"), size[0], size[1], look))
				p.run("picture", map[string]any{"path": path, "window": true}, nil)
			}
		}
	}
}

func (w *consentWorld) reload(ctx context.Context, t *testing.T) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, w.loopback+"/callback")
	p.run("reload", nil, nil)
	p.waitFor(allowButton)
	p.click(allowButton)
	p.waitFor(pickUser)
	p.run("reload", nil, nil)
	w.wantUser(ctx, t, c, a, p.logIn(c))
}

func (w *consentWorld) remembered(ctx context.Context, t *testing.T) {
	window := w.window(ctx, t, chromium.Settings{})
	p := w.tab(ctx, t, window)
	c, a := w.start(ctx, t, p, w.site+"/callback")
	p.click(rememberBox)
	p.click(allowButton)
	w.wantUser(ctx, t, c, a, p.logIn(c))

	again := w.tab(ctx, t, window)
	a = c.request("", nil)
	again.open(a.url)
	w.wantUser(ctx, t, c, a, again.logIn(c))
	if slices.ContainsFunc(again.documents, func(request string) bool { return strings.HasPrefix(request, "POST "+w.resource) }) {
		t.Errorf("the user was asked again: %q", again.documents)
	}

	for name, open := range map[string]func(p *person){
		"for another scope":          func(p *person) { p.open(c.request("openid", nil).url) },
		"for another client":         func(p *person) { p.open(w.client(ctx, t, "Notebook", w.site+"/callback").request("", nil).url) },
		"when a web site leads here": func(p *person) { p.open(linkTo(w.site, "link", c.request("", nil).url)); p.click("#link") },
	} {
		p := w.tab(ctx, t, window)
		open(p)
		p.waitFor(allowButton)
		if p.askedUpstream() {
			t.Errorf("%s: the provider was asked", name)
		}
	}
	elsewhere := w.person(ctx, t, chromium.Settings{})
	elsewhere.open(c.request("", nil).url)
	elsewhere.waitFor(allowButton) // another browser knows nothing
}

// longTexts is a client that makes everything as long as it may.
func (w *consentWorld) longTexts(ctx context.Context, t *testing.T) {
	c := w.client(ctx, t, strings.Repeat("Donaudampfschifffahrtsgesellschaft", 3), w.site+"/callback/"+strings.Repeat("segment", 60))
	p := w.person(ctx, t, chromium.Settings{})
	p.open(c.request("", nil).url)
	p.waitFor(allowButton)
	p.inspect("consent-long")
}

func (w *consentWorld) framed(ctx context.Context, t *testing.T) {
	c := w.client(ctx, t, "Notebook", w.site+"/callback")
	for name, page := range map[string]string{"another site": w.site, "a page of this device": w.loopback} {
		p := w.person(ctx, t, chromium.Settings{})
		p.open(linkTo(page, "frame", c.request("", nil).url))
		p.waitFor("#framing")
		var frames []string
		refused := false
		waitUntil(ctx, t, func() bool {
			var look chromium.Look
			p.run("look", nil, &look)
			refused = slices.ContainsFunc(look.Complaints, func(c chromium.Complaint) bool {
				return strings.Contains(c.Text, "frame-ancestors")
			})
			p.run("frames", nil, &frames)
			return refused || len(frames) > 1
		}, "the frame shows nothing, and nobody says why")
		if !refused || len(frames) != 1 {
			t.Errorf("%s shows %q", name, frames)
		}
	}
}

// onTheWay stops at the page that leads to the provider, and follows its link.
func (w *consentWorld) onTheWay(ctx context.Context, t *testing.T) {
	p := w.person(ctx, t, chromium.Settings{})
	c, a := w.start(ctx, t, p, w.loopback+"/callback")
	p.run("hold", map[string]any{"prefix": w.upstream}, nil)
	p.click(allowButton)
	p.waitForText("h1", "Log in with Google")
	p.inspect("continue-login")
	p.run("release", nil, nil)
	p.click("main a.button")
	w.wantUser(ctx, t, c, a, p.logIn(c))
}

func (w *consentWorld) unknownClient(ctx context.Context, t *testing.T) {
	c := w.client(ctx, t, "Notebook", w.site+"/callback")
	for name, wrong := range map[string]url.Values{
		"error-unknown-client":   {"client_id": {"nobody"}},
		"error-unknown-redirect": {"redirect_uri": {w.site + "/elsewhere"}},
	} {
		p := w.person(ctx, t, chromium.Settings{})
		p.open(c.request("", wrong).url)
		p.waitForText("h1", "This did not work")
		p.inspect(name)
		if strings.Contains(p.outline(), "link") {
			t.Errorf("%s: the page leads somewhere", name)
		}
	}
}

func (w *consentWorld) badRequest(ctx context.Context, t *testing.T) {
	c := w.client(ctx, t, "Notebook", w.site+"/callback")
	a := c.request("", url.Values{"response_type": {"token"}})
	p := w.person(ctx, t, chromium.Settings{})
	p.open(a.url)
	p.waitForText("main", "Go on only if you know that site")
	p.inspect("error-return")
	p.click("main a.button")
	if _, refused := c.code(a, p.finish(c)); refused != "unsupported_response_type" {
		t.Errorf("the client gets the error %q", refused)
	}
}

// linkTo is a page of a client that leads to a target.
func linkTo(origin, page, target string) string {
	return origin + "/" + page + "?" + url.Values{"to": {target}}.Encode()
}

// file is the kind's name in names of files.
func (k redirectKind) file() string { return strings.ReplaceAll(k.name, " ", "-") }
