package runtime_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// largest is the largest MaxTokenBytes.
const largest = 512 << 10

// A long token goes through a server of net/http with its usual limits, the guard and every way to
// verify it.
// covers: D7
func TestALimitAbove16KBIsOne(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	padded := func(size int) string { return i.token(t, map[string]any{"padding": strings.Repeat("x", size)}) }
	custom, err := runtime.New(runtime.NewInputs("Mine"), runtime.Definition{
		Name: "mine", Title: "Mine", Mode: oauth.Direct, Issuer: "https://idp.example.com", Claims: facts.ClaimMap{UserID: []string{"sub"}},
		Verifier: oauth.TokenVerifierFunc(func(context.Context, oauth.Presented) (oauth.Claims, error) {
			return oauth.NewClaims(map[string]any{"sub": "alice"})
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	in := runtime.NewInputs("Opaque", runtime.WithHTTPClient(&http.Client{Transport: answering(fmt.Sprintf(
		`{"active":true,"sub":"alice","token_type":"Bearer","exp":4102444800,"aud":%q}`, resource))}))
	opaque, err := runtime.New(in, runtime.Definition{
		Name: "opaque", Title: "Opaque", Mode: oauth.Direct, Issuer: "https://idp.example.com", Claims: facts.ClaimMap{UserID: []string{"sub"}},
		Endpoints:     oauth.Endpoints{Introspection: "https://idp.example.com/introspect"},
		Introspection: &facts.Introspection{Credentials: facts.Credentials{ClientID: "mcp-server", ClientSecret: "s3cr3t"}},
		Binding:       facts.Binding{Audience: facts.Audience{OrResource: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		provider oauth.Provider
		token    string
		limit    int
		status   int
	}{
		"a JWT of 20 KB":                 {i.provider(t), padded(15 << 10), 32 << 10, http.StatusOK},
		"a JWT of 200 KB":                {i.provider(t), padded(150 << 10), largest, http.StatusOK},
		"above the default":              {i.provider(t), padded(15 << 10), 0, http.StatusUnauthorized},
		"above a limit of 32 KB":         {i.provider(t), padded(32 << 10), 32 << 10, http.StatusUnauthorized},
		"an opaque token of 64 KB":       {opaque, strings.Repeat("x", 64<<10), 64 << 10, http.StatusOK},
		"the longest, by a function":     {custom, strings.Repeat("x", largest), largest, http.StatusOK},
		"one byte more than the longest": {custom, strings.Repeat("x", largest+1), largest, http.StatusUnauthorized},
	} {
		server := httptest.NewServer(newGuard(t, c.provider, func(config *runtime.GuardConfig) { config.MaxTokenBytes = c.limit }).Protect(whoever))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/mcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.token)
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s (%d bytes): got %d, want %d", name, len(c.token), response.StatusCode, c.status)
		}
		server.Close()
	}
	for _, limit := range []int{-1, largest + 1} {
		if _, err := runtime.NewGuard(custom, runtime.GuardConfig{Resource: resource, MaxTokenBytes: limit}); err == nil ||
			!strings.Contains(err.Error(), "MaxTokenBytes") {
			t.Errorf("a limit of %d: %v", limit, err)
		}
	}
}
