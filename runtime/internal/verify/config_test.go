package verify_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

func TestMistakesInTheConfigurationAreErrors(t *testing.T) {
	t.Parallel()
	secret := oauth.Secret("a-test-secret-of-thirty-two-byte")
	for name, c := range map[string]struct {
		change func(*verify.Config)
		want   string
	}{
		"no issuer":             {rules(func(r *facts.Rules) { r.Issuers = nil }), "issuer"},
		"an empty issuer":       {rules(func(r *facts.Rules) { r.Issuers = []string{issuer, ""} }), "issuer"},
		"no algorithm":          {rules(func(r *facts.Rules) { r.Algorithms = nil }), "no algorithm"},
		"the algorithm none":    {rules(func(r *facts.Rules) { r.Algorithms = []string{"none"} }), `"none"`},
		"the algorithm None":    {rules(func(r *facts.Rules) { r.Algorithms = []string{"RS256", "None"} }), `"None"`},
		"an empty algorithm":    {rules(func(r *facts.Rules) { r.Algorithms = []string{""} }), `""`},
		"an unknown algorithm":  {rules(func(r *facts.Rules) { r.Algorithms = []string{"ES256K"} }), `"ES256K"`},
		"an algorithm's case":   {rules(func(r *facts.Rules) { r.Algorithms = []string{"rs256"} }), `"rs256"`},
		"HMAC without a secret": {rules(func(r *facts.Rules) { r.Algorithms = []string{"HS256"} }), "SharedSecrets"},
		"a secret nobody uses":  {rules(func(r *facts.Rules) { r.SharedSecrets = []facts.SharedSecret{{Algorithm: "HS256", Secret: secret}} }), `"HS256"`},
		"a secret for RS256":    {rules(func(r *facts.Rules) { r.SharedSecrets = []facts.SharedSecret{{Algorithm: "RS256", Secret: secret}} }), `"RS256"`},
		"two secrets": {rules(func(r *facts.Rules) {
			withSecret(r, secret)
			r.SharedSecrets = append(r.SharedSecrets, r.SharedSecrets[0])
		}), "two shared secrets"},
		"a short secret":          {rules(func(r *facts.Rules) { withSecret(r, secret[:31]) }), "at least 32 bytes"},
		"no rule for an audience": {rules(func(r *facts.Rules) { r.Audience = facts.Audience{} }), "audience"},
		"only empty audiences":    {rules(func(r *facts.Rules) { r.Audience = facts.Audience{AnyOf: []string{"", ""}} }), "audience"},
		"a broken audience claim": {rules(func(r *facts.Rules) { r.Audience.Claim = "a..b" }), "empty part"},
		"an empty type":           {rules(func(r *facts.Rules) { r.Types = []string{""} }), "Types"},
		"a broken requirement":    {rules(func(r *facts.Rules) { r.Require = []facts.Requirement{{Claim: ""}} }), "empty part"},
		"an empty required value": {rules(func(r *facts.Rules) { r.Require = []facts.Requirement{{Claim: "tid", AnyOf: []string{""}}} }), `"tid"`},
		"an absent claim's value": {rules(func(r *facts.Rules) {
			r.Require = []facts.Requirement{{Claim: "tid", AnyOf: []string{"a"}, Absent: true}}
		}), `"tid"`},
		"no keys":             {func(c *verify.Config) { c.Keys = nil }, "keys"},
		"a negative leeway":   {func(c *verify.Config) { c.Leeway = -1 }, "leeway"},
		"a leeway of an hour": {func(c *verify.Config) { c.Leeway = time.Hour }, "leeway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := verify.Config{
				Rules: facts.Rules{Issuers: []string{issuer}, Algorithms: []string{"RS256"}, Audience: facts.Audience{OrResource: true}},
				Keys:  asymmetric(t),
			}
			c.change(&config)
			v, err := verify.NewJWT(config)
			if v != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got error %v, want one with %s", err, c.want)
			}
			if strings.Contains(err.Error(), "test-secret") {
				t.Error("the error holds the secret")
			}
		})
	}
}

func withSecret(r *facts.Rules, secret oauth.Secret) {
	r.Algorithms = []string{"HS256"}
	r.SharedSecrets = []facts.SharedSecret{{Algorithm: "HS256", Secret: secret}}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := verify.NewJWT(verify.Config{})
	for _, part := range []string{"issuer", "no algorithm", "audience"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
}

func TestSharedSecretsNeedNoPublicKeys(t *testing.T) {
	t.Parallel()
	secret := signingKeys()[jose.HS256]
	v := newVerifier(t, func(c *verify.Config) {
		withSecret(&c.Rules, oauth.Secret(secret.Secret()))
		c.Keys = nil
	})
	wantCaller(t, v, signedWith(t, secret, nil, payload(t, nil)))
	wantRefusal(t, v, signed(t, jose.RS256, nil, payload(t, nil)), oauth.ReasonAlgorithmNotAllowed)
}

func TestInsecureSkipSignatureSkipsTheSignatureOnly(t *testing.T) {
	t.Parallel()
	stranger, err := jose.GenerateKey(jose.EdDSA, "stranger")
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, func(c *verify.Config) { c.Insecure.SkipSignature, c.Keys = true, nil })
	by := func(header, changes map[string]any) string {
		return signedWith(t, stranger, header, payload(t, changes))
	}
	wantCaller(t, v, by(nil, nil))
	wantRefusal(t, v, by(map[string]any{"alg": "none"}, nil), oauth.ReasonAlgorithmNotAllowed)
	wantRefusal(t, v, by(map[string]any{"alg": "HS256"}, nil), oauth.ReasonAlgorithmNotAllowed)
	wantRefusal(t, v, by(map[string]any{"crit": []string{"x"}}, nil), oauth.ReasonCriticalHeader)
	wantRefusal(t, v, by(map[string]any{"typ": "id_token+jwt"}, nil), oauth.ReasonTokenType)
	wantRefusal(t, v, by(nil, map[string]any{"iss": "https://evil.example.com"}), oauth.ReasonIssuer)
	wantRefusal(t, v, by(nil, map[string]any{"aud": "https://other.example.com"}), oauth.ReasonAudience)
	wantRefusal(t, v, by(nil, map[string]any{"exp": now.Unix() - 60}), oauth.ReasonExpired)
	wantRefusal(t, v, by(nil, map[string]any{"nbf": now.Unix() + 60}), oauth.ReasonNotYetValid)
	wantRefusal(t, v, by(nil, map[string]any{"at_hash": "x"}), oauth.ReasonTokenType)
	wantRefusal(t, v, by(nil, map[string]any{"sub": nil}), oauth.ReasonClaim)
	text := by(nil, nil)
	wantRefusal(t, v, text[:strings.LastIndexByte(text, '.')+1], oauth.ReasonMalformedToken)
}

