// Package providertest tests a provider against a fake of itself: a key set, metadata and tokens
// made from the provider's own description, without a network. Generated packages come with a test
// that uses it.
package providertest

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// Suite says how to make a provider and which tokens it must accept and refuse. Run adds what no
// provider may accept.
type Suite struct {
	// Provider makes the provider with the given options. Required.
	Provider func(opts ...runtime.Option) (*runtime.Provider, error)
	// Algorithms are the algorithms that the provider accepts.
	Algorithms []string
	// Issuer is the issuer of a provider whose own document says where its endpoints are: the fake
	// serves one, with these algorithms.
	Issuer string
	// SharedSecret is the configured key of the HMAC algorithms among them.
	SharedSecret string
	// AudienceClaim is the path of the claim with a token's audience, aud by default.
	AudienceClaim string
	// IssuerBound says that tokens of this provider need no audience.
	IssuerBound bool
	// IDTokenShaped says that access tokens of this provider look like ID tokens.
	IDTokenShaped bool
	// OwnVerifier says that tokens are checked by [Verifier] in place of the operator's function:
	// then only what the runtime checks itself is tested.
	OwnVerifier bool
	// Opaque says how opaque tokens are checked at the provider. Algorithms, headers and signatures
	// mean nothing then.
	Opaque *Opaque
	// Proxy says what a provider in mode proxy gets to see of a server in front of it.
	Proxy *Proxy
	// Accept are tokens that must pass. At least one is required; the added tests are variations of
	// the first.
	Accept []Token
	// Reject are tokens that must not pass. Where only tokens count that the server got itself, they
	// are those of logins that must fail.
	Reject []Token
}

// Token says in what a token differs from a plain correct one, which has the provider's issuer and
// audience, the subject "user-1", an hour to live and the typ JWT.
//
// In texts, {issuer}, {audience} and {resource} stand for the provider's issuer, the wanted
// audience and the server's resource URL.
type Token struct {
	// Name says what the token is.
	Name string
	// Header are members of the JOSE header; nil leaves a member out. Without an alg the token is
	// signed with the first of the suite's algorithms.
	Header map[string]any
	// Claims are claims; nil leaves a claim out. Of an opaque token they are the provider's answer
	// about it.
	Claims map[string]any
	// Profile is what stands in the user's profile beside the user's identifier.
	Profile map[string]any
	// WantUser is the user that an accepted token must give, in the form of [oauth.UserInfo]'s
	// JSON.
	WantUser map[string]any
	// Reason is why a token must be refused; empty accepts any reason.
	Reason oauth.Reason

	// audience, when set, is put in place of the right audience; a pointer to nil leaves the claim
	// out.
	audience *any
}

// Resource is the canonical URL of the server that the tokens are for.
const Resource = "https://mcp.example.com/mcp"

// now is the time of all tests.
var now = Now()

// Now is the time at which the tokens of specs are issued: the times in specs are relative to it.
func Now() time.Time { return time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC) }

// Run runs the suite as sub-tests.
func Run(t *testing.T, suite Suite) {
	t.Helper()
	if len(suite.Accept) == 0 {
		t.Fatal("the suite accepts no token: there is nothing to vary")
	}
	w := newWorld(t, suite)
	for _, token := range suite.Accept {
		if suite.Opaque == nil || !suite.Opaque.Exchange {
			t.Run("accepts "+token.Name, func(t *testing.T) {
				t.Parallel()
				w.accepts(t, token)
			})
		}
		if suite.Proxy != nil {
			t.Run("logs in with "+token.Name, func(t *testing.T) {
				t.Parallel()
				w.logsIn(t, token)
			})
		}
	}
	for _, token := range suite.Reject {
		t.Run("rejects "+token.Name, func(t *testing.T) {
			t.Parallel()
			if suite.Opaque != nil && suite.Opaque.Exchange {
				w.failsToLogIn(t, token)
				return
			}
			w.rejects(t, w.sign(t, token), token.Reason)
		})
	}
	w.checkMetadata(t)
	if suite.Opaque != nil {
		w.checkOpaque(t)
		return
	}
	w.checkClaims(t)
	if !suite.OwnVerifier {
		w.checkAlgorithms(t)
		w.checkForgeries(t)
		w.checkOutage(t)
	}
}

func (w *world) accepts(t *testing.T, token Token) {
	t.Helper()
	info, err := w.provider.Verify(t.Context(), presented(w.sign(t, token)))
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if info.Issuer != w.description.Issuer && !w.knows(token, "iss") {
		t.Errorf("issuer of the caller is %q, want %q", info.Issuer, w.description.Issuer)
	}
	if info.Subject == "" || info.Resource != Resource || info.Provider != w.description.Name {
		t.Errorf("caller is %q of provider %q for resource %q", info.Subject, info.Provider, info.Resource)
	}
	if token.WantUser == nil {
		return
	}
	got, want := asJSON(t, info.User), asJSON(t, w.expand(token.WantUser))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("user is\n%s\nwant\n%s", pretty(got), pretty(want))
	}
}

func (w *world) knows(token Token, claim string) bool {
	_, ok := token.Claims[claim]
	return ok
}

// rejects checks that a token is refused with a 401 that does not repeat it.
func (w *world) rejects(t *testing.T, token string, reason oauth.Reason) {
	t.Helper()
	info, err := w.provider.Verify(t.Context(), presented(token))
	if err == nil {
		t.Fatalf("accepted, as %q", info.Subject)
	}
	if !errors.Is(err, oauth.ErrInvalidToken) {
		t.Fatalf("refused with %v, want invalid_token", err)
	}
	if got := oauth.AsError(err).Reason; reason != "" && got != reason {
		t.Errorf("refused for the reason %q, want %q: %v", got, reason, err)
	}
	if token != "" && strings.Contains(err.Error(), token) {
		t.Error("the error holds the token")
	}
}

func asJSON(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func pretty(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// presented is a bearer token as a guard presents it.
func presented(token string) oauth.Presented {
	return oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: Resource}
}
