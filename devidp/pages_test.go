package devidp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
)

// browser is a client with cookies that does not follow redirects.
func browser(t *testing.T, idp *devidp.TestServer) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := unfollowing(idp.Client())
	client.Jar = jar
	return client
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]+)">`)

// hiddenFields are those of a page's form.
func hiddenFields(text string) url.Values {
	fields := url.Values{}
	for _, match := range hiddenField.FindAllStringSubmatch(text, -1) {
		fields.Set(match[1], match[2])
	}
	return fields
}

// open follows an authorization request to the login page.
func open(t *testing.T, idp *devidp.TestServer, client *http.Client, parameters url.Values) (address string, page result) {
	t.Helper()
	answer := do(t, client, newRequest(t, http.MethodGet, authorizeURL(idp, parameters), "", ""))
	address = idp.URL(answer.header.Get("Location"))
	return address, do(t, client, newRequest(t, http.MethodGet, address, "", ""))
}

// submit sends a page's form with one more field.
func submit(t *testing.T, idp *devidp.TestServer, client *http.Client, path string, page result, field, value string) result {
	t.Helper()
	form := with(hiddenFields(page.text), field, value)
	return do(t, client, newRequest(t, http.MethodPost, idp.URL(path), formType, form.Encode()))
}

// consentOf logs alice in and returns the consent page.
func consentOf(t *testing.T, idp *devidp.TestServer, client *http.Client, parameters url.Values) result {
	t.Helper()
	_, page := open(t, idp, client, parameters)
	answer := submit(t, idp, client, "/login", page, "user", "alice")
	return do(t, client, newRequest(t, http.MethodGet, idp.URL(answer.header.Get("Location")), "", ""))
}

func TestPagesAreLockedDown(t *testing.T) { // AS-8: cannot be framed
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	client := browser(t, idp)
	_, loginPage := open(t, idp, client, authorizeParameters())
	consent := consentOf(t, idp, client, authorizeParameters())
	for name, page := range map[string]result{
		"login": loginPage, "consent": consent,
		"return": submit(t, idp, client, "/consent", consent, "decision", "allow"),
		"error":  get(t, idp, idp.URL("/login")), "index": get(t, idp, idp.URL("/")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := page.header.Get("Content-Security-Policy")
			for _, part := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !strings.Contains(policy, part) {
					t.Errorf("policy lacks %s: %s", part, policy)
				}
			}
			if page.header.Get("X-Frame-Options") != "DENY" || page.header.Get("Cache-Control") != "no-store" ||
				page.header.Get("X-Content-Type-Options") != "nosniff" || page.header.Get("Referrer-Policy") != "same-origin" {
				t.Errorf("headers %v", page.header)
			}
			_, rest, _ := strings.Cut(page.text, "<style>")
			style, _, _ := strings.Cut(rest, "</style>")
			digest := sha256.Sum256([]byte(style))
			if !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'") {
				t.Error("the policy's digest is not that of the page's style")
			}
			for _, bad := range []string{"<script", " src=", " style=", "onclick"} {
				if strings.Contains(page.text, bad) {
					t.Errorf("the page has %q", bad)
				}
			}
			if !strings.Contains(page.text, "For development only.") {
				t.Error("the page does not say that it is for development only")
			}
		})
	}
}

