package verify_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// newCustom returns a custom verifier whose function gives the usual claims after changes, or an
// error.
func newCustom(t testing.TB, changes map[string]any, err error) *verify.Custom {
	t.Helper()
	given := parseClaims(t, payload(t, changes))
	v, newErr := verify.NewCustom(verify.CustomConfig{
		Provider: "mine", Issuers: []string{issuer}, Leeway: 30 * time.Second, Now: clock,
		Verifier: oauth.TokenVerifierFunc(func(_ context.Context, c oauth.Presented) (oauth.Claims, error) {
			if c.Token != "opaque-token" || c.Resource != resource {
				return oauth.Claims{}, fmt.Errorf("called with %q for %q", c.Token.Reveal(), c.Resource)
			}
			return given, err
		}),
	})
	if newErr != nil {
		t.Fatal(newErr)
	}
	return v
}

func TestACustomVerifierNamesTheCaller(t *testing.T) {
	t.Parallel()
	v := newCustom(t, nil, nil)
	info, err := v.Verify(context.Background(), presented("opaque-token", resource))
	if err != nil {
		t.Fatal(err)
	}
	if info.Provider != "mine" || info.Issuer != issuer || info.Subject != "user-1" || info.ClientID != "client-1" || info.Resource != resource ||
		!info.HasAll("read", "write") || !info.ExpiresAt.Equal(now.Add(time.Hour)) || info.AccessToken.Reveal() != "opaque-token" {
		t.Errorf("got %+v", info)
	}
	if v.UserInfo(info.Claims).ID != "user-1" {
		t.Error("UserInfo names another user")
	}
	info, err = newCustom(t, map[string]any{"iss": nil, "exp": nil, "iat": nil, "aud": nil}, nil).Verify(context.Background(), presented("opaque-token", resource))
	if err != nil || !info.ExpiresAt.IsZero() || info.Issuer != issuer {
		t.Errorf("claims without times and issuer: got %+v, %v", info, err)
	}
}

func TestACustomVerifierIsNotTrustedBlindly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changes map[string]any
		want    oauth.Reason
	}{
		"expired":              {map[string]any{"exp": now.Unix() - 60}, oauth.ReasonExpired},
		"an exp of text":       {map[string]any{"exp": "soon"}, oauth.ReasonInvalidTime},
		"not yet valid":        {map[string]any{"nbf": now.Unix() + 60}, oauth.ReasonNotYetValid},
		"issued in the future": {map[string]any{"iat": now.Unix() + 86_401}, oauth.ReasonNotYetValid},
		"another issuer":       {map[string]any{"iss": issuer + "/"}, oauth.ReasonIssuer},
		"an issuer of a list":  {map[string]any{"iss": []string{issuer}}, oauth.ReasonIssuer},
		"no user":              {map[string]any{"sub": nil}, oauth.ReasonClaim},
		"sender-constrained":   {map[string]any{"cnf": map[string]any{"jkt": "x"}}, oauth.ReasonSenderConstrained},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, err := newCustom(t, c.changes, nil).Verify(context.Background(), presented("opaque-token", resource))
			if info != nil || !errors.Is(err, &oauth.Error{Code: oauth.CodeInvalidToken, Reason: c.want}) {
				t.Errorf("got %v, %v; want reason %s", info, err, c.want)
			}
		})
	}
	_, err := newCustom(t, nil, nil).Verify(context.Background(), presented(strings.Repeat("x", verify.MaxTokenSize+1), resource))
	if !errors.Is(err, &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonTokenTooLarge}) {
		t.Errorf("a token that is too long gives %v", err)
	}
}

