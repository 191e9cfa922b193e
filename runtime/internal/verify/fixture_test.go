package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

const (
	issuer   = "https://idp.example.com/tenant"
	resource = "https://mcp.example.com/mcp"
)

// now is when all tests take place.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// signingKeys makes one key pair for each algorithm, once for the whole package: RSA keys take
// long.
var signingKeys = sync.OnceValue(func() map[jose.Algorithm]*jose.SigningKey {
	all := map[jose.Algorithm]*jose.SigningKey{}
	for _, a := range []jose.Algorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.EdDSA, jose.HS256} {
		k, err := jose.GenerateKey(a, "key-"+string(a))
		if err != nil {
			panic(err)
		}
		all[a] = k
	}
	return all
})

// published is a fixed key set as a [verify.KeySource]. It records what it is asked for.
type published struct {
	set *jose.Set
	err error

	mu    sync.Mutex
	asked []string
}

func publish(t testing.TB, keys ...*jose.SigningKey) *published {
	t.Helper()
	text, err := jose.PublicSet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return &published{set: set}
}

func (p *published) Keys(_ context.Context, id string, a jose.Algorithm, _ time.Time) (jose.Candidates, error) {
	p.mu.Lock()
	p.asked = append(p.asked, id)
	p.mu.Unlock()
	if p.err != nil {
		return jose.Candidates{}, p.err
	}
	found := p.set.Find(id, a)
	if found.Len() == 0 {
		return found, oauth.InvalidToken(oauth.ReasonUnknownKey, errors.New("no such key"))
	}
	return found, nil
}

func (p *published) Replaced(context.Context, string, jose.Algorithm, time.Time, *jose.Candidates) (jose.Candidates, error) {
	return jose.Candidates{}, nil
}

func (p *published) Holds(id string, a jose.Algorithm, key *jose.Key, _ time.Time) bool {
	return p.err == nil && p.set.Has(id, a, key)
}

func (p *published) Flooded(string, jose.Algorithm, time.Time) error { return nil }

// asymmetric is the key set of the usual provider of these tests.
func asymmetric(t testing.TB) *published {
	k := signingKeys()
	return publish(t, k[jose.RS256], k[jose.PS256], k[jose.ES256], k[jose.ES384], k[jose.EdDSA])
}

// newVerifier returns a verifier with usual rules after the given changes.
func newVerifier(t testing.TB, changes ...func(*verify.Config)) *verify.JWT {
	t.Helper()
	config := verify.Config{
		Provider: "example", Title: "Example",
		Rules: facts.Rules{
			Issuers: []string{issuer}, Algorithms: []string{"RS256", "ES256", "EdDSA"},
			Audience: facts.Audience{OrResource: true, Hint: "Register the server as an API."},
		},
		Keys: asymmetric(t), Leeway: 30 * time.Second, Now: clock,
	}
	for _, change := range changes {
		change(&config)
	}
	v, err := verify.NewJWT(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func rules(change func(*facts.Rules)) func(*verify.Config) {
	return func(c *verify.Config) { change(&c.Rules) }
}

// claims are those of a good token after changes; a nil value removes a claim.
func claims(changes map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuer, "sub": "user-1", "aud": resource, "client_id": "client-1", "scope": "read write",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

func payload(t testing.TB, changes map[string]any) string {
	t.Helper()
	text, err := json.Marshal(claims(changes))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// token is a good token, signed with EdDSA, after changes to its claims.
func token(t testing.TB, changes map[string]any) string {
	t.Helper()
	return signed(t, jose.EdDSA, nil, payload(t, changes))
}

func signed(t testing.TB, a jose.Algorithm, header map[string]any, payload string) string {
	t.Helper()
	return signedWith(t, signingKeys()[a], header, payload)
}

func signedWith(t testing.TB, k *jose.SigningKey, header map[string]any, payload string) string {
	t.Helper()
	token, err := k.Sign(header, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// wantRefusal checks that a token is refused with 401 for a reason, and that nothing in the error
// gives the token away.
func wantRefusal(t testing.TB, v *verify.JWT, token string, reasons ...oauth.Reason) *oauth.Error {
	t.Helper()
	info, err := v.Verify(context.Background(), presented(token, resource))
	if info != nil || err == nil {
		t.Fatalf("the token was accepted for %+v", info)
	}
	var e *oauth.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want an *oauth.Error", err)
	}
	if e.Status != http.StatusUnauthorized || e.Code != oauth.CodeInvalidToken || e.Description != "Invalid token" {
		t.Errorf("got %d %s %q, want 401 invalid_token", e.Status, e.Code, e.Description)
	}
	matches := len(reasons) == 0
	for _, reason := range reasons {
		matches = matches || e.Reason == reason
	}
	if !matches {
		t.Errorf("got reason %s (%v), want %v", e.Reason, err, reasons)
	}
	for segment := range strings.SplitSeq(token, ".") {
		if len(segment) > 12 && strings.Contains(err.Error(), segment) {
			t.Error("the error holds a part of the token")
		}
	}
	if len(err.Error()) > 2000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	return e
}

func wantCaller(t testing.TB, v *verify.JWT, token string) *oauth.AuthInfo {
	t.Helper()
	info, err := v.Verify(context.Background(), presented(token, resource))
	if err != nil {
		t.Fatalf("the token was refused: %v", err)
	}
	return info
}

// presented is a bearer token as a guard presents it.
func presented(token, resource string) oauth.Presented {
	return oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: resource}
}