func TestConsentPageNames(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient, func(c *devidp.Config) {
		c.Clients = append(c.Clients, devidp.Client{ID: "web", Name: "Web", RedirectURIs: []string{"https://app.example.com/callback"}})
	})
	const warning = "any program may be listening"
	t.Run("client, user, scopes, resource and redirect host, with a warning for loopback", func(t *testing.T) { // AS-7, AS-8
		t.Parallel()
		page := consentOf(t, idp, browser(t, idp), with(authorizeParameters(), "scope", "openid tools:read"))
		for _, want := range []string{
			"Public Client", "Alice Archer", "<code>openid</code>", "<code>tools:read</code>", testResource,
			"<strong>127.0.0.1:7000</strong>", warning,
		} {
			if !strings.Contains(page.text, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
	})
	t.Run("no warning for a redirect to the web", func(t *testing.T) {
		t.Parallel()
		parameters := with(authorizeParameters(), "client_id", "web", "redirect_uri", "https://app.example.com/callback")
		page := consentOf(t, idp, browser(t, idp), parameters)
		if !strings.Contains(page.text, "<strong>app.example.com</strong>") || strings.Contains(page.text, warning) {
			t.Error("wrong host or a warning")
		}
	})
	t.Run("a client's HTML as text", func(t *testing.T) {
		t.Parallel()
		answer := postJSON(t, idp, "/register", map[string]any{
			"client_name": `<img src=x onerror=alert(1)>"'`, "redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none",
		})
		id, _ := answer.json(t)["client_id"].(string)
		client := browser(t, idp)
		_, loginPage := open(t, idp, client, with(authorizeParameters(), "client_id", id))
		consent := consentOf(t, idp, client, with(authorizeParameters(), "client_id", id, "scope", "<b>"))
		for _, page := range []result{loginPage, consent} {
			if strings.Contains(page.text, "<img") || strings.Contains(page.text, "<code><b>") || !strings.Contains(page.text, "&lt;img") {
				t.Error("a client's text is not escaped")
			}
		}
		if !strings.Contains(consent.text, "registered itself") {
			t.Error("the page does not say that the client's name is its own")
		}
	})
}

func TestLoginHintMarksTheUser(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	_, page := open(t, idp, browser(t, idp), with(authorizeParameters(), "login_hint", "bob@example.com"))
	if !regexp.MustCompile(`hinted" name="user" value="bob" autofocus`).MatchString(page.text) {
		t.Error("bob is not marked")
	}
}

func TestFormsAreBoundToTheirTransaction(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	refused := func(t *testing.T, answer result, status int) {
		t.Helper()
		if answer.status != status || answer.header.Get("Refresh") != "" || answer.header.Get("Location") != "" {
			t.Errorf("status %d, refresh %q, location %q", answer.status, answer.header.Get("Refresh"), answer.header.Get("Location"))
		}
	}
	t.Run("a login page opened in another browser is refused", func(t *testing.T) { // login fixation
		t.Parallel()
		address, _ := open(t, idp, browser(t, idp), authorizeParameters())
		refused(t, do(t, browser(t, idp), newRequest(t, http.MethodGet, address, "", "")), 400)
	})
	t.Run("a form sent from another browser is refused", func(t *testing.T) {
		t.Parallel()
		consent := consentOf(t, idp, browser(t, idp), authorizeParameters())
		refused(t, submit(t, idp, browser(t, idp), "/consent", consent, "decision", "allow"), 400)
	})
	t.Run("a form with a made-up cookie is refused", func(t *testing.T) {
		t.Parallel()
		client := browser(t, idp)
		consent := consentOf(t, idp, client, authorizeParameters())
		address, err := url.Parse(idp.URL("/consent"))
		if err != nil {
			t.Fatal(err)
		}
		stranger := browser(t, idp)
		for _, cookie := range client.Jar.Cookies(address) {
			stranger.Jar.SetCookies(address, []*http.Cookie{{Name: cookie.Name, Value: "made-up", Path: "/"}})
		}
		refused(t, submit(t, idp, stranger, "/consent", consent, "decision", "allow"), 400)
		if answer := submit(t, idp, client, "/consent", consent, "decision", "allow"); answer.header.Get("Refresh") == "" {
			t.Errorf("with the true cookie: status %d", answer.status)
		}
	})
	t.Run("a form without its hidden value is refused", func(t *testing.T) {
		t.Parallel()
		client := browser(t, idp)
		consent := consentOf(t, idp, client, authorizeParameters())
		for _, value := range []string{"", "made-up"} {
			form := with(hiddenFields(consent.text), "decision", "allow", "form", value)
			refused(t, do(t, client, newRequest(t, http.MethodPost, idp.URL("/consent"), formType, form.Encode())), 400)
		}
	})
	t.Run("the hidden value of another transaction of the same browser is refused", func(t *testing.T) {
		t.Parallel()
		client := browser(t, idp)
		first := consentOf(t, idp, client, authorizeParameters())
		second := consentOf(t, idp, client, authorizeParameters())
		form := with(hiddenFields(first.text), "decision", "allow", "form", hiddenFields(second.text).Get("form"))
		refused(t, do(t, client, newRequest(t, http.MethodPost, idp.URL("/consent"), formType, form.Encode())), 400)
	})
	t.Run("a decision by GET is only the page again", func(t *testing.T) {
		t.Parallel()
		client := browser(t, idp)
		form := with(hiddenFields(consentOf(t, idp, client, authorizeParameters()).text), "decision", "allow")
		answer := do(t, client, newRequest(t, http.MethodGet, idp.URL("/consent")+"?"+form.Encode(), "", ""))
		refused(t, answer, 200)
	})
	for name, header := range map[string][2]string{ // CSRF by another page on this machine, which shares the cookies
		"by a page on another port":                      {"Origin", "http://127.0.0.1:1"},
		"by a page of the same site":                     {"Sec-Fetch-Site", "same-site"},
		"by a page of another site, seen by the browser": {"Sec-Fetch-Site", "cross-site"},
	} {
		t.Run("a form sent "+name+" is refused", func(t *testing.T) {
			t.Parallel()
			client := browser(t, idp)
			consent := consentOf(t, idp, client, authorizeParameters())
			form := with(hiddenFields(consent.text), "decision", "allow")
			request := newRequest(t, http.MethodPost, idp.URL("/consent"), formType, form.Encode())
			request.Header.Set(header[0], header[1])
			refused(t, do(t, client, request), 403)
		})
	}
	t.Run("consent before login leads to the login", func(t *testing.T) {
		t.Parallel()
		client := browser(t, idp)
		_, page := open(t, idp, client, authorizeParameters())
		answer := submit(t, idp, client, "/consent", page, "decision", "allow")
		if answer.status != http.StatusSeeOther || !strings.HasPrefix(answer.header.Get("Location"), "/login?") {
			t.Errorf("status %d, location %q", answer.status, answer.header.Get("Location"))
		}
	})
	t.Run("a form sent twice works once", func(t *testing.T) {
		t.Parallel()
		client := browser(t, idp)
		consent := consentOf(t, idp, client, authorizeParameters())
		if answer := submit(t, idp, client, "/consent", consent, "decision", "allow"); answer.header.Get("Refresh") == "" {
			t.Fatalf("first: status %d", answer.status)
		}
		refused(t, submit(t, idp, client, "/consent", consent, "decision", "allow"), 400)
	})
	t.Run("a page rendered twice works from both renderings", func(t *testing.T) {
		t.Parallel()
		client := browser(t, idp)
		address, first := open(t, idp, client, authorizeParameters())
		second := do(t, client, newRequest(t, http.MethodGet, address, "", ""))
		for _, page := range []result{second, first} {
			if answer := submit(t, idp, client, "/login", page, "user", "bob"); answer.status != http.StatusSeeOther {
				t.Errorf("status %d", answer.status)
			}
		}
	})
	t.Run("two logins in one browser do not mix", func(t *testing.T) {
		t.Parallel()
		client := browser(t, idp)
		first := consentOf(t, idp, client, with(authorizeParameters(), "state", "first"))
		second := consentOf(t, idp, client, with(authorizeParameters(), "state", "second"))
		for state, page := range map[string]result{"first": first, "second": second} {
			answer := submit(t, idp, client, "/consent", page, "decision", "allow")
			if !strings.Contains(answer.header.Get("Refresh"), "state="+state) {
				t.Errorf("status %d for %s", answer.status, state)
			}
		}
	})
	t.Run("cancelling at the login page denies", func(t *testing.T) {
		t.Parallel()
		client := browser(t, idp)
		_, page := open(t, idp, client, authorizeParameters())
		answer := submit(t, idp, client, "/login", page, "decision", "deny")
		if !strings.Contains(answer.header.Get("Refresh"), "error=access_denied") {
			t.Errorf("status %d", answer.status)
		}
	})
	t.Run("after ten minutes the login has ended", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		idp := devidp.Start(t, publicClient, withClock(clock.Now))
		client := browser(t, idp)
		address, _ := open(t, idp, client, authorizeParameters())
		clock.advance(10 * time.Minute)
		refused(t, do(t, client, newRequest(t, http.MethodGet, address, "", "")), 400)
	})
}