func TestInsecureSkipAudienceSkipsTheAudienceOnly(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(c *verify.Config) {
		c.Insecure.SkipAudience = true
		c.Rules.Audience = facts.Audience{AnyOf: []string{"api-1"}}
	})
	for _, aud := range []any{nil, "https://other.example.com", []any{1}} {
		wantCaller(t, v, token(t, map[string]any{"aud": aud}))
	}
	stranger, err := jose.GenerateKey(jose.EdDSA, "key-EdDSA")
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, v, signedWith(t, stranger, nil, payload(t, nil)), oauth.ReasonBadSignature)
	wantRefusal(t, v, token(t, map[string]any{"iss": "https://evil.example.com"}), oauth.ReasonIssuer)
	newVerifier(t, func(c *verify.Config) { // needs no audience rule at all
		c.Insecure.SkipAudience = true
		c.Rules.Audience = facts.Audience{}
	})
}

func TestInsecureSettingsWarnAtStartAndOnceAMinute(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var ahead atomic.Int64
	v := newVerifier(t, func(c *verify.Config) {
		c.Insecure = verify.Insecure{SkipSignature: true, SkipAudience: true}
		c.Events = events.To(observe.Slog(slog.New(slog.NewTextHandler(&log, nil))))
		c.Now = func() time.Time { return now.Add(time.Duration(ahead.Load())) }
	})
	want := func(lines int, when string) {
		t.Helper()
		if got := strings.Count(log.String(), "level=WARN"); got != lines {
			t.Errorf("%s: %d warnings, want %d:\n%s", when, got, lines, log.String())
		}
	}
	want(2, "at start")
	for _, name := range []string{"InsecureSkipSignature", "InsecureSkipAudience"} {
		if !strings.Contains(log.String(), name) {
			t.Errorf("the log does not name %s", name)
		}
	}
	for range 1000 {
		wantCaller(t, v, token(t, nil))
	}
	want(2, "in the first minute")
	ahead.Store(int64(time.Minute))
	for range 10 {
		wantCaller(t, v, token(t, nil))
	}
	want(4, "after a minute")
	if strings.Contains(log.String(), "user-1") {
		t.Error("a warning names a user")
	}
	log.Reset()
	newVerifier(t, func(c *verify.Config) { c.Events = events.To(observe.Slog(slog.New(slog.NewTextHandler(&log, nil)))) })
	want(0, "with all checks on")
}

// Keycloak signs refresh tokens with HS512: advice on the algorithm of access tokens would mislead.
// Other providers sign access tokens with the client's secret until a key is chosen: then advice on
// tokens would.
// covers: R24
func TestTheReasonOfATokenThatTheProviderMadeForItself(t *testing.T) {
	t.Parallel()
	symmetric := func(c *verify.Config) {
		withSecret(&c.Rules, oauth.Secret(signingKeys()[jose.HS256].Secret()))
		c.Keys = nil
	}
	hinted := newVerifier(t, func(c *verify.Config) { c.Rules.AlgorithmHint = "Set the API to EdDSA." })
	const itsOwn, another = "probably a refresh token", "Choose one of them"
	for name, c := range map[string]struct {
		verifier      *verify.JWT
		algorithm     string
		want, without string
	}{
		"a shared secret where keys are public":         {newVerifier(t), "HS512", itsOwn, another},
		"another shared secret where some are accepted": {newVerifier(t, symmetric), "HS512", another, itsOwn},
		"a public key that is not accepted":             {newVerifier(t, symmetric), "PS512", another, itsOwn},
		"an algorithm of nobody's":                      {newVerifier(t), "XX512", another, itsOwn},
		"what the provider's own hint explains":         {hinted, "HS512", "Set the API to EdDSA.", itsOwn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := wantRefusal(t, c.verifier, signed(t, jose.EdDSA, map[string]any{"alg": c.algorithm}, payload(t, nil)), oauth.ReasonAlgorithmNotAllowed)
			if c.want == itsOwn && !strings.Contains(e.Error(), "no signing key chosen") {
				t.Errorf("%q does not name the other cause", e.Error())
			}
			if text := e.Error(); !strings.Contains(text, c.want) || strings.Contains(text, c.without) || !strings.Contains(text, c.algorithm) {
				t.Errorf("got %q, want %q in it", text, c.want)
			}
		})
	}
}
