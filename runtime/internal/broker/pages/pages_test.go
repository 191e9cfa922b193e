package pages

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

func newPages(t *testing.T, changes ...func(*Config)) *Pages {
	t.Helper()
	config := Config{
		Resource: "https://mcp.example.com/mcp", Name: "Example Server", Provider: "Fake ID",
	}
	for _, change := range changes {
		change(&config)
	}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// show returns what a page writes.
func show(page func(w http.ResponseWriter, r *http.Request)) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	page(rec, httptest.NewRequest(http.MethodGet, "https://mcp.example.com/mcp/authorize", nil))
	return rec
}

// covers: T-PRX-07
func TestNoPageCanBeFramedKeptOrScripted(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	refusal := &oauth.Error{Code: oauth.CodeInvalidRequest, Status: http.StatusBadRequest, Description: "No"}
	for name, c := range map[string]struct {
		page       func(w http.ResponseWriter, r *http.Request)
		formAction string
	}{
		"consent": {func(w http.ResponseWriter, r *http.Request) { p.Consent(w, r, proxy.ConsentPage{}) }, "form-action 'self'"},
		"error":   {func(w http.ResponseWriter, r *http.Request) { p.Error(w, r, refusal) }, "form-action 'none'"},
		"continue": {func(w http.ResponseWriter, r *http.Request) {
			p.Continue(w, r, "login", "https://idp.example.com", "https://idp.example.com/x")
		}, "form-action 'none'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := show(c.page), show(c.page)
			policy := first.Header().Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", c.formAction} {
				if !strings.Contains(policy, want) {
					t.Errorf("the policy has no %q: %s", want, policy)
				}
			}
			if policy == second.Header().Get("Content-Security-Policy") {
				t.Error("two pages have one nonce")
			}
			if h := first.Header(); h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", h)
			}
			if strings.Contains(first.Body.String(), "<script") {
				t.Error("the page has a script")
			}
		})
	}
}

func TestThePagesSayWhereTheyLead(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	refusal := &oauth.Error{Code: oauth.CodeInvalidScope, Status: http.StatusBadRequest, Description: "Not that scope"}
	rec := show(func(w http.ResponseWriter, r *http.Request) {
		p.ErrorWithReturn(w, r, refusal, "https://client.example.com/cb", "https://client.example.com/cb?error=invalid_scope")
	})
	for _, want := range []string{"Not that scope", "client.example.com", `href="https://client.example.com/cb?error=invalid_scope"`} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, rec.Body)
		}
	}
	app := show(func(w http.ResponseWriter, r *http.Request) {
		p.SendBack(w, r, "cursor://x/cb", "cursor://x/cb?code=1")
	})
	if app.Code != http.StatusOK || !strings.Contains(app.Body.String(), `href="cursor://x/cb?code=1"`) {
		t.Errorf("an application is not opened by a page: %d %s", app.Code, app.Body)
	}
	site := show(func(w http.ResponseWriter, r *http.Request) {
		p.SendBack(w, r, "https://client.example.com/cb", "https://client.example.com/cb?code=1")
	})
	if site.Code != http.StatusSeeOther || site.Header().Get("Location") != "https://client.example.com/cb?code=1" ||
		site.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("a web site is not redirected to: %d %v", site.Code, site.Header())
	}
}

func TestAnErrorPageForAPerson(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for name, c := range map[string]struct {
		status, want int
		wait         time.Duration
		retryAfter   string
	}{
		"a person has nothing to authenticate with": {http.StatusUnauthorized, http.StatusBadRequest, 0, ""},
		"a wait is in whole seconds":                {http.StatusServiceUnavailable, http.StatusServiceUnavailable, 1500 * time.Millisecond, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := show(func(w http.ResponseWriter, r *http.Request) {
				p.Error(w, r, &oauth.Error{Status: c.status, RetryAfter: c.wait, Description: "<b>No</b>"})
			})
			if rec.Code != c.want || rec.Header().Get("Retry-After") != c.retryAfter || strings.Contains(rec.Body.String(), "<b>No") {
				t.Errorf("%d %v\n%s", rec.Code, rec.Header(), rec.Body)
			}
		})
	}
}

func TestAPageThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	own := template.Must(template.New("error").Funcs(template.FuncMap{"fail": func(s string) (string, error) {
		if s == "No" {
			return "", http.ErrAbortHandler
		}
		return s, nil
	}}).Parse(`{{fail .Description}}`))
	p := newPages(t, func(c *Config) { c.Templates = own })
	rec := show(func(w http.ResponseWriter, r *http.Request) {
		p.Error(w, r, &oauth.Error{Status: http.StatusBadRequest, Description: "No"})
	})
	if rec.Code != http.StatusInternalServerError || !strings.Contains(rec.Body.String(), "cannot be shown") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestTheConsentPageKeepsItsActionsInSight(t *testing.T) {
	t.Parallel()
	page := show(func(w http.ResponseWriter, r *http.Request) {
		newPages(t).Consent(w, r, proxy.ConsentPage{
			Resource: "https://mcp.example.com/mcp/sse", Redirect: proxy.RedirectInfo{URI: "http://127.0.0.1/cb", Loopback: true},
			Scopes: []proxy.ScopeInfo{
				{Name: "openid", Words: "Know who you are", Login: true}, {Name: "files:write", Words: "Change your files"},
				{Name: "email", Login: true}, {Name: "files:read"},
			},
		})
	}).Body.String()
	t.Run("D20: scopes of a login are one line, and the others have one each", func(t *testing.T) {
		t.Parallel()
		for _, want := range []string{
			"Log you in: Know who you are <code>openid</code> · <code>email</code></li>", "<li>Change your files <code>files:write</code></li>",
			"<li>Use <code>files:read</code></li>",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the page has no %q:\n%s", want, page)
			}
		}
	})
	t.Run("D20: the next step is above the actions, which stay in sight", func(t *testing.T) {
		t.Parallel()
		sticky, next, deny := strings.Index(page, `<div class="decide">`), strings.Index(page, "you log in with Fake ID next"), strings.Index(page, ">Deny<")
		if sticky < 0 || next < sticky || deny < next || !strings.Contains(page, ".decide { position: sticky; bottom: 0;") {
			t.Errorf("the page:\n%s", page)
		}
	})
	t.Run("A14: the actions are covered before they are hovered or focused for a while", func(t *testing.T) {
		t.Parallel()
		for _, want := range []string{
			`<div class="actions guarded">`, `.guarded::after { content: ""; position: absolute; inset: 0; }`,
			".guarded:hover::after, .guarded:focus-within::after { animation: uncovered 0s .7s forwards; }",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the page has no %q", want)
			}
		}
	})
	t.Run("A8: the page names the resource", func(t *testing.T) {
		t.Parallel()
		if !strings.Contains(page, "<code>https://mcp.example.com/mcp/sse</code>") {
			t.Errorf("the page:\n%s", page)
		}
	})
}