func TestTransactionCookieIsPrivate(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient, func(c *devidp.Config) { c.Issuer += "/realms/dev" })
	answer := get(t, idp, authorizeURL(idp, authorizeParameters()))
	cookie := answer.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/realms/dev/", "Max-Age=600"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie lacks %s", want)
		}
	}
}

// Chromium applies form-action to the redirects after a form, so the way back is a page (see
// returnPage).
func TestAllowAnswersWithAPageThatLeadsBack(t *testing.T) {
	t.Parallel()
	const redirect = "cursor://anysphere.cursor-mcp/oauth/callback"
	idp := devidp.Start(t, func(c *devidp.Config) {
		c.RedirectSchemes = []string{"cursor"}
		c.Clients = []devidp.Client{{ID: "public", RedirectURIs: []string{redirect, testRedirect}}}
	})
	for _, uri := range []string{redirect, testRedirect} {
		client := browser(t, idp)
		consent := consentOf(t, idp, client, with(authorizeParameters(), "redirect_uri", uri))
		answer := submit(t, idp, client, "/consent", consent, "decision", "allow")
		if answer.status != http.StatusOK || !strings.HasPrefix(answer.header.Get("Refresh"), "0; url="+uri+"?code=") {
			t.Errorf("%s: status %d", uri, answer.status)
		}
		if !strings.Contains(answer.text, `href="`+uri+`?code=`) {
			t.Errorf("%s: the page has no link to it", uri)
		}
	}
}
