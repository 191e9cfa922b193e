package grants

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

const (
	testResource = "https://mcp.example.com/mcp"
	testRedirect = "https://client.example.com/callback"
	testVerifier = "verifier-of-the-client-0123456789-0123456789-01"
)

var (
	testClient = tickets.Digest("client")
	testNow    = time.Unix(1_800_000_000, 0)
)

// fakeProvider answers as a provider does, without any network.
type fakeProvider struct {
	mu      sync.Mutex
	n       int
	fails   error
	full    error // of Admit
	revoked []string
}

func (p *fakeProvider) tokens() (upstream.Tokens, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails != nil {
		return upstream.Tokens{}, p.fails
	}
	p.n++
	return upstream.Tokens{
		Access: fmt.Sprintf("test-access-%d", p.n), Refresh: fmt.Sprintf("test-refresh-%d", p.n), Expires: testNow.Add(2 * time.Hour),
	}, nil
}

func (p *fakeProvider) Admit(upstream.Caller) (upstream.Permit, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return upstream.Permit{}, p.full
}

func (p *fakeProvider) ExchangeCode(context.Context, upstream.Permit, upstream.Code) (upstream.Tokens, error) {
	return p.tokens()
}

func (p *fakeProvider) Refresh(context.Context, upstream.Permit, string, []string, string) (upstream.Tokens, error) {
	return p.tokens()
}

func (p *fakeProvider) Revoke(_ context.Context, _ upstream.Caller, token, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked = append(p.revoked, token)
	return nil
}

func newGrants(t *testing.T, changes ...func(*Config)) (*Grants, *fakeProvider) {
	t.Helper()
	ring, err := seal.NewRing(seal.Config{Secret: "test-secret-0123456789-0123456789-01"})
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return testNow }
	provider := &fakeProvider{}
	resources, err := NewResources(testResource, []string{testResource + "/sse"})
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Options: proxy.Options{Tokens: proxy.Sealed, AccessLifetime: time.Hour, RefreshLifetime: time.Hour}, Resources: resources,
		Scopes: []string{"read"}, Tickets: tickets.New(ring, seal.Binding{Resource: testResource}, tickets.ID{}, now),
		Entries: Entries{Store: store.NewMemory(store.MemoryConfig{Now: now}), Names: ring.Names(seal.Binding{Resource: testResource})}, Provider: provider,
		Verify: func(_ context.Context, _, resource string) (*oauth.AuthInfo, error) {
			return &oauth.AuthInfo{Subject: "user-1", Issuer: "https://idp.example.com", Resource: resource}, nil
		},
		Forget: func(string) {}, Now: now,
	}
	for _, change := range changes {
		change(&config)
	}
	return New(config), provider
}

// ask is a token request of the test's client.
func ask(t *testing.T, form url.Values) Request {
	t.Helper()
	r := httptest.NewRequest("POST", testResource+"/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p, refused := params.Form(r)
	if refused != nil {
		t.Fatal(refused)
	}
	return Request{Params: p, Client: testClient, Label: "client-label"}
}

func give(t *testing.T, g *Grants, r Request) (oauth.TokenResponse, *oauth.Error) {
	t.Helper()
	grant, refused := g.Find(r.Get("grant_type"))
	if refused != nil {
		return oauth.TokenResponse{}, refused
	}
	return grant.Give(t.Context(), r)
}

func redeem(t *testing.T, g *Grants, code string) (oauth.TokenResponse, *oauth.Error) {
	t.Helper()
	return give(t, g, ask(t, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {testVerifier}, "redirect_uri": {testRedirect},
	}))
}

func refresh(t *testing.T, g *Grants, token string) (oauth.TokenResponse, *oauth.Error) {
	t.Helper()
	return give(t, g, ask(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}))
}

func newCode(g *Grants) string {
	return g.Code(Authorization{
		Client: testClient, Redirect: testRedirect, Challenge: sha256.Sum256([]byte(testVerifier)), Resource: testResource,
		Scopes: []string{"read"}, ProviderCode: "test-code",
	})
}

func TestALoginFromItsCodeToItsEnd(t *testing.T) {
	t.Parallel()
	g, provider := newGrants(t)
	tokens, refused := redeem(t, g, newCode(g))
	if refused != nil {
		t.Fatal(refused)
	}
	info, err := g.VerifyAccessToken(t.Context(), tokens.AccessToken, testResource)
	if err != nil || info.Subject != "user-1" || info.ClientID != "client-label" || !slices.Equal(info.Scopes, []string{"read"}) {
		t.Fatalf("%+v, %v", info, err)
	}
	if _, err := g.VerifyAccessToken(t.Context(), tokens.AccessToken, testResource+"/sse"); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("the token counts for another resource: %v", err)
	}
	next, refused := refresh(t, g, tokens.RefreshToken)
	if refused != nil || next.RefreshToken == tokens.RefreshToken {
		t.Fatalf("%v", refused)
	}
	never := func() bool { t.Error("asks the provider about a token of ours"); return false }
	if refused := g.Revoke(t.Context(), ask(t, url.Values{"token": {next.RefreshToken}}), never); refused != nil {
		t.Fatal(refused)
	}
	if !slices.Equal(provider.revoked, []string{"test-refresh-2"}) {
		t.Errorf("revoked at the provider: %q", provider.revoked)
	}
	if _, err := g.VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("an access token outlives the login: %v", err)
	}
	if _, refused := refresh(t, g, next.RefreshToken); refused == nil || refused.Code != oauth.CodeInvalidGrant {
		t.Errorf("a refresh token outlives the login: %v", refused)
	}
}

