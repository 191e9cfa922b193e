package verify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/explain"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// explaining is what all ways to verify tokens can do here.
type explaining interface {
	Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error)
	Explain(ctx context.Context, presented oauth.Presented) []explain.Check
}

// explained returns the findings about a token by their ids, after it made sure that they say the
// same as Verify, in the same order, and hold nothing of the token.
func explained(t *testing.T, v explaining, token string) map[string]explain.Check {
	t.Helper()
	findings := v.Explain(t.Context(), presented(token, resource))
	byID := map[string]explain.Check{}
	var reason oauth.Reason
	for _, f := range findings {
		if _, twice := byID[f.ID]; twice {
			t.Errorf("there are two findings %q", f.ID)
		}
		byID[f.ID] = f
		switch {
		case f.Outcome == explain.Failed && f.Reason == "", f.Outcome != explain.Passed && f.Fix == "":
			t.Errorf("%+v says not enough", f)
		case f.Outcome != explain.Failed && f.Reason != "":
			t.Errorf("%+v has a reason and did not fail", f)
		case f.Outcome == explain.Failed && reason == "":
			reason = f.Reason
		}
		text := fmt.Sprintf("%+v", f)
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 12 && strings.Contains(text, part) {
				t.Errorf("the finding %q holds a part of the token", f.ID)
			}
		}
	}
	info, err := v.Verify(t.Context(), presented(token, resource))
	var e *oauth.Error
	switch {
	case err == nil && reason != "":
		t.Errorf("the token is accepted for %v, and explained as %s", info, reason)
	case err != nil && (!errors.As(err, &e) || e.Reason != reason):
		t.Errorf("the token is refused with %v, and explained as %q", err, reason)
	}
	return byID
}

