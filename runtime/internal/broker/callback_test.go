package broker

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

func withQuery(target string, changes ...string) string {
	u, _ := url.Parse(target)
	u.RawQuery = change(u.Query(), changes).Encode()
	return u.String()
}

// AS-10. Threats, proxy mode: forged, replayed, expired, truncated or foreign state; callback in
// another browser; callback before consent; login fixation.
// covers: T-PRX-01, T-PRX-06, AS-10
func TestCallbackIsRefused(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(t *testing.T, w *world, user *browser, callback string) *httptest.ResponseRecorder{
		"a forged state": func(_ *testing.T, _ *world, user *browser, callback string) *httptest.ResponseRecorder {
			return user.open(withQuery(callback, "state", tickets.NewID().String()))
		},
		"a truncated state": func(t *testing.T, _ *world, user *browser, callback string) *httptest.ResponseRecorder {
			t.Helper()
			u, _ := url.Parse(callback)
			return user.open(withQuery(callback, "state", u.Query().Get("state")[:21]))
		},
		"a state with spare bits": func(_ *testing.T, _ *world, user *browser, callback string) *httptest.ResponseRecorder {
			u, _ := url.Parse(callback)
			state := u.Query().Get("state")
			return user.open(withQuery(callback, "state", state[:21]+string(state[21]+1)))
		},
		"no state": func(_ *testing.T, _ *world, user *browser, callback string) *httptest.ResponseRecorder {
			return user.open(withQuery(callback, "state", ""))
		},
		"the state twice": func(_ *testing.T, _ *world, user *browser, callback string) *httptest.ResponseRecorder {
			u, _ := url.Parse(callback)
			return user.open(callback + "&state=" + u.Query().Get("state"))
		},
		"another browser": func(_ *testing.T, w *world, _ *browser, callback string) *httptest.ResponseRecorder {
			return w.newBrowser().open(callback)
		},
		"another browser with a login of its own (login fixation)": func(_ *testing.T, w *world, _ *browser, callback string) *httptest.ResponseRecorder {
			victim := w.newBrowser()
			victim.consentTo(w.newClient(webRedirect), webRedirect)
			return victim.open(callback)
		},
		"before consent": func(t *testing.T, w *world, _ *browser, callback string) *httptest.ResponseRecorder {
			t.Helper()
			fresh := w.newBrowser()
			fresh.open(authorizeURL(w.newClient(webRedirect), webRedirect)) // the page was shown, nobody allowed anything
			return fresh.open(callback)
		},
		"after ten minutes": func(_ *testing.T, w *world, user *browser, callback string) *httptest.ResponseRecorder {
			w.add(10 * time.Minute)
			return user.open(callback)
		},
		"a second time": func(t *testing.T, _ *world, user *browser, callback string) *httptest.ResponseRecorder {
			t.Helper()
			user.open(callback)
			return user.open(callback)
		},
		"a second time by a browser that keeps its cookie": func(t *testing.T, _ *world, user *browser, callback string) *httptest.ResponseRecorder {
			t.Helper()
			kept := maps.Clone(user.cookies)
			user.open(callback)
			user.cookies = kept
			return user.open(callback)
		},
		"a cookie of another login under this one's name": func(t *testing.T, w *world, user *browser, callback string) *httptest.ResponseRecorder {
			t.Helper()
			attacker := w.newBrowser()
			attacker.consentTo(w.newClient(webRedirect), webRedirect)
			for name := range user.cookies {
				for other, value := range attacker.cookies {
					if strings.Contains(name, "-login-") && strings.Contains(other, "-login-") {
						user.cookies[name] = value
					}
				}
			}
			return user.open(callback)
		},
		"an answer of another provider (mix-up)": func(_ *testing.T, _ *world, user *browser, callback string) *httptest.ResponseRecorder {
			return user.open(withQuery(callback, "iss", "https://evil.example"))
		},
		"a line break in the code": func(_ *testing.T, _ *world, user *browser, callback string) *httptest.ResponseRecorder {
			return user.open(withQuery(callback, "code", "a\r\nb"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			user := w.newBrowser()
			callback := w.provider.login(t, user.consentTo(w.newClient(webRedirect), webRedirect))
			wantPage(t, do(t, w, user, callback), http.StatusBadRequest)
			if w.provider.tokenCalls.Load() != 0 {
				t.Error("the provider saw a code")
			}
		})
	}
}

func TestCallbackByPostIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	rec := w.do(httptest.NewRequest(http.MethodPost, testResource+"/oauth/callback", nil))
	wantPage(t, rec, http.StatusMethodNotAllowed)
}

