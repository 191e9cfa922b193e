package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// inPath asks with the token in the path of the URL.
func inPath(c *verify.TokenInfoConfig) {
	c.URL, c.Place = "https://idp.example.com/tokens/{token}/state?v=3", facts.TokenInPath
}

func TestATokenInAPathIsEscaped(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		opaqueToken:       opaqueToken,
		"a/b..;c?d#e%2Ff": "a%2Fb..%3Bc%3Fd%23e%252Ff",
		"{token}":         "%7Btoken%7D",
		"...":             "...",
	} {
		p := says(200, google(t, nil))
		if _, err := googleShaped(t, p, inPath).Verify(t.Context(), presented(token, opaqueResource)); err != nil {
			t.Errorf("%s: %v", token, err)
			continue
		}
		r := p.seen()[0]
		if r.Method != "GET" || r.URL != "https://idp.example.com/tokens/"+want+"/state?v=3" || r.Header.Get("Authorization") != "" || r.Body != "" {
			t.Errorf("the request about %s is %+v", token, r)
		}
	}
}

// A provider, or a gateway before it, that reads an escaped path would answer at another address.
func TestATokenThatIsAStepInAPathIsRefused(t *testing.T) {
	t.Parallel()
	for _, token := range []string{".", "..", "a/../b", "%2e%2e", "%252e%252e", `a\..`, "..;x"} {
		p := says(200, google(t, nil))
		_, err := googleShaped(t, p, inPath).Verify(t.Context(), presented(token, opaqueResource))
		if !errors.Is(err, oauth.ErrInvalidToken) || oauth.AsError(err).Reason != oauth.ReasonMalformedToken || p.calls() != 0 {
			t.Errorf("%s: got %v after %d calls", token, err, p.calls())
		}
	}
}

func TestATokenInAPathIsInNoErrorAndNoEvent(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]*providerAPI{
		"an answer":   says(200, google(t, nil)),
		"a refusal":   says(400, `{"path":"/tokens/`+opaqueToken+`/state"}`),
		"an outage":   says(503, opaqueToken),
		"a redirect":  says(302, "", "Location", "/tokens/"+opaqueToken+"/other"),
		"no network":  {before: func(context.Context, asked) error { return errors.New("no route to /tokens/" + opaqueToken) }},
		"a bare page": says(200, "<title>"+opaqueToken+"</title>"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen recorder
			o := googleShaped(t, p, inPath, func(c *verify.TokenInfoConfig) {
				c.Events = events.To(&seen)
			})
			_, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
			if err != nil && strings.Contains(err.Error(), opaqueToken) {
				t.Errorf("the error is %v", err)
			}
			for _, e := range seen {
				if text := fmt.Sprintf("%+v", e); strings.Contains(text, opaqueToken) || e.URL != "https://idp.example.com/tokens/{token}/state" {
					t.Errorf("the event is %s", text)
				}
			}
			if len(seen) == 0 {
				t.Error("there is no event")
			}
		})
	}
}

// recorder keeps the events that it sees.
type recorder []observe.Event

// Observe implements [observe.Observer].
func (r *recorder) Observe(_ context.Context, e observe.Event) { *r = append(*r, e) }
