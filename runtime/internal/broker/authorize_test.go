package broker

import (
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
)

// Threats, proxy mode: redirect URI not registered, other port, open redirect. Until client and
// redirect URI are known to belong together, nothing leads anywhere.
// covers: T-PRX-02, T-PRX-17, AS-6
func TestAuthorizeRefusesWithoutRedirecting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID, other := w.newClient(webRedirect, loopRedirect), w.newClient("https://other.example.com/cb")
	for name, target := range map[string]string{
		"no client_id":                           authorizeURL("", webRedirect, "client_id", ""),
		"an unknown client_id":                   authorizeURL("nobody", webRedirect),
		"a client_id with a changed character":   authorizeURL(clientID[:50]+flip(clientID[50])+clientID[51:], webRedirect),
		"a client_id of 1 MB":                    authorizeURL(strings.Repeat("A", 60<<10), webRedirect),
		"no redirect_uri":                        authorizeURL(clientID, "", "redirect_uri", ""),
		"a redirect_uri of another client":       authorizeURL(other, webRedirect),
		"a redirect_uri with another path":       authorizeURL(clientID, webRedirect+"/x"),
		"a redirect_uri with more query":         authorizeURL(clientID, webRedirect+"?x=y"),
		"a redirect_uri on another port":         authorizeURL(clientID, "https://client.example.com:8443/callback"),
		"a redirect_uri with user information":   authorizeURL(clientID, "https://client.example.com@evil.example/callback"),
		"a redirect_uri with a fragment":         authorizeURL(clientID, webRedirect+"#x"),
		"a redirect_uri with dot segments":       authorizeURL(clientID, "https://client.example.com/x/../callback"),
		"a redirect_uri with an encoded host":    authorizeURL(clientID, "https://client%2eexample.com/callback"),
		"a loopback redirect_uri of another way": authorizeURL(clientID, "http://127.0.0.1:5/other"),
		"javascript":                             authorizeURL(clientID, "javascript:alert(1)"),
		"data":                                   authorizeURL(clientID, "data:text/html,<script>alert(1)</script>"),
		"an error beside a foreign redirect_uri": authorizeURL(clientID, "https://evil.example/", "response_type", "bogus"),
		"client_id twice":                        authorizeURL(clientID, webRedirect) + "&client_id=" + clientID,
		"redirect_uri twice":                     authorizeURL(clientID, webRedirect) + "&redirect_uri=" + url.QueryEscape(webRedirect),
		"state twice":                            authorizeURL(clientID, webRedirect) + "&state=x",
		"a line break in a parameter":            authorizeURL(clientID, webRedirect, "state", "a\r\nLocation: https://evil.example"),
		"a NUL in a parameter":                   authorizeURL(clientID, webRedirect, "state", "a\x00"),
		"invalid UTF-8":                          authorizeURL(clientID, webRedirect) + "&x=%ff",
		"a broken escape":                        authorizeURL(clientID, webRedirect) + "&x=%zz",
		"65 parameters":                          authorizeURL(clientID, webRedirect) + "&" + manyParams(65),
		"a document of another scheme":           authorizeURL("http://client.example.com/metadata", webRedirect),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := w.newBrowser().open(target)
			wantPage(t, rec, http.StatusBadRequest)
			if len(rec.Result().Cookies()) > 0 {
				t.Errorf("cookies were set: %v", rec.Result().Cookies())
			}
		})
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func manyParams(n int) string {
	var pairs []string
	for i := range n {
		pairs = append(pairs, "p"+strings.Repeat("x", i)+"=1")
	}
	return strings.Join(pairs, "&")
}