func TestErrorsOfACustomVerifier(t *testing.T) {
	t.Parallel()
	own := oauth.Unavailable(9*time.Second, errors.New("maintenance"))
	for name, c := range map[string]struct {
		err    error
		status int
		reason oauth.Reason
	}{
		"any error is a refusal":               {errors.New("bad token"), http.StatusUnauthorized, oauth.ReasonRefusedByVerifier},
		"a sentinel is a refusal":              {oauth.ErrInvalidToken, http.StatusUnauthorized, oauth.ReasonRefusedByVerifier},
		"an error of ours stays":               {own, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable},
		"a wrapped one of ours stays":          {fmt.Errorf("check: %w", own), http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable},
		"the sentinel of an outage is one":     {oauth.ErrTemporarilyUnavailable, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable},
		"the sentinel of scopes is a 403":      {oauth.ErrInsufficientScope, http.StatusForbidden, oauth.ReasonInsufficientScope},
		"a deadline says nothing of the token": {fmt.Errorf("ask: %w", context.DeadlineExceeded), http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable},
		"nor does a request that went away":    {context.Canceled, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable},
		"nor an error of the network": {
			&url.Error{Op: "Get", URL: "https://idp.example.com", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}},
			http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, err := newCustom(t, nil, c.err).Verify(context.Background(), presented("opaque-token", resource))
			var e *oauth.Error
			if info != nil || !errors.As(err, &e) || e.Status != c.status || e.Reason != c.reason {
				t.Fatalf("got %v, %v; want %d %s", info, err, c.status, c.reason)
			}
			if c.status == http.StatusServiceUnavailable && e.RetryAfter <= 0 {
				t.Error("a 503 without Retry-After")
			}
			if c.status == http.StatusUnauthorized && !errors.Is(err, c.err) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestACustomVerifierMayBeAJWTCheck(t *testing.T) {
	t.Parallel()
	v, err := verify.NewCustom(verify.CustomConfig{Provider: "mine", Issuers: []string{issuer}, Verifier: newVerifier(t), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := v.Verify(context.Background(), presented(token(t, nil), resource)); err != nil || info.User.ID != "user-1" {
		t.Errorf("got %+v, %v", info, err)
	}
	if _, err := v.Verify(context.Background(), presented(token(t, map[string]any{"aud": "x"}), resource)); !errors.Is(err, &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonAudience}) {
		t.Errorf("a token for another server gives %v", err)
	}
}

// TestACustomVerifierMayAskForTheUser: what is bound by exchange alone is good for tokens that were
// obtained here, RS-5.
func TestACustomVerifierMayAskForTheUser(t *testing.T) {
	t.Parallel()
	p := says(http.StatusOK, `{"sub":"alice"}`)
	v, err := verify.NewCustom(verify.CustomConfig{Provider: "mine", Issuers: []string{opaqueIssuer}, Verifier: userInfo(t, p)})
	if err != nil {
		t.Fatal(err)
	}
	info, err := v.Verify(t.Context(), presented(opaqueToken, opaqueResource))
	wantError(t, info, err, http.StatusUnauthorized, oauth.ReasonRefusedByVerifier)
	if p.calls() != 0 {
		t.Error("a token from outside went out")
	}
	info, err = v.VerifyExchanged(t.Context(), opaqueToken, opaqueResource)
	if err != nil || info.Subject != "alice" || info.Provider != "mine" || info.Issuer != opaqueIssuer || info.AccessToken.Reveal() != opaqueToken {
		t.Errorf("a token that was obtained here: got %+v, %v", info, err)
	}
	outage, err := verify.NewCustom(verify.CustomConfig{Provider: "mine", Issuers: []string{opaqueIssuer}, Verifier: userInfo(t, says(http.StatusBadGateway, ""))})
	if err != nil {
		t.Fatal(err)
	}
	info, err = outage.VerifyExchanged(t.Context(), opaqueToken, opaqueResource)
	wantError(t, info, err, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable)
}

// TestACustomVerifierAsksAnewForWhatWasExchanged: only the provider knows whether the user took the
// access back.
func TestACustomVerifierAsksAnewForWhatWasExchanged(t *testing.T) {
	t.Parallel()
	p := says(http.StatusOK, fmt.Sprintf(`{"active":true,"token_type":"Bearer","sub":"alice","client_id":%q,"exp":%d}`, opaqueClient, opaqueNow.Unix()+60))
	v, err := verify.NewCustom(verify.CustomConfig{
		Provider: "mine", Issuers: []string{opaqueIssuer}, Verifier: introspection(t, p), Now: func() time.Time { return opaqueNow },
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := v.Verify(t.Context(), presented(opaqueToken, opaqueResource)); err != nil {
			t.Fatal(err)
		}
		if _, err := v.VerifyExchanged(t.Context(), opaqueToken, opaqueResource); err != nil {
			t.Fatal(err)
		}
	}
	if p.calls() != 3 {
		t.Errorf("%d questions, want 3: one for what may be cached, two for what was exchanged", p.calls())
	}
	v.Forget(opaqueToken)
	if _, err := v.Verify(t.Context(), presented(opaqueToken, opaqueResource)); err != nil || p.calls() != 4 {
		t.Errorf("a forgotten token: %v after %d questions, want 4", err, p.calls())
	}
	plain := newCustom(t, nil, nil)
	plain.Forget("opaque-token")
	if info, err := plain.VerifyExchanged(t.Context(), "opaque-token", resource); err != nil || info.Subject != "user-1" {
		t.Errorf("a function that knows no exchange: got %+v, %v", info, err)
	}
}

func TestMistakesInACustomConfigurationAreErrors(t *testing.T) {
	t.Parallel()
	verifier := oauth.TokenVerifierFunc(func(context.Context, oauth.Presented) (oauth.Claims, error) { return oauth.Claims{}, nil })
	for name, config := range map[string]verify.CustomConfig{
		"no function": {Issuers: []string{issuer}}, "no issuer": {Verifier: verifier}, "a negative leeway": {Verifier: verifier, Issuers: []string{issuer}, Leeway: -1},
	} {
		if v, err := verify.NewCustom(config); v != nil || err == nil {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
	}
}
