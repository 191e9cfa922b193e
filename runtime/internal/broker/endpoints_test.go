package broker

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/grants"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/pages"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/peers"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// The endpoints by themselves: each needs what it asks for and nothing else.

func testAnswers(t testing.TB) answers {
	t.Helper()
	p, err := pages.New(pages.Config{Resource: testResource})
	if err != nil {
		t.Fatal(err)
	}
	return answers{pages: p}
}

func call(serve http.HandlerFunc, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, testResource+"/endpoint", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	serve(rec, r)
	return rec
}

// knownClients knows the client "known".
type knownClients struct{}

func (knownClients) Identify(_ context.Context, p clients.Presented, _ string) (clients.Identity, *oauth.Error) {
	if p.ID != "known" {
		return clients.Identity{}, &oauth.Error{Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Description: "Unknown"}
	}
	return clients.Identity{ID: p.ID}, nil
}

func knownClient(t testing.TB) asking {
	t.Helper()
	return asking{clients: knownClients{}, limits: newLimiters(proxy.Limits{}, peers.New(nil, nil), time.Now)}
}

// echoGrant is a grant type that gives what it was asked with.
type echoGrant struct{}

func (echoGrant) Name() string { return "urn:example:echo" }

func (echoGrant) Give(_ context.Context, r grants.Request) (oauth.TokenResponse, *oauth.Error) {
	return oauth.TokenResponse{AccessToken: r.Get("say"), TokenType: "Bearer", Scope: r.Label}, nil
}

func (g echoGrant) Find(name string) (grants.Type, *oauth.Error) {
	if name != g.Name() {
		return nil, &oauth.Error{Code: oauth.CodeUnsupportedGrantType, Status: http.StatusBadRequest}
	}
	return g, nil
}

func TestTheTokenEndpointNeedsNoGrantTypeInParticular(t *testing.T) {
	t.Parallel()
	e := &token{grants: echoGrant{}, asking: knownClient(t), answers: testAnswers(t)}
	form := url.Values{"grant_type": {"urn:example:echo"}, "client_id": {"known"}, "say": {"hello"}}
	rec := call(e.serve, form)
	if got := decode[oauth.TokenResponse](t, rec); got.AccessToken != "hello" || got.Scope != clients.Label("known") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if h := rec.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" {
		t.Errorf("headers %v", h)
	}
	for name, c := range map[string]struct {
		changes []string
		status  int
		code    oauth.Code
	}{
		"another grant type":         {[]string{"grant_type", "password"}, http.StatusBadRequest, oauth.CodeUnsupportedGrantType},
		"before the client is known": {[]string{"grant_type", "password", "client_id", "nobody"}, http.StatusBadRequest, oauth.CodeUnsupportedGrantType},
		"an unknown client":          {[]string{"client_id", "nobody"}, http.StatusUnauthorized, oauth.CodeInvalidClient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := url.Values{}
			for k, v := range form {
				changed[k] = v
			}
			wantError(t, call(e.serve, change(changed, c.changes)), c.status, c.code)
		})
	}
}

// revokeNothing notes what it was asked to revoke.
type revokeNothing struct {
	asked  grants.Request
	answer *oauth.Error
}

func (g *revokeNothing) Revoke(ctx context.Context, r grants.Request, mayAsk func() bool) *oauth.Error {
	if g.asked = r; !mayAsk() || ctx.Done() != nil {
		return &oauth.Error{Code: oauth.CodeServerError, Status: http.StatusInternalServerError}
	}
	return g.answer
}

func TestTheRevocationEndpoint(t *testing.T) {
	t.Parallel()
	g := &revokeNothing{}
	e := &revocation{grants: g, asking: knownClient(t), limits: newLimiters(proxy.Limits{}, peers.New(nil, nil), time.Now), answers: testAnswers(t)}
	form := url.Values{"client_id": {"known"}, "token": {"x"}}
	if rec := call(e.serve, form); rec.Code != http.StatusOK || rec.Body.Len() != 0 || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s %v", rec.Code, rec.Body, rec.Header())
	}
	if g.asked.Get("token") != "x" || g.asked.Client != clients.PublicDigest("known") {
		t.Errorf("asked %+v", g.asked)
	}
	g.answer = &oauth.Error{Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusServiceUnavailable, RetryAfter: 1500 * time.Millisecond}
	rec := call(e.serve, form)
	wantError(t, rec, http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	if rec.Header().Get("Retry-After") != "2" {
		t.Errorf("Retry-After %s", rec.Header().Get("Retry-After"))
	}
}

// anyCode makes a code of what it is given, and anyProvider's answers are welcome.
type anyCode struct{}

func (anyCode) Code(a grants.Authorization) string {
	return "code-for-" + a.ProviderCode + "-" + a.Client.String()
}