// RFC 9207: an answer without iss is accepted unless the provider is known to send it.
func TestUpstreamIssuer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*facts.Upstream)
		iss    string
		want   bool
	}{
		"the issuer":                    {func(*facts.Upstream) {}, "own", true},
		"none":                          {func(*facts.Upstream) {}, "", true},
		"none where it is required":     {func(u *facts.Upstream) { u.RequireResponseIssuer = true }, "", false},
		"one of the list":               {func(u *facts.Upstream) { u.ResponseIssuers = []string{"https://a.example", "https://b.example"} }, "https://b.example", true},
		"one that is not in the list":   {func(u *facts.Upstream) { u.ResponseIssuers = []string{"https://a.example"} }, "own", false},
		"with a slash too many":         {func(*facts.Upstream) {}, "own/", false},
		"any of a provider without any": {func(u *facts.Upstream) { u.Issuer = "" }, "https://github.example/login/oauth", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(cfg *Config) { c.change(&cfg.Upstream) })
			user := w.newBrowser()
			callback := w.provider.login(t, user.consentTo(w.newClient(webRedirect), webRedirect))
			rec := user.open(withQuery(callback, "iss", strings.Replace(c.iss, "own", w.provider.server.URL, 1)))
			if got := rec.Code == http.StatusSeeOther; got != c.want {
				t.Errorf("got %d %s", rec.Code, rec.Body)
			}
			if !c.want && !w.logged(oauth.ReasonUpstreamIssuer) {
				t.Error("the log does not say why")
			}
		})
	}
}

// An error that the provider answers with instead of a code reaches the client as a code that it
// knows, with state and iss (AS-3).
// covers: AS-3
func TestUpstreamErrorsReachTheClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) {
		c.Upstream.ErrorCodes = map[string]oauth.Code{"user_cancelled": oauth.CodeAccessDenied}
	})
	clientID := w.newClient(webRedirect)
	for given, want := range map[string]string{
		"access_denied": "access_denied", "login_required": "access_denied", "user_cancelled": "access_denied",
		"temporarily_unavailable": "temporarily_unavailable", "server_error": "server_error", "invalid_scope": "server_error",
		"unauthorized_client": "server_error", "": "server_error", "<script>": "server_error",
	} {
		user := w.newBrowser()
		callback := w.provider.login(t, user.consentTo(clientID, webRedirect))
		rec := user.open(withQuery(callback, "code", "", "error", given, "error_description", "secret details of the provider"))
		u, err := url.Parse(rec.Header().Get("Location"))
		if err != nil || rec.Code != http.StatusSeeOther || !strings.HasPrefix(u.String(), webRedirect+"?") {
			t.Fatalf("%s: %d %s", given, rec.Code, rec.Body)
		}
		q := u.Query()
		if q.Get("error") != want || q.Get("state") != "client-state" || q.Get("iss") != testResource || strings.Contains(u.String(), "details") {
			t.Errorf("%s became %v", given, q)
		}
	}
	user := w.newBrowser()
	callback := w.provider.login(t, user.consentTo(clientID, webRedirect))
	rec := user.open(withQuery(callback, "code", strings.Repeat("c", 5000)))
	if u, _ := url.Parse(rec.Header().Get("Location")); u.Query().Get("error") != "server_error" {
		t.Errorf("a code of 5 KB: %s", u)
	}
}

// covers: A13
func TestACodeThatTheProviderRepeatsIsInNoLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	for _, echo := range [][]string{
		{"iss", "https://idp.example.com/upstream-code-1"}, {"error", "upstream-code-2"},
		{"error", "x", "error_description", "about upstream-code-3"},
	} {
		user := w.newBrowser()
		callback := w.provider.login(t, user.consentTo(clientID, webRedirect))
		for i := 0; i < len(echo); i += 2 {
			callback = withQuery(callback, echo[i], echo[i+1])
		}
		user.open(callback)
	}
	if !strings.Contains(w.log.String(), "(left out)") { // the rest is checked at the end of every world
		t.Error("nothing was left out")
	}
}

// Clients with a custom scheme get a page, since browsers hang on bare redirects there.
func TestACustomSchemeClientGetsAPageThatContinues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, func(c *Config) { c.CustomSchemes = []string{"cursor"} })
	const redirect = "cursor://anysphere.cursor-mcp/oauth/callback"
	clientID := w.newClient(redirect)
	user := w.newBrowser()
	rec := user.open(w.provider.login(t, user.consentTo(clientID, redirect)))
	u, err := url.Parse(target(t, rec))
	if err != nil || u.Scheme != "cursor" || u.Host != "anysphere.cursor-mcp" || u.Query().Get("iss") != testResource {
		t.Fatalf("leads to %v", u)
	}
	answer := w.post("/token", redeemForm(clientID, redirect, u.Query().Get("code")))
	if answer.Code != http.StatusOK {
		t.Errorf("token: %d %s", answer.Code, answer.Body)
	}
}

