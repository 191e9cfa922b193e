package mcpadapter_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// shortLived takes any token for one of alice that is good for four seconds from its first use.
type shortLived map[oauth.Secret]time.Time

func (shortLived) Describe() oauth.Description {
	return oauth.Description{Name: "fake", Title: "Fake", Issuer: "https://idp.example.com"}
}

func (s shortLived) Verify(_ context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	if s[presented.Token].IsZero() {
		s[presented.Token] = time.Now().Add(4 * time.Second)
	}
	return &oauth.AuthInfo{Issuer: "https://idp.example.com", Subject: "alice", ExpiresAt: s[presented.Token]}, nil
}

// TestStreamsOfTheSDKEndWithTheirToken opens the stream of a session, which ends with its token,
// and goes on with another one.
// covers: R11
func TestStreamsOfTheSDKEndWithTheirToken(t *testing.T) {
	t.Parallel()
	config := runtime.GuardConfig{Resource: "https://mcp.example.com/mcp", Logger: slog.New(slog.DiscardHandler)}
	for name, protected := range map[string]func(t *testing.T, h http.Handler) http.Handler{
		"R11: below net/http": func(t *testing.T, h http.Handler) http.Handler {
			t.Helper()
			g, err := runtime.NewGuard(shortLived{}, config)
			if err != nil {
				t.Fatal(err)
			}
			return g.Protect(h)
		},
		"R11: below Echo": func(t *testing.T, h http.Handler) http.Handler {
			t.Helper()
			e := echo.New()
			g, err := echoadapter.Mount(e, shortLived{}, config)
			if err != nil {
				t.Fatal(err)
			}
			e.Any("/mcp", echo.WrapHandler(h), g.Require())
			return e
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
				h := protected(t, mcpadapter.Handler(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)))
				session := ""
				ask := func(method, token, body string) (*httptest.ResponseRecorder, time.Duration) {
					r := httptest.NewRequestWithContext(t.Context(), method, "/mcp", strings.NewReader(body))
					r.Header.Set("Authorization", "Bearer "+token)
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("Accept", "application/json, text/event-stream")
					if session != "" {
						r.Header.Set("Mcp-Session-Id", session)
						r.Header.Set("Mcp-Protocol-Version", "2025-06-18")
					}
					w, begin := httptest.NewRecorder(), time.Now()
					h.ServeHTTP(w, r)
					return w, time.Since(begin)
				}
				w, _ := ask(http.MethodPost, "first", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",`+
					`"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
				if session = w.Header().Get("Mcp-Session-Id"); session == "" {
					t.Fatalf("no session: %d %s", w.Code, w.Body)
				}
				ask(http.MethodPost, "first", `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
				for _, token := range []string{"first", "second"} {
					w, took := ask(http.MethodGet, token, "")
					if w.Code != http.StatusOK || took != 34*time.Second {
						t.Errorf("the stream of the %s token: %d %s, ended after %s", token, w.Code, w.Body, took)
					}
				}
				ask(http.MethodDelete, "third", "")
			})
		})
	}
}
