package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/betterauth"
)

// TestBrowserRelay logs a page in Chromium in to Better Auth, which sends no CORS headers. The
// page, the MCP server and Better Auth are three origins.
func TestBrowserRelay(t *testing.T) {
	ctx := testContext(t)
	pages := newPages(t)
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
	idp := newBetterAuth(ctx, t, "", resource.MCPURL())
	resource.Server = idp
	err := resource.Start(ctx,
		"--origin", pages.listed, "--origin", pages.unlisted,
		"--relay", "/oauth", "--relay-origin", pages.listed, "--relay-allow-loopback")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	relay := resource.Origin() + "/oauth"
	idpOrigin := strings.TrimSuffix(idp.Issuer(), "/api/auth")

	t.Run("a page of another origin logs in through the relay", func(t *testing.T) {
		visit := browse(ctx, t, idp, pages.url(pages.listed, resource.MCPURL(), relay))
		if visit.Outcome != "called" || visit.Text != idp.UserID() {
			t.Fatalf("the page shows %q (%s), want the user's id %q", visit.Text, visit.Outcome, idp.UserID())
		}
		for _, want := range []string{"GET " + relay + "/metadata", "POST " + relay + "/proxy", "POST " + resource.MCPURL()} {
			if !slices.Contains(visit.Fetched, want) {
				t.Errorf("the page did not send %s: %q", want, visit.Fetched)
			}
		}
		for _, request := range visit.Fetched {
			if !strings.Contains(request, " "+resource.Origin()+"/") {
				t.Errorf("the page reaches past the MCP server: %s", request)
			}
		}
		for _, want := range []string{idpOrigin + "/login", idpOrigin + "/consent", pages.listed + "/oauth/callback"} {
			if !slices.Contains(visit.Pages, want) {
				t.Errorf("the window was never at %s: %q", want, visit.Pages)
			}
		}
		for _, want := range []string{"endpoint=registration", "endpoint=token"} {
			if !strings.Contains(resource.Log(), want) {
				t.Errorf("the relay's log lacks %s", want)
			}
		}
	})
	t.Run("the same page fails without the relay", func(t *testing.T) {
		const metadata = "/.well-known/oauth-authorization-server/api/auth"
		before := len(idp.Log())
		visit := browse(ctx, t, idp, pages.url(pages.listed, resource.MCPURL(), ""))
		visit.wantBlocked(t, pages.listed, idpOrigin+metadata)
		if log := idp.Log()[before:]; !strings.Contains(log, "GET "+metadata+" 200") {
			t.Errorf("Better Auth did not answer, so nothing was withheld:\n%s", log)
		}
	})
	t.Run("the same page fails at an origin that the relay does not list", func(t *testing.T) {
		before := len(resource.Log())
		visit := browse(ctx, t, idp, pages.url(pages.unlisted, resource.MCPURL(), relay))
		visit.wantBlocked(t, pages.unlisted, relay+"/metadata")
		if log := resource.Log()[before:]; !strings.Contains(log, "Origin not allowed") {
			t.Errorf("the log does not say that the relay refused the origin:\n%s", log)
		}
	})
}

// pages serves the browser client under two names, which are two origins to a browser.
type pages struct{ listed, unlisted string }

func newPages(t *testing.T) pages {
	t.Helper()
	folder := filepath.Join(suite.root, "clients", "browser-relay", "page")
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir(folder)))
	mux.HandleFunc("GET /oauth/callback", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(folder, "index.html"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return pages{
		// Another site than the servers', too.
		listed:   strings.Replace(server.URL, "127.0.0.1", "localhost", 1),
		unlisted: server.URL,
	}
}

// url is the client at an origin. Without a relay it asks the authorization server itself.
func (pages) url(origin, mcp, relay string) string {
	query := url.Values{"server": {mcp}}
	if relay != "" {
		query.Set("relay", relay)
	}
	return origin + "/?" + query.Encode()
}

// visit is what clients/browser-relay/client.mjs prints.
type visit struct {
	Outcome string   `json:"outcome"`
	Text    string   `json:"text"`
	Pages   []string `json:"pages"`
	Fetched []string `json:"fetched"`
	Console []string `json:"console"`
}

// browse opens a page in a Chromium of its own. The log, and a picture of the page's end, are kept.
func browse(ctx context.Context, t *testing.T, idp *betterauth.Server, page string) visit {
	t.Helper()
	user, password := idp.Credentials()
	dir := logDir(t)
	var result visit
	var unreadable error
	err := harness.Run(ctx, harness.Command{
		Name: "browser", LogDir: dir, Path: suite.node,
		Args: []string{filepath.Join(suite.root, "clients", "browser-relay", "client.mjs")},
		Env: []string{
			"E2E_CHROMIUM=" + chromiumPath(t),
			"E2E_PAGE_URL=" + page,
			"E2E_EMAIL=" + user,
			"E2E_PASSWORD=" + password,
			"E2E_LOGS=" + dir,
			"E2E_WORK=" + t.TempDir(),
		},
		Output: func(line string) { unreadable = json.Unmarshal([]byte(line), &result) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if unreadable != nil {
		t.Fatal(unreadable)
	}
	return result
}

// chromiumPath is the browser's path.
func chromiumPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		const why = "Chromium is needed for clients that are pages: apt-get install chromium"
		if os.Getenv("CI") != "" {
			t.Fatal(why + "; CI skips no test")
		}
		t.Skip(why)
	}
	return path
}

// wantBlocked says that the page failed since the browser withheld an answer from it, before
// anybody was asked to log in.
func (v visit) wantBlocked(t *testing.T, origin, target string) {
	t.Helper()
	if v.Outcome != "failed" || !strings.Contains(v.Text, "Failed to fetch") {
		t.Errorf("the page shows %q (%s), want a fetch that failed", v.Text, v.Outcome)
	}
	blocked := func(message string) bool {
		return strings.Contains(message, "Access to fetch at '"+target) &&
			strings.Contains(message, "from origin '"+origin+"' has been blocked by CORS policy")
	}
	if !slices.ContainsFunc(v.Console, blocked) {
		t.Errorf("the browser does not say that it blocked %s for %s: %q", target, origin, v.Console)
	}
	for _, page := range v.Pages {
		if !strings.HasPrefix(page, origin+"/") {
			t.Errorf("the window left the page for %s", page)
		}
	}
}
