package e2e

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/chromium"
)

// TestConsentPageOverTLS is TestConsentPage as it is in earnest: over https, where cookies are
// bound to the host.
func TestConsentPageOverTLS(t *testing.T) {
	ctx := longContext(t)
	w := newConsentWorld(ctx, t, func(w *consentWorld, port int) { w.serveOverTLS(ctx, t, port) })
	for _, kind := range redirectKinds() {
		t.Run("Allow lets a client in: "+kind.name, func(t *testing.T) { w.allow(ctx, t, kind) })
		t.Run("Deny tells the client, and the provider nothing: "+kind.name, func(t *testing.T) { w.deny(ctx, t, kind) })
	}
	t.Run("two tabs finish their logins in the other order", func(t *testing.T) { w.twoTabs(ctx, t, 1, 0) })
	t.Run("going back after Allow asks again, and works", func(t *testing.T) { w.backAfterAllow(ctx, t) })
	t.Run("a remembered consent is not asked for again", func(t *testing.T) { w.remembered(ctx, t) })
	t.Run("the page cannot be framed", func(t *testing.T) { w.framed(ctx, t) })
	t.Run("no other host, scheme or script gets the cookies", func(t *testing.T) {
		window := w.window(ctx, t, chromium.Settings{})
		p := w.tab(ctx, t, window)
		w.start(ctx, t, p, w.site+"/callback")
		p.click(rememberBox)
		p.click(allowButton)
		p.waitFor(pickUser) // the identifier, the consent and the login are there
		cookies, err := window.Cookies(ctx)
		if err != nil {
			t.Fatal(err)
		}
		own := 0
		for _, c := range cookies {
			if c.Domain != "mcp.example.com" {
				continue
			}
			own++
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HTTPOnly || c.SameSite != "Lax" || c.Path != "/" {
				t.Errorf("the browser keeps the cookie %+v", c)
			}
		}
		if own != 3 {
			t.Errorf("the browser keeps %d cookies of the server, want 3", own)
		}
	})
}

// TestConsentPageExpires waits longer than a person may take, by a clock of the server's own.
func TestConsentPageExpires(t *testing.T) {
	ctx := testContext(t)
	var mu sync.Mutex
	var ahead time.Duration
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(ahead)
	}
	wait := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		ahead += d
	}
	w := newConsentWorld(ctx, t, func(w *consentWorld, port int) { w.serveWithClock(ctx, t, port, now) })
	p := w.person(ctx, t, chromium.Settings{})

	c, a := w.start(ctx, t, p, w.site+"/callback")
	wait(11 * time.Minute)
	p.click(allowButton)
	p.waitForText("main p", "This page is too old. Go back to the application and start again")
	p.inspect("error-consent-expired")
	if p.askedUpstream() {
		t.Error("the provider was asked")
	}

	p.open(a.url) // the application's link still works
	p.waitFor(allowButton)
	p.click(allowButton)
	p.waitFor(pickUser)
	wait(11 * time.Minute)
	p.click(pickUser)
	p.waitForText("main p", "No login is waiting for this answer in this browser. Go back to the application and start again")
	p.inspect("error-login-expired")

	a = c.request("", nil)
	p.open(a.url)
	p.click(allowButton)
	w.wantUser(ctx, t, c, a, p.logIn(c))
}
