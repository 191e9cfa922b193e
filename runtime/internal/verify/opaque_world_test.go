package verify_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

const (
	opaqueIssuer   = "https://idp.example.com/tenant"
	opaqueResource = "https://mcp.example.com/mcp"
	opaqueClient   = "our-client"
	opaqueSecret   = "a-test-secret/with+signs"
	opaqueToken    = "opaque-test-token-0123456789"
)

// opaqueNow is when the tests without a clock of their own take place: 1 772 366 400.
var opaqueNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// asked is a request as the provider saw it.
type asked struct {
	Method, URL string
	Header      http.Header
	Body        string
}

// providerAPI is a provider without a network: an http.RoundTripper that answers by URL.
type providerAPI struct {
	mu       sync.Mutex
	requests []asked
	answer   func(r asked) *http.Response
	// before, when set, runs in place of the network: it may wait, and an error is one of the
	// network.
	before func(ctx context.Context, r asked) error
}

// says is a provider that always gives one answer.
func says(status int, body string, header ...string) *providerAPI {
	return &providerAPI{answer: func(asked) *http.Response { return reply(status, body, header...) }}
}

// reply is a JSON answer; header are pairs of further ones.
func reply(status int, body string, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

func (p *providerAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	seen := asked{Method: r.Method, URL: r.URL.String(), Header: r.Header.Clone()}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		seen.Body = string(body)
		_ = r.Body.Close()
	}
	p.mu.Lock()
	p.requests = append(p.requests, seen)
	p.mu.Unlock()
	if p.before != nil {
		if err := p.before(r.Context(), seen); err != nil {
			return nil, err
		}
	}
	resp := p.answer(seen)
	resp.Request = r
	return resp, nil
}

func (p *providerAPI) client() *http.Client { return &http.Client{Transport: p} }

func (p *providerAPI) seen() []asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// calls is how often the provider was asked.
func (p *providerAPI) calls() int { return len(p.seen()) }

// common is the configuration that all opaque verifiers of the tests share, bound by client id.
func common(p *providerAPI) verify.OpaqueConfig {
	return verify.OpaqueConfig{
		Provider: "fake", Title: "Fake", Issuers: []string{opaqueIssuer}, Client: p.client(),
		Binding: facts.Binding{ClientIDs: []string{opaqueClient}}, Leeway: 30 * time.Second,
		Now: func() time.Time { return opaqueNow },
	}
}

func introspection(t testing.TB, p *providerAPI, changes ...func(*verify.IntrospectionConfig)) *verify.Opaque {
	t.Helper()
	config := verify.IntrospectionConfig{
		OpaqueConfig: common(p),
		URL:          "https://idp.example.com/introspect",
		Introspection: facts.Introspection{
			Credentials: facts.Credentials{ClientID: opaqueClient, ClientSecret: opaqueSecret},
		},
	}
	for _, change := range changes {
		change(&config)
	}
	o, err := verify.NewIntrospection(config)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func byAudience(c *verify.IntrospectionConfig) {
	c.Binding = facts.Binding{Audience: facts.Audience{OrResource: true}}
}

// active is an answer of RFC 7662 about a good token; changes replace members, nil removes one.
func active(t testing.TB, changes map[string]any) string {
	t.Helper()
	members := map[string]any{
		"active": true, "sub": "alice", "client_id": opaqueClient, "aud": opaqueResource, "scope": "openid notes:read",
		"exp": opaqueNow.Unix() + 3600, "iat": opaqueNow.Unix() - 10, "iss": opaqueIssuer, "token_type": "Bearer",
	}
	return jsonOf(t, members, changes)
}

func jsonOf(t testing.TB, members, changes map[string]any) string {
	t.Helper()
	for name, value := range changes {
		if value == nil {
			delete(members, name)
		} else {
			members[name] = value
		}
	}
	claims, err := oauth.NewClaims(members)
	if err != nil {
		t.Fatal(err)
	}
	text, err := claims.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantAccepted verifies the test's token.
func wantAccepted(t testing.TB, o *verify.Opaque) *oauth.AuthInfo {
	t.Helper()
	info, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
	if err != nil {
		t.Fatalf("the token was refused: %v", err)
	}
	return info
}

// wantRefused verifies the test's token and wants a 401 for one of the reasons.
func wantRefused(t testing.TB, o *verify.Opaque, reasons ...oauth.Reason) *oauth.Error {
	t.Helper()
	info, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
	return wantError(t, info, err, http.StatusUnauthorized, reasons...)
}

// wantOutage verifies the test's token and wants a 503 with a time to wait.
func wantOutage(t testing.TB, o *verify.Opaque, reasons ...oauth.Reason) *oauth.Error {
	t.Helper()
	if len(reasons) == 0 {
		reasons = []oauth.Reason{oauth.ReasonProviderUnavailable}
	}
	info, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
	e := wantError(t, info, err, http.StatusServiceUnavailable, reasons...)
	if e.RetryAfter < time.Second || e.RetryAfter > 5*time.Minute {
		t.Errorf("Retry-After is %s", e.RetryAfter)
	}
	return e
}

func wantError(t testing.TB, info *oauth.AuthInfo, err error, status int, reasons ...oauth.Reason) *oauth.Error {
	t.Helper()
	var e *oauth.Error
	switch {
	case err == nil:
		t.Fatalf("the token was accepted for %s", info.Subject)
	case info != nil:
		t.Errorf("an error came with a caller")
	case !errors.As(err, &e):
		t.Fatalf("the error is no *oauth.Error: %v", err)
	case e.Status != status || !slices.Contains(reasons, e.Reason):
		t.Fatalf("got %d %q (%v), want %d %q", e.Status, e.Reason, err, status, reasons)
	}
	wantNoSecrets(t, err.Error())
	return e
}

func wantNoSecrets(t testing.TB, text string) {
	t.Helper()
	for _, secret := range []string{opaqueToken, opaqueSecret, "with%2Bsigns"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q holds the secret %q", text, secret)
		}
	}
}
