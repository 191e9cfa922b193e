package runtime_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/explain"
)

func TestTheGuardExplainsEachOfItsDecisions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change   func(*runtime.GuardConfig)
		path     string
		header   http.Header
		accepted bool
		reason   oauth.Reason
		failed   string
	}{
		"a good request":       {header: bearerOf("good"), accepted: true},
		"no token":             {header: http.Header{}, reason: oauth.ReasonMissingCredentials, failed: "header"},
		"two tokens":           {header: http.Header{"Authorization": {"Bearer good", "Bearer good"}}, reason: oauth.ReasonMultipleCredentials, failed: "header"},
		"another scheme":       {header: http.Header{"Authorization": {"Basic good"}}, reason: oauth.ReasonMalformedHeader, failed: "header"},
		"odd characters":       {header: bearerOf("go\"od"), reason: oauth.ReasonMalformedHeader, failed: "header"},
		"too long":             {header: bearerOf("good"), change: func(c *runtime.GuardConfig) { c.MaxTokenBytes = 3 }, reason: oauth.ReasonTokenTooLarge, failed: "header"},
		"in the query as well": {header: bearerOf("good"), path: "/mcp?access_token=good", reason: oauth.ReasonMultipleCredentials, failed: "header"},
		"a refusal":            {header: bearerOf("bad"), reason: oauth.ReasonBadSignature, failed: "provider"},
		"a scope is missing":   {header: bearerOf("good"), change: func(c *runtime.GuardConfig) { c.Scopes = []string{"admin"} }, reason: oauth.ReasonInsufficientScope, failed: "scopes"},
		"an ambiguous path": {
			header: bearerOf("good"), path: "/mcp/%2e%2e/mcp/sse", change: func(c *runtime.GuardConfig) { c.Subpaths = []string{"/sse"} },
			reason: oauth.ReasonAmbiguousPath, failed: "path",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuard(t, alice(), c.change)
			path := c.path
			if path == "" {
				path = "/mcp"
			}
			r := httptest.NewRequest(http.MethodPost, path, nil)
			r.Header = c.header
			report := g.Explain(r)
			_, err := g.Authenticate(r)
			if report.Accepted != c.accepted || report.Accepted != (err == nil) || report.Reason != c.reason {
				t.Errorf("accepted %t, reason %q; Authenticate says %v", report.Accepted, report.Reason, err)
			}
			first := report.FirstFailed()
			if (first == nil) != c.accepted || first != nil && (first.ID != c.failed || first.Reason != c.reason || first.Fix == "") {
				t.Errorf("the first that fails is %+v, want %s", first, c.failed)
			}
		})
	}
}

func TestAWrappedProvidersOwnRefusalIsExplained(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	provider := wrapped(i.provider(t))
	provider.refuses.Store(true)
	g := newGuard(t, provider, nil)
	r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	r.Header = bearerOf(i.token(t, nil))
	report := g.Explain(r)
	ids := func(outcome explain.Outcome) (list []string) {
		for _, c := range report.Checks {
			if c.Outcome == outcome {
				list = append(list, c.ID)
			}
		}
		return list
	}
	if passed := ids(explain.Passed); !slices.Contains(passed, "signature") || !slices.Contains(passed, "audience") {
		t.Errorf("passed: %v", passed)
	}
	if got := ids(explain.Failed); !slices.Equal(got, []string{"provider"}) || report.Reason != oauth.ReasonRefusedByVerifier {
		t.Errorf("failed: %v for %s", got, report.Reason)
	}
}

func bearerOf(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