func TestEveryCheckOfAJWTIsExplained(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, rules(func(r *facts.Rules) {
		r.Types = []string{"at+jwt"}
		r.Require = []facts.Requirement{{Claim: "tenant.id", AnyOf: []string{"acme"}, Hint: "Log in to acme."}, {Claim: "grant"}}
	}), func(c *verify.Config) { c.Rules.AlgorithmHint = "Set the API to EdDSA." })
	good := map[string]any{"tenant": map[string]any{"id": "acme"}, "grant": "user"}
	sign := func(header, changes map[string]any) string {
		all := map[string]any{}
		for _, list := range []map[string]any{good, changes} {
			for name, value := range list {
				all[name] = value
			}
		}
		h := map[string]any{"typ": "at+jwt"}
		for name, value := range header {
			h[name] = value
		}
		return signed(t, jose.EdDSA, h, payload(t, all))
	}
	all := []string{
		"size", "format", "algorithm", "type", "content", "issuer", "expiry", "key", "signature", "not_before", "issued_at", "audience",
		"sender", "kind", "claim:tenant.id", "claim:grant", "subject", "user",
	}
	var ids []string
	for _, f := range v.Explain(t.Context(), presented(sign(nil, nil), resource)) {
		ids = append(ids, f.ID)
	}
	if !slices.Equal(ids, all) {
		t.Errorf("the checks are %q, want %q", ids, all)
	}
	stamp := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	for name, c := range map[string]struct {
		token   string
		failed  map[string]oauth.Reason
		skipped []string
		finding explain.Check // one of them in full, by its id
	}{
		"a good token": {token: sign(nil, nil), finding: explain.Check{
			ID: "audience", Outcome: explain.Passed, Got: []string{resource}, Want: []string{resource},
		}},
		"everything that it says is wrong": {
			token: sign(map[string]any{"typ": "JWT"}, map[string]any{
				"iss": "https://other.example.com", "exp": now.Unix() - 60, "nbf": now.Unix() + 60, "iat": now.Unix() + 90_000,
				"aud": "https://other.example.com", "cnf": map[string]any{"jkt": "x"}, "token_use": "id", "grant": nil, "sub": 7,
			}),
			failed: map[string]oauth.Reason{
				"type": oauth.ReasonTokenType, "issuer": oauth.ReasonIssuer, "expiry": oauth.ReasonExpired, "not_before": oauth.ReasonNotYetValid,
				"issued_at": oauth.ReasonNotYetValid, "audience": oauth.ReasonAudience, "sender": oauth.ReasonSenderConstrained,
				"kind": oauth.ReasonTokenType, "claim:grant": oauth.ReasonClaim, "subject": oauth.ReasonClaim,
			},
			finding: explain.Check{
				ID: "expiry", Outcome: explain.Failed, Reason: oauth.ReasonExpired, Got: []string{stamp(-time.Minute)},
				Want: []string{"after " + stamp(-30*time.Second)},
				Fix: "the token expired at " + stamp(-time.Minute) + ", now is " + stamp(0) +
					". The client has to refresh it; where it is new, the provider's clock or this server's is wrong",
			},
		},
		"another tenant": {
			token:  sign(nil, map[string]any{"tenant": map[string]any{"id": "umbrella"}}),
			failed: map[string]oauth.Reason{"claim:tenant.id": oauth.ReasonClaim},
			finding: explain.Check{
				ID: "claim:tenant.id", Outcome: explain.Failed, Reason: oauth.ReasonClaim, Got: []string{"umbrella"}, Want: []string{"acme"},
				Fix: `the token's claim tenant.id is "umbrella", accepted are ["acme"]. Log in to acme.`,
			},
		},
		"a foreign signature": {
			token: func() string {
				cut := sign(nil, nil)
				other := sign(nil, map[string]any{"sub": "other"})
				return cut[:strings.LastIndexByte(cut, '.')] + other[strings.LastIndexByte(other, '.'):]
			}(),
			failed: map[string]oauth.Reason{"signature": oauth.ReasonBadSignature},
		},
		"an unknown key": {
			token:  sign(map[string]any{"kid": "nobody"}, map[string]any{"aud": "x"}),
			failed: map[string]oauth.Reason{"key": oauth.ReasonUnknownKey, "audience": oauth.ReasonAudience}, skipped: []string{"signature"},
			finding: explain.Check{ID: "signature", Outcome: explain.Skipped, Fix: "not looked at, since key did not pass"},
		},
		"another algorithm": {
			token:  sign(map[string]any{"alg": "HS512"}, nil),
			failed: map[string]oauth.Reason{"algorithm": oauth.ReasonAlgorithmNotAllowed}, skipped: []string{"key", "signature"},
			finding: explain.Check{
				ID: "algorithm", Outcome: explain.Failed, Reason: oauth.ReasonAlgorithmNotAllowed, Got: []string{"HS512"},
				Want: []string{"RS256", "ES256", "EdDSA"},
				Fix:  `the token is signed with algorithm "HS512", accepted are [RS256 ES256 EdDSA]. Set the API to EdDSA.`,
			},
		},
		"an opaque token": {
			token: "gho_16C7e42F292c6912E7710c838347Ae178B4a", failed: map[string]oauth.Reason{"format": oauth.ReasonNotAJWT}, skipped: all[2:],
		},
		"a token that is too long": {
			token: strings.Repeat("x", verify.MaxTokenSize+1), failed: map[string]oauth.Reason{"size": oauth.ReasonTokenTooLarge}, skipped: all[1:],
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := explained(t, v, c.token)
			if len(findings) != len(all) {
				t.Errorf("%d checks, want %d", len(findings), len(all))
			}
			for id, f := range findings {
				want := explain.Passed
				if c.failed[id] != "" {
					want = explain.Failed
				} else if slices.Contains(c.skipped, id) {
					want = explain.Skipped
				}
				if f.Outcome != want || f.Reason != c.failed[id] {
					t.Errorf("%s: %s %s (%s), want %s %s", id, f.Outcome, f.Reason, f.Fix, want, c.failed[id])
				}
			}
			if got := findings[c.finding.ID]; c.finding.ID != "" && fmt.Sprint(got) != fmt.Sprint(c.finding) {
				t.Errorf("got  %+v\nwant %+v", got, c.finding)
			}
		})
	}
}

// The explanation names a check that is switched off, and looks at what depends on it all the same.
func TestChecksThatAreOffAreExplained(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(c *verify.Config) { c.Insecure = verify.Insecure{SkipSignature: true, SkipAudience: true} })
	findings := explained(t, v, token(t, map[string]any{"aud": "x"}))
	for _, id := range []string{"key", "signature", "audience"} {
		if f := findings[id]; f.Outcome != explain.Skipped || !strings.HasPrefix(f.Fix, "INSECURE: ") {
			t.Errorf("got %+v", f)
		}
	}
	bound := newVerifier(t, rules(func(r *facts.Rules) { r.Audience = facts.Audience{IssuerBound: "it names none"} }))
	if f := explained(t, bound, token(t, map[string]any{"aud": nil}))["audience"]; f.Outcome != explain.Skipped || f.Fix != "it names none" {
		t.Errorf("got %+v", f)
	}
}