// At most four logins at once, each in a cookie of 2 KB at most; what cannot be read goes first.
func TestTransactionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) {
		c.UsualScopes = nil
		for i := range maxScopes {
			c.UsualScopes = append(c.UsualScopes, "https://www.example.com/auth/scope-number-"+string(rune('A'+i%26))+string(rune('a'+i/26)))
		}
	})
	redirect := webRedirect + "?" + strings.Repeat("r", maxStateAndRedirect-1024-len(webRedirect)-1)
	clientID := w.newClient(redirect)
	user := w.newBrowser()
	user.cookies[newCookieJar(w.brokers[0].site.mount, true).loginPrefix+"stale"] = "rubbish"
	for range 6 {
		w.provider.login(t, user.consentTo(clientID, redirect, "state", strings.Repeat("s", 1024), "scope", ""))
		count := 0
		for name, value := range user.cookies {
			if !strings.Contains(name, "-login-") {
				continue
			}
			count++
			if n := len(name) + 1 + len(value); n > 2048 {
				t.Errorf("a transaction's cookie has %d bytes", n)
			}
		}
		if count > 4 {
			t.Errorf("%d logins at once", count)
		}
	}
	rec := w.newBrowser().open(authorizeURL(clientID, redirect+"", "state", strings.Repeat("s", 1025)))
	if rec.Code != http.StatusBadRequest {
		t.Errorf("a state that does not fit: %d", rec.Code)
	}
}

// The servers of a host share a budget: the oldest logins at the others make room, and nothing else
// of theirs does.
func TestLoginsAtOtherServersOfTheHostMakeRoom(t *testing.T) {
	t.Parallel()
	m := newRemembered(t, testResource)
	under := &logins{cookies: m.cookies, box: testBoxes(t, testResource).Login, site: m.site, provider: anyProvider{}, now: time.Now}
	r := httptest.NewRequest(http.MethodGet, testResource, nil)
	begun := httptest.NewRecorder()
	under.start(begun, r, request{redirect: webRedirect, label: "x", resource: testResource})
	for _, own := range begun.Result().Cookies() {
		r.AddCookie(own)
	}
	for _, name := range []string{
		"latchkey-AAAAAAAA-login-1", "__Host-latchkey-AAAAAAAA-login-1", "__Host-latchkey-BBBBBBBB-login-2", "__Host-latchkey-AAAAAAAA-browser-1",
		"__Host-latchkey-AAAAAAAA-login-3", "__Host-latchkey-AAAAAAAA-login-4", "__Host-latchkey-AAAAAAAA-login-5", "session-login-1",
	} {
		r.AddCookie(&http.Cookie{Name: name, Value: "x"})
	}
	rec := httptest.NewRecorder()
	under.dropOld(rec, r)
	cleared := rec.Result().Cookies()
	if len(cleared) != 1 || cleared[0].Name != "__Host-latchkey-AAAAAAAA-login-1" || cleared[0].MaxAge >= 0 {
		t.Errorf("cleared %v, want the oldest of the other servers", cleared)
	}
}

// Of too many logins at once the oldest makes room, also where all began within a second.
func TestTheOldestLoginMakesRoom(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{"a second apart": time.Second, "within a second": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			clientID, user := w.newClient(webRedirect), w.newBrowser()
			var callbacks []string
			for range maxLogins + 2 {
				callbacks = append(callbacks, w.provider.login(t, user.consentTo(clientID, webRedirect)))
				w.add(pause)
			}
			for i, callback := range callbacks {
				want := http.StatusSeeOther
				if i < 2 {
					want = http.StatusBadRequest
				}
				if rec := user.open(callback); rec.Code != want {
					t.Errorf("login %d: %d, want %d", i, rec.Code, want)
				}
			}
		})
	}
}

// Two cookies of a name mean that somebody planted one, whichever comes first.
func TestTwoCookiesOfANameAreNone(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		w := newWorld(t, 1)
		user := w.newBrowser()
		callback := w.provider.login(t, user.consentTo(w.newClient(webRedirect), webRedirect))
		r := httptest.NewRequest(http.MethodGet, callback, nil)
		var planted []string
		for name := range user.cookies {
			planted = append(planted, name+"=planted")
		}
		if first {
			r.Header.Set("Cookie", strings.Join(planted, "; "))
		}
		for name, value := range user.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		if !first {
			r.Header.Set("Cookie", r.Header.Get("Cookie")+"; "+strings.Join(planted, "; "))
		}
		wantPage(t, w.do(r), http.StatusBadRequest)
	}
}

// A transaction speaks of scopes by their place in the configuration: after a change there it is
// void, not reinterpreted.
func TestAChangeOfTheScopesEndsTransactions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	user := w.newBrowser()
	callback := w.provider.login(t, user.consentTo(w.newClient(webRedirect), webRedirect))
	w.config.UsualScopes = []string{"admin", "email", "profile"}
	w.brokers[0] = w.newBroker()
	wantPage(t, user.open(callback), http.StatusBadRequest)
}