// refusedRequests are requests of a known client that cannot be served. AS-2, AS-12.
func refusedRequests(clientID, redirect string) map[string]struct {
	target string
	code   oauth.Code
} {
	type c = struct {
		target string
		code   oauth.Code
	}
	with := func(changes ...string) string { return authorizeURL(clientID, redirect, changes...) }
	return map[string]c{
		"no response_type":                   {with("response_type", ""), oauth.CodeInvalidRequest},
		"response_type token":                {with("response_type", "token"), oauth.CodeUnsupportedResponseType},
		"response_type code id_token":        {with("response_type", "code id_token"), oauth.CodeUnsupportedResponseType},
		"response_mode fragment":             {with("response_mode", "fragment"), oauth.CodeInvalidRequest},
		"response_mode form_post":            {with("response_mode", "form_post"), oauth.CodeInvalidRequest},
		"no code_challenge":                  {with("code_challenge", ""), oauth.CodeInvalidRequest},
		"code_challenge_method plain":        {with("code_challenge_method", "plain"), oauth.CodeInvalidRequest},
		"no code_challenge_method":           {with("code_challenge_method", ""), oauth.CodeInvalidRequest},
		"a code_challenge_method in another": {with("code_challenge_method", "s256"), oauth.CodeInvalidRequest},
		"a short code_challenge":             {with("code_challenge", "abc"), oauth.CodeInvalidRequest},
		"a long code_challenge":              {with("code_challenge", challengeOf("x")+"A"), oauth.CodeInvalidRequest},
		"a padded code_challenge":            {with("code_challenge", challengeOf("x")+"="), oauth.CodeInvalidRequest},
		"a code_challenge with spare bits":   {with("code_challenge", challengeOf("x")[:42]+"_"), oauth.CodeInvalidRequest},
		"the resource of another server":     {with("resource", "https://evil.example/mcp"), oauth.CodeInvalidTarget},
		"the resource of another path":       {with("resource", "https://mcp.example.com/other"), oauth.CodeInvalidTarget},
		"a prefix of the resource":           {with("resource", "https://mcp.example.com"), oauth.CodeInvalidTarget},
		"a resource that starts like ours":   {with("resource", testResource+"x"), oauth.CodeInvalidTarget},
		"a resource with a fragment":         {with("resource", testResource+"#x"), oauth.CodeInvalidTarget},
		"a resource with a query":            {with("resource", testResource+"?x"), oauth.CodeInvalidTarget},
		"a resource that is no URL":          {with("resource", "mcp"), oauth.CodeInvalidTarget},
		"a foreign resource beside ours":     {with() + "&resource=" + url.QueryEscape("https://evil.example/mcp"), oauth.CodeInvalidTarget},
		"scope twice":                        {with() + "&scope=email", oauth.CodeInvalidRequest},
		"code_challenge twice":               {with() + "&code_challenge=" + challengeOf("y"), oauth.CodeInvalidRequest},
		"R22: a state that does not fit":     {with("state", strings.Repeat("s", maxStateAndRedirect)), oauth.CodeInvalidRequest},
		"prompt none":                        {with("prompt", "none"), "interaction_required"},
		"a request object":                   {with("request", "x.y.z"), "request_not_supported"},
		"a request_uri":                      {with("request_uri", "https://evil.example/"), "request_uri_not_supported"},
	}
}

// AS-3: errors go to a verified redirect URI alone and carry iss. To the user's own device they go
// by themselves.
// covers: T-PRX-09, T-PRX-16, AS-2, AS-3, AS-12
func TestAuthorizeErrorsReachAClientOnThisDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(loopRedirect)
	for name, c := range refusedRequests(clientID, loopRedirect) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := w.newBrowser().open(c.target)
			location, err := url.Parse(rec.Header().Get("Location"))
			if err != nil || rec.Code != http.StatusSeeOther || !strings.HasPrefix(location.String(), loopRedirect+"?") {
				t.Fatalf("got %d %v %s", rec.Code, rec.Header(), rec.Body)
			}
			q := location.Query()
			asked, _ := url.Parse(c.target)
			if q.Get("error") != string(c.code) || q.Get("iss") != testResource || q.Get("state") != asked.Query().Get("state") || q.Has("code") {
				t.Errorf("answer %v, want %s", q, c.code)
			}
			if rec.Header().Get("Referrer-Policy") != "no-referrer" || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", rec.Header())
			}
		})
	}
}

