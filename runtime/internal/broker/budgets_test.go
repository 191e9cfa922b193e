package broker

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// wantSurplus checks the answer to what was not sent to the provider.
func wantSurplus(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	wantError(t, rec, http.StatusTooManyRequests, oauth.CodeTemporarilyUnavailable)
	if after, err := strconv.Atoi(rec.Header().Get("Retry-After")); err != nil || after < 1 {
		t.Errorf("Retry-After is %q", rec.Header().Get("Retry-After"))
	}
}

// One login that storms costs the provider little, loses nothing, and holds up nobody else.
// covers: A1, T-BUD-01
func TestAStormOfOneLogin(t *testing.T) {
	t.Parallel()
	t.Run("A1: repeats of a revocation are answered from memory", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		clientID := w.newClient(webRedirect)
		tokens := w.login(clientID)
		for range 300 {
			if rec := w.post("/revoke", url.Values{"token": {tokens.RefreshToken}, "client_id": {clientID}}); rec.Code != http.StatusOK {
				t.Fatalf("%d %s", rec.Code, rec.Body)
			}
		}
		if n := w.provider.revokeCalls.Load(); n != 1 {
			t.Errorf("%d revocations at the provider", n)
		}
	})
	t.Run("A1: revocations while the provider is down", func(t *testing.T) {
		t.Parallel()
		calls := 0
		w := newWorld(t, 1, func(c *Config) {
			c.UpstreamClient = &http.Client{Transport: roundTrips(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path != "/revoke" {
					return http.DefaultTransport.RoundTrip(r)
				}
				calls++
				return &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})}
		})
		clientID := w.newClient(webRedirect)
		tokens := w.login(clientID)
		var last *httptest.ResponseRecorder
		for range 300 {
			last = w.post("/revoke", url.Values{"token": {tokens.RefreshToken}, "client_id": {clientID}})
			w.add(100 * time.Millisecond)
		}
		if wantSurplus(t, last); calls == 0 || calls > 30 {
			t.Errorf("%d revocations at the provider", calls)
		}
	})
	t.Run("A1: chained refreshes", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		clientID := w.newClient(webRedirect)
		tokens, other := w.login(clientID), w.login(clientID)
		for i := range 300 {
			rec := w.post("/token", refreshForm(clientID, tokens.RefreshToken))
			if rec.Code == http.StatusOK {
				tokens = decode[oauth.TokenResponse](t, rec)
			} else if wantSurplus(t, rec); i < 5 {
				t.Errorf("refresh %d in a row is refused", i)
			}
			w.add(100 * time.Millisecond)
		}
		if n := w.provider.refreshCalls.Load(); n > 200 {
			t.Errorf("%d refreshes at the provider", n)
		}
		w.refreshed(clientID, other.RefreshToken)
		w.add(time.Minute)
		w.refreshed(clientID, tokens.RefreshToken)
	})
	t.Run("A1: tries of one code while the provider is down", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		clientID := w.newClient(webRedirect)
		code := w.newBrowser().code(clientID, webRedirect)
		w.provider.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) }
		for range 200 {
			w.post("/token", redeemForm(clientID, webRedirect, code))
			w.add(100 * time.Millisecond)
		}
		if n := w.provider.tokenCalls.Load(); n == 0 || n > 100 {
			t.Errorf("%d tries at the provider", n)
		}
		w.provider.answer = nil
		w.add(20 * time.Second)
		if rec := w.post("/token", redeemForm(clientID, webRedirect, code)); rec.Code != http.StatusOK {
			t.Errorf("the code counts as used: %d %s", rec.Code, rec.Body)
		}
	})
}

type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A client that uses up what an address, or all, may ask for leaves each login its share.
// covers: A1
func TestBudgetsOfAddressesAndOfAll(t *testing.T) {
	t.Parallel()
	one := proxy.Rate{PerSecond: 1e-9, Burst: 1}
	for name, c := range map[string]struct {
		limits proxy.Limits
		from   string // the other client's address
		code   int    // of its second refresh beyond the share
	}{
		"A1: one address":     {proxy.Limits{AddressTokens: one}, "192.0.2.1:1", 429},
		"A1: another address": {proxy.Limits{AddressTokens: one}, "198.51.100.1:1", 200},
		"A1: all together":    {proxy.Limits{AllTokens: one}, "198.51.100.1:1", 429},
		"A1: private ones":    {proxy.Limits{AddressTokens: one}, "10.1.2.3:1", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(cfg *Config) { cfg.Limits = c.limits })
			clientID := w.newClient(webRedirect)
			refresh := func(token, from string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(http.MethodPost, testResource+"/token", strings.NewReader(refreshForm(clientID, token).Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.RemoteAddr = from
				return w.do(r)
			}
			run := func(token, from string, times int) *httptest.ResponseRecorder {
				rec := refresh(token, from)
				for range times {
					if rec.Code == http.StatusOK {
						token = decode[oauth.TokenResponse](t, rec).RefreshToken
						rec = refresh(token, from)
					}
				}
				return rec
			}
			first, second := w.login(clientID), w.login(clientID)
			w.add(time.Minute) // the logins' shares are whole again
			wantSurplus(t, run(first.RefreshToken, "192.0.2.1:1", 6))
			rec := run(second.RefreshToken, c.from, 4)
			if rec.Code != http.StatusOK {
				t.Fatalf("five refreshes in a row: %d %s", rec.Code, rec.Body)
			}
			if rec = refresh(decode[oauth.TokenResponse](t, rec).RefreshToken, c.from); rec.Code != c.code {
				t.Errorf("beyond the share: %d, want %d", rec.Code, c.code)
			}
			if got := strings.Count(w.log.String(), "budgets per client address are off"); got != strings.Count(c.from, "10.1.2.3") {
				t.Errorf("%d warnings of a private address", got)
			}
		})
	}
}

// The table in the docs says what the code does.
// covers: A1
func TestTheDocumentedLimitsAreTheDefaults(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/proxy-mode.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := withDefaults(proxy.Limits{})
	for name, r := range map[string]proxy.Rate{
		"Register": defaults.Register, "Authorize": defaults.Authorize, "Documents": defaults.Documents, "Reserved": defaults.Reserved,
		"LoginTokens": defaults.LoginTokens, "LoginRevocations": defaults.LoginRevocations, "AddressTokens": defaults.AddressTokens,
		"AllTokens": defaults.AllTokens,
	} {
		row := fmt.Sprintf("| `%s` | %d | %g |", name, r.Burst, r.PerSecond*60)
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/proxy-mode.md has no row that begins %q", row)
		}
	}
}
