package broker

import (
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Replicas of different configurations take part in one login while an upgrade is under way.
func TestALoginMeetsOneConfiguration(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"another subresource":         func(c *Config) { c.Subresources = []string{testResource + "/other", testResource + "/sse"} },
		"subresources in other order": func(c *Config) { c.Subresources = []string{testResource + "/ws", testResource + "/sse"} },
		"no subresource":              func(c *Config) { c.Subresources = nil },
		"another mode of tokens":      func(c *Config) { c.Tokens = proxy.Passthrough },
	} {
		t.Run("A8: "+name, func(t *testing.T) {
			t.Parallel()
			w, one, other := twoConfigurations(t, change)
			clientID := w.newClient(webRedirect)
			startAgain := func(where, page string) {
				t.Helper()
				if !strings.Contains(page, "start again") {
					t.Errorf("%s: the page does not say to start again:\n%s", where, page)
				}
			}
			user := w.newBrowser()
			page := user.open(authorizeURL(clientID, webRedirect)).Body.String()
			w.brokers = other
			rec := user.answer(page, "allow")
			wantPage(t, rec, http.StatusBadRequest)
			startAgain("the answer to the consent page", rec.Body.String())

			w.brokers = one
			callback := w.provider.login(t, user.consentTo(clientID, webRedirect))
			w.brokers = other
			rec = user.open(callback)
			wantPage(t, rec, http.StatusBadRequest)
			startAgain("the callback", rec.Body.String())

			w.brokers = one
			code := user.code(clientID, webRedirect)
			w.brokers = other
			wantError(t, w.post("/token", redeemForm(clientID, webRedirect, code)), http.StatusBadRequest, oauth.CodeInvalidGrant)
			w.brokers = one
			if rec := w.post("/token", redeemForm(clientID, webRedirect, code)); rec.Code != http.StatusOK {
				t.Errorf("its own replica: %d %s", rec.Code, rec.Body)
			}
		})
	}
}

func twoConfigurations(t *testing.T, change func(*Config)) (w *world, one, other []*Broker) {
	t.Helper()
	w = newWorld(t, 1, func(c *Config) { c.Subresources = []string{testResource + "/sse", testResource + "/ws"} })
	before := w.config
	change(&w.config)
	other = []*Broker{w.newBroker()}
	w.config = before
	return w, w.brokers, other
}

func TestScopesThatNoLongerExistAreDropped(t *testing.T) { //nolint:tparallel // its steps share a world
	t.Parallel()
	w, one, other := twoConfigurations(t, func(c *Config) { c.UsualScopes = []string{"openid", "profile"} })
	clientID := w.newClient(webRedirect)
	t.Run("A8: by a refresh", func(t *testing.T) {
		w.brokers = one
		tokens := w.login(clientID)
		w.brokers = other
		if got := w.refreshed(clientID, tokens.RefreshToken).Scope; got != "openid" {
			t.Errorf("the scopes are %q", got)
		}
	})
	t.Run("A8: by a code", func(t *testing.T) {
		w.brokers = one
		code := w.newBrowser().code(clientID, webRedirect)
		w.brokers = other
		rec := w.post("/token", redeemForm(clientID, webRedirect, code))
		if got := decode[oauth.TokenResponse](t, rec).Scope; got != "openid" {
			t.Errorf("the scopes are %q: %s", got, rec.Body)
		}
	})
	t.Run("A8: by a consent page", func(t *testing.T) {
		w.brokers = one
		user := w.newBrowser()
		page := user.open(authorizeURL(clientID, webRedirect)).Body.String()
		w.brokers = other
		if to := target(t, user.answer(page, "allow")); !strings.Contains(to, "scope=openid&") {
			t.Errorf("the login is at %s", to)
		}
	})
}

func TestALoginEndsWithItsResource(t *testing.T) { //nolint:tparallel // its steps share a world
	t.Parallel()
	w, one, other := twoConfigurations(t, func(c *Config) { c.Subresources = nil })
	clientID := w.newClient(webRedirect)
	w.brokers = one
	code := w.newBrowser().code(clientID, webRedirect, "resource", testResource+"/sse")
	rec := w.post("/token", redeemForm(clientID, webRedirect, code, "resource", testResource+"/sse"))
	tokens := decode[oauth.TokenResponse](t, rec)
	t.Run("A8: a refresh without the parameter", func(t *testing.T) {
		w.brokers = other
		wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken, "resource", "")), http.StatusBadRequest, oauth.CodeInvalidGrant)
	})
}