func TestEveryCheckOfAnOpaqueTokenIsExplained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		status int
		failed map[string]oauth.Reason
		rest   explain.Outcome // of the others, but for those that need no answer
	}{
		"a good one": {answer: active(t, nil), rest: explain.Passed},
		"one that is not active": {
			answer: `{"active":false}`, failed: map[string]oauth.Reason{
				"active": oauth.ReasonInactive, "application": oauth.ReasonAudience, "claim:scope": oauth.ReasonClaim, "user": oauth.ReasonClaim,
			},
		},
		"much is wrong": {
			answer: active(t, map[string]any{
				"iss": "https://other.example.com/" + opaqueToken, "client_id": "another", "exp": opaqueNow.Unix() - 60, "scope": nil, "sub": 12,
				"token_type": "DPoP",
			}),
			failed: map[string]oauth.Reason{
				"kind": oauth.ReasonSenderConstrained, "expiry": oauth.ReasonExpired, "issuer": oauth.ReasonIssuer, "application": oauth.ReasonAudience,
				"claim:scope": oauth.ReasonClaim, "subject": oauth.ReasonClaim,
			},
			rest: explain.Passed,
		},
		"an outage": {status: http.StatusBadGateway, failed: map[string]oauth.Reason{"answer": oauth.ReasonProviderUnavailable}, rest: explain.Skipped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := says(max(c.status, http.StatusOK), c.answer)
			v := introspection(t, p, func(config *verify.IntrospectionConfig) { config.Require = []facts.Requirement{{Claim: "scope"}} })
			findings := explained(t, v, opaqueToken)
			for _, id := range []string{
				"size", "format", "origin", "answer", "active", "kind", "not_before", "issued_at", "expiry", "issuer", "sender", "application",
				"claim:scope", "subject", "audience", "user",
			} {
				f, ok := findings[id]
				want := c.rest
				switch {
				case c.failed[id] != "":
					want = explain.Failed
				case id == "size" || id == "format" || id == "answer":
					want = explain.Passed
				case id == "audience" || id == "origin":
					want = explain.Skipped
				}
				if !ok || want != "" && f.Outcome != want || f.Reason != c.failed[id] {
					t.Errorf("%s: %+v, want %s %s", id, f, want, c.failed[id])
				}
				wantNoSecrets(t, fmt.Sprint(f))
			}
		})
	}
	t.Run("one that came from outside", func(t *testing.T) {
		t.Parallel()
		p := says(http.StatusOK, active(t, nil))
		v := introspection(t, p, func(config *verify.IntrospectionConfig) { config.Binding = facts.Binding{Exchange: true} })
		if f := explained(t, v, opaqueToken)["origin"]; f.Outcome != explain.Failed || f.Reason != oauth.ReasonRefusedByVerifier {
			t.Errorf("got %+v", f)
		}
	})
}