// Threats, proxy mode: open redirect through an error. To a web site, which anybody can register,
// only the user leads (RFC 9700 section 4.11.2).
// covers: T-PRX-02
func TestAuthorizeErrorsDoNotRedirectToAWebSiteByThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	for name, c := range refusedRequests(clientID, webRedirect) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := w.newBrowser().open(c.target)
			page := rec.Body.String()
			if rec.Code != http.StatusBadRequest || rec.Header().Get("Location") != "" || refreshPattern.MatchString(page) {
				t.Fatalf("got %d %v %s", rec.Code, rec.Header(), page)
			}
			link := hrefPattern.FindStringSubmatch(page)
			if link == nil || !strings.Contains(page, "<strong>client.example.com</strong>") {
				t.Fatalf("the page names no way back:\n%s", page)
			}
			u, err := url.Parse(html.UnescapeString(link[1]))
			if err != nil || u.Host != "client.example.com" || u.Query().Get("error") != string(c.code) || u.Query().Get("iss") != testResource {
				t.Errorf("the page leads to %s", link[1])
			}
		})
	}
}

// covers: RS-11
func TestAuthorizeAccepts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) { c.Subresources = []string{testResource + "/sse"} })
	clientID := w.newClient(webRedirect, loopRedirect)
	for name, target := range map[string]string{
		"another port of loopback":                   authorizeURL(clientID, "http://127.0.0.1:41234/callback"),
		"a resource with an upper-case host (RS-11)": authorizeURL(clientID, webRedirect, "resource", "HTTPS://MCP.Example.COM/mcp"),
		"a resource with a trailing slash":           authorizeURL(clientID, webRedirect, "resource", testResource+"/"),
		"a subresource":                              authorizeURL(clientID, webRedirect, "resource", testResource+"/sse"),
		"unknown scopes beside known ones":           authorizeURL(clientID, webRedirect, "scope", "openid admin"),
		"R5: unknown scopes alone":                   authorizeURL(clientID, webRedirect, "scope", "mcp"),
		"R5: scopes with odd characters":             authorizeURL(clientID, webRedirect, "scope", `openid "x"`),
		"R4: the same resource twice":                authorizeURL(clientID, webRedirect) + "&resource=" + url.QueryEscape(testResource),
		"R4: one resource in three spellings": authorizeURL(clientID, webRedirect) + "&resource=" + url.QueryEscape(testResource+"/") +
			"&resource=" + url.QueryEscape("HTTPS://MCP.example.com:443/mcp"),
		"R4: two resources of ours":                    authorizeURL(clientID, webRedirect) + "&resource=" + url.QueryEscape(testResource+"/sse"),
		"empty parameters, which count as omitted":     authorizeURL(clientID, webRedirect, "scope", "") + "&scope=&nonce=",
		"unknown parameters":                           authorizeURL(clientID, webRedirect, "login_hint", "ada", "x", "y"),
		"prompt login":                                 authorizeURL(clientID, webRedirect, "prompt", "login"),
		"response_mode query":                          authorizeURL(clientID, webRedirect, "response_mode", "query"),
		"R22: a state of more than 1 KB":               authorizeURL(clientID, webRedirect, "state", strings.Repeat("s", 1100)),
		"a state with every printable ASCII character": authorizeURL(clientID, webRedirect, "state", ` !"#$%&'()*+,-./:;<=>?@[\]^_{|}~`+"`"),
		"a state beyond ASCII":                         authorizeURL(clientID, webRedirect, "state", "Zustand – état"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if rec := w.newBrowser().open(target); rec.Code != http.StatusOK {
				t.Errorf("got %d %s", rec.Code, rec.Body)
			}
		})
	}
}

// Browsers send no Lax cookies with the forms of another site, so each of them would look like one
// of a new browser. A site that posts many must not fill the browser with identifiers, which would
// push out the cookies of everything else on the host.
func TestFormsOfAnotherSiteLeaveNoCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	full, _ := url.Parse(authorizeURL(w.newClient(webRedirect), webRedirect, "resource", testResource, "prompt", "consent"))
	form := full.Query()
	form.Set("more", "than counts")
	user := w.newBrowser()
	for range 20 {
		r := httptest.NewRequest(http.MethodPost, testResource+"/authorize", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		rec := w.do(r) // without the user's cookies
		if rec.Code != http.StatusSeeOther || len(rec.Result().Cookies()) != 0 {
			t.Fatalf("got %d with the cookies %v", rec.Code, rec.Result().Cookies())
		}
		link, _ := url.Parse(rec.Header().Get("Location"))
		form.Del("more")
		if got := link.Query(); !maps.EqualFunc(got, form, slices.Equal) {
			t.Fatalf("the link asks for %v", got)
		}
		form.Set("more", "than counts")
		if page := user.open(link.String()); !strings.Contains(page.Body.String(), "Test Client") { // a link brings them
			t.Fatalf("got %d %s", page.Code, page.Body)
		}
	}
	if len(user.cookies) != 1 {
		t.Errorf("the browser has %d cookies", len(user.cookies))
	}
}