func (anyProvider) AcceptsIssuer(iss string) bool { return iss == "" }
func (anyProvider) Code(name string) oauth.Code   { return oauth.Code(name) }

// The callback by itself: one answer of the provider, once, to the browser that began the login.
// covers: T-PRX-01, T-PRX-06
func TestTheCallbackByItself(t *testing.T) {
	t.Parallel()
	s := testSite(t, testResource)
	under := &logins{
		cookies: newCookieJar(s.mount, true), box: testBoxes(t, testResource).Login, site: s, provider: anyProvider{}, now: time.Now,
		entries: grants.Entries{Store: store.NewMemory(store.MemoryConfig{}), Names: testRing(t).Names(seal.Binding{Resource: testResource})},
	}
	e := &callback{logins: under, grants: anyCode{}, provider: anyProvider{}, site: s, answers: testAnswers(t)}
	client := tickets.NewID()
	begin := func() (state string, cookies []*http.Cookie) {
		rec := httptest.NewRecorder()
		location := under.start(rec, httptest.NewRequest(http.MethodGet, testResource, nil),
			request{client: client, redirect: webRedirect, state: "client-state", resource: testResource})
		u, err := url.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("state"), rec.Result().Cookies()
	}
	answer := func(query url.Values, cookies []*http.Cookie) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, testResource+"/oauth/callback?"+query.Encode(), nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		e.serve(rec, r)
		return rec
	}
	state, cookies := begin()
	other, _ := begin()
	for name, query := range map[string]url.Values{
		"of another login": {"state": {other}, "code": {"x"}}, "without a state": {"code": {"x"}}, "with two codes": {"state": {state}, "code": {"x", "y"}},
	} {
		if rec := answer(query, cookies); rec.Code != http.StatusBadRequest || rec.Header().Get("Location") != "" {
			t.Errorf("an answer %s: %d %v", name, rec.Code, rec.Header())
		}
	}
	if rec := answer(url.Values{"state": {state}, "code": {"x"}}, nil); rec.Code != http.StatusBadRequest {
		t.Errorf("in another browser: %d", rec.Code)
	}
	first := answer(url.Values{"state": {state}, "code": {"x"}}, cookies)
	want := webRedirect + "?" + "code=code-for-x-" + client.String() + "&state=client-state&iss=" + url.QueryEscape(testResource)
	if got := first.Header().Get("Location"); first.Code != http.StatusSeeOther || got != want {
		t.Errorf("%d %s, want %s", first.Code, got, want)
	}
	if rec := answer(url.Values{"state": {state}, "code": {"x"}}, cookies); rec.Code != http.StatusBadRequest {
		t.Errorf("the same answer again: %d", rec.Code)
	}
}

// noClients registers nobody.
type noClients struct{ body string }

func (c *noClients) Register(_ context.Context, body string) (oauth.ClientInformation, *oauth.Error) {
	c.body = body
	return oauth.ClientInformation{}, clients.InvalidMetadata("No", errors.New("nobody is welcome"))
}

// covers: T-PRX-05
func TestTheRegistrationEndpointByItself(t *testing.T) {
	t.Parallel()
	known := &noClients{}
	limits := newLimiters(proxy.Limits{Register: proxy.Rate{PerSecond: 1e-9, Burst: 2}}, peers.New(nil, nil), time.Now)
	e := &registration{clients: known, limits: limits, answers: testAnswers(t)}
	post := func(body string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		e.serve(rec, httptest.NewRequest(http.MethodPost, testResource+"/register", strings.NewReader(body)))
		return rec
	}
	wantError(t, post(`{}`), http.StatusBadRequest, oauth.CodeInvalidClientMetadata)
	if known.body != `{}` {
		t.Errorf("the registry got %q", known.body)
	}
	known.body = ""
	wantError(t, post(strings.Repeat("x", clients.MaxMetadata+1)), http.StatusBadRequest, oauth.CodeInvalidClientMetadata)
	wantError(t, post(`{}`), http.StatusTooManyRequests, oauth.CodeTemporarilyUnavailable)
	if known.body != "" {
		t.Error("the registry hears of what is refused")
	}
}

func TestScopesThatAClientMayHave(t *testing.T) {
	t.Parallel()
	s, err := newScopes([]string{"openid", "email"}, []string{"email", "files:write"})
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{
		"": "openid email", "files:write openid": "openid files:write", "email unknown": "email", "unknown": "openid email", "\x01": "openid email",
	} {
		got := s.named(asked)
		if strings.Join(got, " ") != want {
			t.Errorf("%q gives %q", asked, got)
		}
		if again := s.list(s.set(got)); strings.Join(again, " ") != want {
			t.Errorf("%q comes back as %q", want, again)
		}
	}
}