func TestEveryCheckOfACustomVerifierIsExplained(t *testing.T) {
	t.Parallel()
	findings := explained(t, newCustom(t, map[string]any{"iss": "https://other.example.com", "exp": now.Unix() - 60}, nil), "opaque-token")
	for id, want := range map[string]oauth.Reason{
		"size": "", "verifier": "", "issuer": oauth.ReasonIssuer, "expiry": oauth.ReasonExpired, "not_before": "", "issued_at": "", "sender": "",
		"subject": "", "user": "",
	} {
		if f, ok := findings[id]; !ok || f.Reason != want {
			t.Errorf("%s: %+v, want %q", id, f, want)
		}
	}
	// A function of this package explains itself.
	v, err := verify.NewCustom(verify.CustomConfig{Provider: "mine", Issuers: []string{issuer}, Verifier: newVerifier(t), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if f := explained(t, v, token(t, map[string]any{"aud": "x"}))["audience"]; f.Outcome != explain.Failed || f.Want[0] != resource {
		t.Errorf("got %+v", f)
	}
	if f := explained(t, v, token(t, nil))["user"]; f.Outcome != explain.Passed || f.Got[0] != "user-1" {
		t.Errorf("got %+v", f)
	}
}

// covers: A13
func TestARefusalRepeatsNoTokenThatAProviderRepeats(t *testing.T) {
	t.Parallel()
	for _, changes := range []map[string]any{
		{"iss": "https://idp.example.com/" + opaqueToken}, {"client_id": opaqueToken}, {"aud": []string{opaqueToken}, "client_id": nil},
		{"token_type": opaqueToken}, {"token_use": "id " + opaqueToken}, {"scope": opaqueToken},
	} {
		v := introspection(t, says(http.StatusOK, active(t, changes)), func(c *verify.IntrospectionConfig) {
			c.Require = []facts.Requirement{{Claim: "scope", AnyOf: []string{"openid"}}}
		})
		wantRefused(t, v, oauth.ReasonIssuer, oauth.ReasonAudience, oauth.ReasonTokenType, oauth.ReasonClaim) // looks for the token in the error
	}
}

// covers: A15
func TestASubjectIsAText(t *testing.T) {
	t.Parallel()
	numeric := newVerifier(t, rules(func(r *facts.Rules) { r.NumericSubject = "the provider numbers its users" }))
	for _, sub := range []any{7, 1e21, -1, 1.5, true, []string{"user-1"}, map[string]any{"id": "user-1"}} {
		text := token(t, map[string]any{"sub": sub})
		wantRefusal(t, newVerifier(t), text, oauth.ReasonClaim)
		if _, err := newVerifier(t).VerifyToken(t.Context(), presented(text, resource)); err == nil {
			t.Errorf("the claims of a token with the sub %v are given out", sub)
		}
		if _, err := newCustom(t, map[string]any{"sub": sub}, nil).Verify(t.Context(), presented("opaque-token", resource)); err == nil {
			t.Errorf("the sub %v of a custom verifier is accepted", sub)
		}
		wantRefused(t, introspection(t, says(http.StatusOK, active(t, map[string]any{"sub": sub}))), oauth.ReasonClaim)
		if sub != 7 {
			wantRefusal(t, numeric, text, oauth.ReasonClaim)
		}
	}
	if info := wantCaller(t, numeric, token(t, map[string]any{"sub": 7})); info.Subject != "7" || info.User.ID != "7" {
		t.Errorf("got %+v where a number is documented", info)
	}
	byNumber := introspection(t, says(http.StatusOK, active(t, map[string]any{"sub": 7})), func(c *verify.IntrospectionConfig) {
		c.NumericSubject = "the provider numbers its users"
	})
	if info := wantAccepted(t, byNumber); info.Subject != "7" {
		t.Errorf("got %+v where a number is documented", info)
	}
}

// covers: R25
func TestJSONIsReadWhateverItIsCalled(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"text/plain", "text/html; charset=utf-8", "application/octet-stream", "application/x-javascript", ""} {
		wantAccepted(t, introspection(t, says(http.StatusOK, active(t, nil), "Content-Type", contentType)))
		wantAccepted(t, introspection(t, says(http.StatusOK, "\ufeff"+active(t, nil), "Content-Type", contentType)))
		wantAccepted(t, googleShaped(t, says(http.StatusOK, jsonOf(t, map[string]any{
			"aud": opaqueClient, "sub": "alice", "exp": opaqueNow.Unix() + 60,
		}, nil), "Content-Type", contentType)))
		profile := userInfo(t, says(http.StatusOK, `{"sub":"alice"}`, "Content-Type", contentType))
		if info, err := profile.VerifyExchanged(t.Context(), opaqueToken, opaqueResource); err != nil || info.Subject != "alice" {
			t.Errorf("%q: got %v, %v", contentType, info, err)
		}
		refused := says(http.StatusBadRequest, `{"error":"invalid_token"}`, "Content-Type", contentType)
		wantRefused(t, introspection(t, refused), oauth.ReasonInactive)
	}
}

// covers: R13
func TestATokenIsTriedWithEveryKeyThatFits(t *testing.T) {
	t.Parallel()
	var twins []*jose.SigningKey
	for range 3 {
		twin, err := jose.GenerateKey(jose.EdDSA, "")
		if err != nil {
			t.Fatal(err)
		}
		twins = append(twins, twin)
	}
	v := newVerifier(t, func(c *verify.Config) { c.Keys = publish(t, twins[:2]...) })
	for i, twin := range twins {
		text := signedWith(t, twin, nil, payload(t, nil))
		if i < 2 {
			wantCaller(t, v, text)
			wantCaller(t, v, text) // from the cache
			continue
		}
		wantRefusal(t, v, text, oauth.ReasonBadSignature)
	}
}