// The cookie of a login has room for so much.
func TestStateAndRedirectAreBoundedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	redirect := webRedirect + "?" + strings.Repeat("r", 512-len(webRedirect)-1)
	clientID := w.newClient(redirect)
	for length, fits := range map[int]bool{maxStateAndRedirect - 512: true, maxStateAndRedirect - 512 + 1: false} {
		rec := w.newBrowser().open(authorizeURL(clientID, redirect, "state", strings.Repeat("s", length)))
		if (rec.Code == http.StatusOK) != fits {
			t.Errorf("a state of %d characters: %d", length, rec.Code)
		}
	}
}

// A state that no answer can carry is refused on a page: without it the client could not tell whose
// answer it got.
// covers: R22
func TestAnAnswerHasItsStateOrIsAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(loopRedirect)
	rec := w.newBrowser().open(authorizeURL(clientID, loopRedirect, "state", strings.Repeat("s", maxAnsweredState+1)))
	wantPage(t, rec, http.StatusBadRequest)
	rec = w.newBrowser().open(authorizeURL(clientID, loopRedirect, "state", strings.Repeat("s", maxAnsweredState)))
	if location, err := url.Parse(rec.Header().Get("Location")); err != nil || len(location.Query().Get("state")) != maxAnsweredState {
		t.Errorf("got %d %v", rec.Code, rec.Header())
	}
}

// RFC 6749 section 3.1: POST works too.
func TestAuthorizeByPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	clientID := w.newClient(webRedirect)
	full, _ := url.Parse(authorizeURL(clientID, webRedirect))
	post := func(query string, form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, testResource+"/authorize?"+query, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "none")
		user := w.newBrowser()
		rec := user.send(r)
		if rec.Code == http.StatusSeeOther {
			rec = user.open(rec.Header().Get("Location"))
		}
		return rec
	}
	if rec := post("", full.Query()); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "Test Client") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	wantPage(t, post("client_id="+clientID, full.Query()), http.StatusBadRequest) // in query and body
	r := httptest.NewRequest(http.MethodPost, testResource+"/authorize", strings.NewReader(`{"client_id":"x"}`))
	r.Header.Set("Content-Type", "application/json")
	wantPage(t, w.do(r), http.StatusBadRequest)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions} {
		if rec := w.do(httptest.NewRequest(method, full.String(), nil)); rec.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, rec.Code)
		}
	}
}

// The same echoed everywhere: nothing in a parameter can become a header or markup.
// covers: T-PRX-17
func TestNothingBreaksOutOfAResponse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) { c.CustomSchemes = []string{"cursor"} })
	const state = `"><script>alert(1)</script><meta http-equiv="refresh" content="0;url=https://evil.example">&code=evil;`
	for _, redirect := range []string{loopRedirect, webRedirect, "cursor://x/cb"} {
		clientID := w.newClient(redirect)
		user := w.newBrowser()
		page := user.open(authorizeURL(clientID, redirect, "state", state))
		denied := user.answer(page.Body.String(), "deny")
		back, err := url.Parse(target(t, denied))
		if err != nil || back.Query().Get("state") != state || back.Query().Has("code") || back.Query().Get("error") != "access_denied" {
			t.Errorf("%s: denied leads to %v", redirect, back)
		}
		refused := user.open(authorizeURL(clientID, redirect, "state", state, "response_type", "x"))
		done := user.open(w.provider.login(t, user.consentTo(clientID, redirect, "state", state)))
		for _, rec := range []*httptest.ResponseRecorder{page, denied, refused, done} {
			if body := rec.Body.String(); strings.Contains(body, "<script") || strings.Count(body, "<meta http-equiv") > 1 {
				t.Errorf("%s: markup from the state:\n%s", redirect, body)
			}
		}
	}
}
