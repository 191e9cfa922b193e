package broker

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// AS-7, AS-8: the page names the client, where the answer goes, and what is asked for.
// covers: AS-7, AS-8
func TestTheConsentPageSaysWhatIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) {
		c.CustomSchemes = []string{"cursor"}
		c.ScopeWords = map[string]string{"email": "See your e-mail address"}
		c.Logo = []byte("\x89PNG\r\n\x1a\n-a-test-image")
	})
	for name, c := range map[string]struct {
		redirect string
		want     []string
		wantNot  []string
	}{
		"a web site": {
			webRedirect,
			[]string{`<span class="host">client.example.com</span>`, "https://client.example.com/callback", `name="remember"`},
			[]string{"on this device"},
		},
		"loopback": {
			loopRedirect,
			[]string{"An application on this device", "http://127.0.0.1/callback", "Any application on this device could be waiting"},
			[]string{`name="remember"`},
		},
		"a custom scheme": {
			"cursor://anysphere/cb",
			[]string{"“cursor:” links", "cursor://anysphere/cb", "Any application on this device can claim these links"},
			[]string{`name="remember"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := w.newBrowser().open(authorizeURL(w.newClient(c.redirect), c.redirect)).Body.String()
			for _, want := range append(c.want, "Test Client", "Example Server", "mcp.example.com", "not verified", "Fake ID",
				"See your e-mail address", "<code>openid</code>", `value="allow"`, `value="deny"`, "data:image/png;base64,", `lang="en"`,
				`name="viewport"`, "prefers-color-scheme: dark") {
				if !strings.Contains(page, want) {
					t.Errorf("the page does not have %q:\n%s", want, page)
				}
			}
			for _, not := range append(c.wantNot, "profile", "<script", "http://fonts", "onclick", "autofocus") {
				if strings.Contains(page, not) {
					t.Errorf("the page has %q", not)
				}
			}
		})
	}
}

// Threats, proxy mode: consent page framed, with HTML in client_name / logo / scope.
// covers: T-PRX-07, AS-8
func TestTheConsentPageCannotBeFramedOrScripted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	rec := w.register(`{"client_name":"<img src=x onerror=alert(1)>","logo_uri":"https://evil.example/\"><script>",
		"redirect_uris":["` + webRedirect + `"]}`)
	page := w.newBrowser().open(authorizeURL(decode[oauth.ClientInformation](t, rec).ClientID, webRedirect))
	body, h := page.Body.String(), page.Header()
	if strings.Contains(body, "<img") || !strings.Contains(body, "&lt;img src=x onerror=alert(1)&gt;") || strings.Contains(body, "evil.example") {
		t.Errorf("the name is not escaped, or a logo is fetched:\n%s", body)
	}
	policy := h.Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'", "img-src data:", "style-src 'nonce-",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q does not have %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") || h.Get("X-Frame-Options") != "DENY" ||
		h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("headers %v", h)
	}
	again := w.newBrowser().open(authorizeURL(decode[oauth.ClientInformation](t, rec).ClientID, webRedirect))
	if again.Header().Get("Content-Security-Policy") == policy {
		t.Error("the nonce is the same on two pages")
	}
}

func TestAllowAndDenyAnswerWithAPageThatContinues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	for decision, want := range map[string]string{"allow": w.provider.server.URL + "/authorize?", "deny": webRedirect + "?"} {
		user := w.newBrowser()
		rec := user.answer(user.open(authorizeURL(w.newClient(webRedirect), webRedirect)).Body.String(), decision)
		if got := target(t, rec); !strings.HasPrefix(got, want) {
			t.Errorf("%s leads to %s", decision, got)
		}
		h := rec.Header()
		if h.Get("Referrer-Policy") != "no-referrer" || h.Get("Location") != "" || !strings.Contains(h.Get("Content-Security-Policy"), "form-action 'none'") {
			t.Errorf("%s: headers %v", decision, h)
		}
	}
}

func TestDenyTellsTheClientAndTheProviderHearsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	user := w.newBrowser()
	rec := user.answer(user.open(authorizeURL(w.newClient(webRedirect), webRedirect)).Body.String(), "deny")
	u, err := url.Parse(target(t, rec))
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); q.Get("error") != "access_denied" || q.Get("state") != "client-state" || q.Get("iss") != testResource {
		t.Errorf("answer %v", q)
	}
	for name := range user.cookies {
		if strings.Contains(name, "login") || strings.Contains(name, "consent") {
			t.Errorf("cookie %s after Deny", name)
		}
	}
}

// Threats, proxy mode: consent CSRF-posted; a consent form of the attacker's opened in the victim's
// browser; too late.
// covers: T-PRX-06, T-PRX-07, AS-8
func TestConsentIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	clientID := w.newClient(webRedirect)
	page := func(b *browser) string { return b.open(authorizeURL(clientID, webRedirect)).Body.String() }
	post := func(b *browser, form url.Values, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, testResource+"/consent", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return b.send(r)
	}
	allow := func(form string) url.Values { return url.Values{"form": {form}, "decision": {"allow"}} }
	for name, c := range map[string]struct {
		status int
		reason oauth.Reason
		do     func(t *testing.T, user *browser) *httptest.ResponseRecorder
	}{
		"a form of another browser": {http.StatusForbidden, oauth.ReasonForeignForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			attacker := hiddenForm(t, page(w.newBrowser()))
			page(user) // the victim has a cookie of their own
			return post(user, allow(attacker))
		}},
		"no cookie": {http.StatusForbidden, oauth.ReasonForeignForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			form := hiddenForm(t, page(user))
			return post(w.newBrowser(), allow(form))
		}},
		"a post from another site": {http.StatusForbidden, oauth.ReasonForeignForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			return post(user, allow(hiddenForm(t, page(user))), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
		}},
		"a post from another origin in an old browser": {http.StatusForbidden, oauth.ReasonForeignForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			return post(user, allow(hiddenForm(t, page(user))), "Origin", "https://sub.mcp.example.com")
		}},
		"a post without an origin of its own": {http.StatusForbidden, oauth.ReasonForeignForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			return post(user, allow(hiddenForm(t, page(user))), "Origin", "null")
		}},
		"a post from a sibling site": {http.StatusForbidden, oauth.ReasonForeignForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			return post(user, allow(hiddenForm(t, page(user))), "Sec-Fetch-Site", "same-site")
		}},
		"no form": {http.StatusBadRequest, oauth.ReasonForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			page(user)
			return post(user, url.Values{"decision": {"allow"}})
		}},
		"a forged form": {http.StatusBadRequest, oauth.ReasonForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			form := hiddenForm(t, page(user))
			return post(user, allow(form[:40]+flip(form[40])+form[41:]))
		}},
		"a code in place of a form": {http.StatusBadRequest, oauth.ReasonForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			return post(user, allow(user.code(clientID, webRedirect)))
		}},
		"neither allow nor deny": {http.StatusBadRequest, oauth.ReasonForm, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			return post(user, url.Values{"form": {hiddenForm(t, page(user))}, "decision": {"perhaps"}})
		}},
		"both allow and deny": {http.StatusBadRequest, oauth.ReasonRepeatedParameter, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			return post(user, url.Values{"form": {hiddenForm(t, page(user))}, "decision": {"deny", "allow"}})
		}},
		"a link instead of a form": {http.StatusMethodNotAllowed, oauth.ReasonMethod, func(t *testing.T, user *browser) *httptest.ResponseRecorder {
			t.Helper()
			return user.open(testResource + "/consent?" + allow(hiddenForm(t, page(user))).Encode())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user := w.newBrowser()
			rec := c.do(t, user)
			wantPage(t, rec, c.status)
			if !w.logged(c.reason) {
				t.Errorf("the log does not say %s", c.reason)
			}
			for name := range user.cookies {
				if strings.Contains(name, "login") {
					t.Errorf("a transaction was started: %s", name)
				}
			}
		})
	}
}

func TestAnOldConsentPageSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	user := w.newBrowser()
	page := user.open(authorizeURL(w.newClient(webRedirect), webRedirect)).Body.String()
	w.add(10*time.Minute - time.Second)
	target(t, user.answer(page, "allow")) // still works
	w.add(time.Second)
	rec := user.answer(page, "allow")
	wantPage(t, rec, http.StatusBadRequest)
	if !strings.Contains(rec.Body.String(), "Go back to the application and start again") {
		t.Errorf("page:\n%s", rec.Body)
	}
}

// Threats, proxy mode: consent double-rendered: both renders work, in two tabs and after going
// back.
// covers: T-PRX-07
func TestEveryRenderOfTheConsentPageWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	clientID := w.newClient(webRedirect)
	user := w.newBrowser()
	first, second := user.open(authorizeURL(clientID, webRedirect)), user.open(authorizeURL(clientID, webRedirect, "state", "two"))
	logins := []string{
		target(t, user.answer(first.Body.String(), "allow")), target(t, user.answer(second.Body.String(), "allow")),
		target(t, user.answer(first.Body.String(), "allow")), // the back button
	}
	for i, want := range []string{"client-state", "two", "client-state"} {
		rec := user.open(w.provider.login(t, logins[i]))
		u, _ := url.Parse(rec.Header().Get("Location"))
		if rec.Code != http.StatusSeeOther || u.Query().Get("state") != want || u.Query().Get("code") == "" {
			t.Errorf("login %d: %d %s", i, rec.Code, rec.Header().Get("Location"))
		}
	}
}

// AS-9: a remembered consent counts for exactly what it was given for, and only when the user comes
// by themselves.
// covers: T-PRX-03, T-PRX-04, AS-9
func TestRememberedConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, func(c *Config) { c.Subresources = []string{testResource + "/sse"} })
	clientID, other := w.newClient(webRedirect, webRedirect+"2"), w.newClient(webRedirect)
	same := authorizeURL(clientID, webRedirect)
	for name, c := range map[string]struct {
		target  string
		headers []string
		want    bool
	}{
		"the same, opened by the user":                  {same, []string{"Sec-Fetch-Site", "none"}, true},
		"the same, from a page of ours":                 {same, []string{"Sec-Fetch-Site", "same-origin", "Referer", "https://mcp.example.com/start"}, true},
		"from a page that leads where its client says":  {same, []string{"Sec-Fetch-Site", "same-origin"}, false},
		"a referrer that begins alike":                  {same, []string{"Sec-Fetch-Site", "same-origin", "Referer", "https://mcp.example.com.evil.example/"}, false},
		"the same with another state":                   {authorizeURL(clientID, webRedirect, "state", "x"), []string{"Sec-Fetch-Site", "none"}, true},
		"ridden by a cross-site navigation":             {same, []string{"Sec-Fetch-Site", "cross-site"}, false},
		"ridden by a sibling site":                      {same, []string{"Sec-Fetch-Site", "same-site"}, false},
		"a browser that does not say":                   {same, []string{"Sec-Fetch-Site", ""}, false},
		"inside a frame":                                {same, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "iframe"}, false},
		"fetched in advance":                            {same, []string{"Sec-Fetch-Site", "none", "Sec-Purpose", "prefetch"}, false},
		"A10: fetched in advance by an older Chromium":  {same, []string{"Sec-Fetch-Site", "none", "Purpose", "prefetch"}, false},
		"A10: fetched for a preview by Safari":          {same, []string{"Sec-Fetch-Site", "none", "X-Purpose", "preview"}, false},
		"A10: fetched in advance by an older Firefox":   {same, []string{"Sec-Fetch-Site", "none", "X-Moz", "prefetch"}, false},
		"A10: fetched in advance for an unknown reason": {same, []string{"Sec-Fetch-Site", "none", "Sec-Purpose", ""}, false},
		"another client (confused deputy)":              {authorizeURL(other, webRedirect), []string{"Sec-Fetch-Site", "none"}, false},
		"another redirect of the client":                {authorizeURL(clientID, webRedirect+"2"), []string{"Sec-Fetch-Site", "none"}, false},
		"more scopes":                                   {authorizeURL(clientID, webRedirect, "scope", "openid email profile"), []string{"Sec-Fetch-Site", "none"}, false},
		"fewer scopes":                                  {authorizeURL(clientID, webRedirect, "scope", "openid"), []string{"Sec-Fetch-Site", "none"}, false},
		"another resource of the server":                {authorizeURL(clientID, webRedirect, "resource", testResource+"/sse"), []string{"Sec-Fetch-Site", "none"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user := w.newBrowser()
			user.answer(user.open(same).Body.String(), "allow", "remember", "1")
			rec := user.open(c.target, c.headers...)
			asked := rec.Code == http.StatusOK && formPattern.MatchString(rec.Body.String())
			forwarded := rec.Code == http.StatusSeeOther && strings.HasPrefix(rec.Header().Get("Location"), w.provider.server.URL)
			if asked == c.want || forwarded != c.want {
				t.Errorf("asked %v, forwarded %v: %d %s", asked, forwarded, rec.Code, rec.Header())
			}
			if forwarded {
				back := user.open(w.provider.login(t, rec.Header().Get("Location")))
				if !strings.Contains(back.Header().Get("Location"), "code=") {
					t.Errorf("callback: %d %s", back.Code, back.Body)
				}
			}
		})
	}
}

// covers: T-PRX-03, AS-9
func TestConsentIsNotRememberedUnasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) { c.CustomSchemes = []string{"cursor"} })
	asks := func(user *browser, clientID, redirect string) bool {
		return user.open(authorizeURL(clientID, redirect), "Sec-Fetch-Site", "none").Code == http.StatusOK
	}
	t.Run("without the box ticked", func(t *testing.T) {
		t.Parallel()
		user, clientID := w.newBrowser(), w.newClient(webRedirect)
		user.consentTo(clientID, webRedirect)
		if !asks(user, clientID, webRedirect) {
			t.Error("remembered")
		}
	})
	for _, redirect := range []string{loopRedirect, "https://localhost:8443/cb", "cursor://x/cb"} {
		t.Run("never for "+redirect, func(t *testing.T) {
			t.Parallel()
			user, clientID := w.newBrowser(), w.newClient(redirect)
			user.answer(user.open(authorizeURL(clientID, redirect)).Body.String(), "allow", "remember", "1")
			if !asks(user, clientID, redirect) {
				t.Error("remembered")
			}
		})
	}
	t.Run("not even with a cookie that says so", func(t *testing.T) {
		t.Parallel()
		m, r := newRemembered(t, testResource), httptest.NewRequest(http.MethodGet, testResource, nil)
		req, rec := request{redirect: loopRedirect, native: true}, httptest.NewRecorder()
		m.add(rec, r, req)
		r.AddCookie(rec.Result().Cookies()[0])
		r.Header.Set("Sec-Fetch-Site", "none")
		if m.covers(r, req) {
			t.Error("remembered")
		}
		req.native = false
		if !m.covers(r, req) {
			t.Error("the cookie does not say so")
		}
	})
	t.Run("not with Deny", func(t *testing.T) {
		t.Parallel()
		user, clientID := w.newBrowser(), w.newClient(webRedirect)
		user.answer(user.open(authorizeURL(clientID, webRedirect)).Body.String(), "deny", "remember", "1")
		if !asks(user, clientID, webRedirect) {
			t.Error("remembered")
		}
	})
	t.Run("not by POST", func(t *testing.T) {
		t.Parallel()
		user, clientID := w.newBrowser(), w.newClient(webRedirect)
		user.answer(user.open(authorizeURL(clientID, webRedirect)).Body.String(), "allow", "remember", "1")
		full, _ := url.Parse(authorizeURL(clientID, webRedirect))
		r := httptest.NewRequest(http.MethodPost, testResource+"/authorize", strings.NewReader(full.RawQuery))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if rec := user.send(r); rec.Code != http.StatusOK {
			t.Errorf("got %d", rec.Code)
		}
	})
}

func TestRememberedConsentsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	user := w.newBrowser()
	var clients []string
	for range 18 {
		clientID := w.newClient(webRedirect)
		clients = append(clients, clientID)
		user.answer(user.open(authorizeURL(clientID, webRedirect)).Body.String(), "allow", "remember", "1")
		w.add(time.Hour)
	}
	remembers := func(i int) bool {
		return user.open(authorizeURL(clients[i], webRedirect), "Sec-Fetch-Site", "none").Code == http.StatusSeeOther
	}
	if remembers(0) || remembers(1) || !remembers(2) || !remembers(17) {
		t.Error("not the 16 newest consents are remembered")
	}
	for name, value := range user.cookies {
		if strings.Contains(name, "consent") && len(value) > 700 {
			t.Errorf("the cookie has %d bytes", len(value))
		}
	}
	w.add(rememberLifetime - 16*time.Hour - time.Minute)
	if !remembers(2) {
		t.Error("forgotten too early")
	}
	w.add(2 * time.Minute)
	if remembers(2) || !remembers(17) {
		t.Error("each consent must end by itself")
	}
}

// AS-9: every cookie is __Host-, Secure, HttpOnly and SameSite=Lax; on plain http loopback the
// first two are left out.
// covers: AS-9
func TestCookies(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{testResource, "http://localhost:3000/mcp"} {
		secure := strings.HasPrefix(resource, "https")
		m := newRemembered(t, resource)
		under := &logins{
			cookies: m.cookies, box: testBoxes(t, resource).Login, site: m.site, provider: anyProvider{}, now: time.Now,
		}
		req := request{redirect: webRedirect, label: "x", resource: resource}
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, resource, nil)
		m.add(rec, r, req)
		under.start(rec, r, req)
		m.cookies.browser(rec, r)
		cookies := rec.Result().Cookies()
		if len(cookies) != 3 {
			t.Fatalf("%d cookies", len(cookies))
		}
		for _, c := range cookies {
			if strings.HasPrefix(c.Name, "__Host-") != secure || c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
				c.Path != "/" || c.Domain != "" || c.MaxAge <= 0 {
				t.Errorf("%s: %s", resource, c)
			}
		}
	}
}

// Several mounts on one host never mix: cookies, keys, callback.
func TestMountsDoNotMix(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	other := w.config
	other.Resource = "https://mcp.example.com/mcp2"
	second, err := New(other)
	if err != nil {
		t.Fatal(err)
	}
	first := w.brokers[0]
	if first.site.mount == second.site.mount || first.CallbackURL() == second.CallbackURL() {
		t.Error("two mounts share a cookie name, a callback or store keys")
	}
	tokens := w.login(w.newClient(webRedirect))
	if _, err := second.VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); err == nil {
		t.Error("an access token of one mount is accepted by another")
	}
	user := w.newBrowser()
	page := user.open(authorizeURL(w.newClient(webRedirect), webRedirect)).Body.String()
	if _, _, err := w.boxes(testResource).Form.Open(hiddenForm(t, page)); err != nil {
		t.Errorf("the form does not open: %v", err)
	}
	if _, _, err := w.boxes(other.Resource).Form.Open(hiddenForm(t, page)); err == nil {
		t.Error("a form of one mount is accepted by another")
	}
	if strings.Contains(html.UnescapeString(page), "mcp2") {
		t.Error("the page knows of another mount")
	}
}