// covers: T-PRX-08
func TestASecondUseOfACodeEndsItsLogin(t *testing.T) {
	t.Parallel()
	g, provider := newGrants(t)
	code := newCode(g)
	tokens, refused := redeem(t, g, code)
	if refused != nil {
		t.Fatal(refused)
	}
	if _, refused := redeem(t, g, code); refused == nil || refused.Code != oauth.CodeInvalidGrant {
		t.Errorf("the code works twice: %v", refused)
	}
	if provider.n != 1 {
		t.Errorf("the provider was asked %d times", provider.n)
	}
	if _, err := g.VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("the first one's token still counts: %v", err)
	}
}

// The provider's no ends a code; an outage gives it back.
func TestWhatTheProvidersErrorsMean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fails error
		code  oauth.Code
		again bool
	}{
		"its no":              {&upstream.Error{Kind: upstream.KindDenied}, oauth.CodeInvalidGrant, false},
		"another login":       {&upstream.Error{Kind: upstream.KindNonce}, oauth.CodeInvalidGrant, false},
		"wrong credentials":   {&upstream.Error{Kind: upstream.KindRejected}, oauth.CodeServerError, false},
		"nonsense":            {&upstream.Error{Kind: upstream.KindUnusable}, oauth.CodeServerError, false},
		"an outage":           {&upstream.Error{Kind: upstream.KindUnavailable}, oauth.CodeTemporarilyUnavailable, true},
		"an error of no kind": {errors.New("broken"), oauth.CodeTemporarilyUnavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := newGrants(t)
			code := newCode(g)
			provider.fails = c.fails
			if _, refused := redeem(t, g, code); refused == nil || refused.Code != c.code {
				t.Errorf("got %v", refused)
			}
			provider.fails = nil
			if _, refused := redeem(t, g, code); (refused == nil) != c.again {
				t.Errorf("the next try: %v", refused)
			}
		})
	}
}

func TestGrantTypesAreListedOnce(t *testing.T) {
	t.Parallel()
	g, _ := newGrants(t)
	if got := strings.Join(g.Types(), " "); got != "authorization_code refresh_token" {
		t.Errorf("types %s", got)
	}
	for name, code := range map[string]oauth.Code{
		"": oauth.CodeInvalidRequest, "password": oauth.CodeUnsupportedGrantType, "Authorization_Code": oauth.CodeUnsupportedGrantType,
	} {
		if _, refused := g.Find(name); refused == nil || refused.Code != code {
			t.Errorf("%q: %v", name, refused)
		}
	}
	if _, refused := g.Find("password"); !strings.Contains(refused.Description, "authorization_code and refresh_token") {
		t.Errorf("the client does not learn which there are: %s", refused.Description)
	}
}

// covers: R8
func TestResourcesThatARequestMayName(t *testing.T) {
	t.Parallel()
	all, err := NewResources(testResource, []string{testResource + "/sse"})
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{
		testResource: testResource, testResource + "/": testResource, testResource + "/sse": testResource + "/sse",
		testResource + "/other": "", "https://evil.example/mcp": "", "mcp": "",
	} {
		if got, refused := all.Named([]string{asked}); got != want || (refused == nil) != (want != "") {
			t.Errorf("%q is %q, %v", asked, got, refused)
		}
	}
	slashed, err := NewResources(testResource+"/", []string{testResource + "/sse"})
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []string{testResource, testResource + "/"} {
		if got, refused := slashed.Named([]string{asked}); got != testResource+"/" || refused != nil {
			t.Errorf("R8: %q is %q, %v", asked, got, refused)
		}
	}
	for _, below := range []string{"https://mcp.example.com/other", "https://mcp.example.com/mcp2", "sse", testResource + "/"} {
		if _, err := NewResources(testResource, []string{below}); err == nil {
			t.Errorf("%s counts as below", below)
		}
	}
}

// A token that only the provider can judge costs its client a share of the limit, and goes to the
// provider.
func TestRevokingATokenThatWasPassedThrough(t *testing.T) {
	t.Parallel()
	g, provider := newGrants(t, func(c *Config) { c.Options.Tokens = proxy.Passthrough })
	jwt := "ey" + base64.RawURLEncoding.EncodeToString([]byte(`{}`)) + ".e30.c2ln"
	request := ask(t, url.Values{"token": {jwt}})
	if refused := g.Revoke(t.Context(), request, func() bool { return false }); refused == nil || refused.Status != 429 {
		t.Errorf("beyond the limit: %v", refused)
	}
	if refused := g.Revoke(t.Context(), request, func() bool { return true }); refused != nil {
		t.Error(refused)
	}
	if !slices.Equal(provider.revoked, []string{jwt}) {
		t.Errorf("revoked at the provider: %q", provider.revoked)
	}
}
