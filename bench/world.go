// Package bench measures latchkey against the work that nobody can avoid, and against other
// libraries. It is a module of its own, so that no peer's library reaches a user's module graph.
package bench

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// The tokens are made of these.
const (
	Issuer   = "https://tenant.idp.example.com/"
	Resource = "https://mcp.example.com/mcp"
	Subject  = "auth0|64f1c0a5e9b8d7c6a5b4c3d2"
	keyID    = "kBv3Ln6mZxGQh0p1uWq7d"
)

// Algorithms are those that verification is measured with.
var Algorithms = []jose.Algorithm{jose.RS256, jose.ES256, jose.EdDSA}

// World is an identity provider as a resource server sees it: a key set on loopback and access
// tokens.
type World struct {
	Algorithm jose.Algorithm
	Key       *jose.SigningKey
	// JWKSURL is where the key set is served. Fetches counts how often it was.
	JWKSURL string
	Fetches atomic.Int64
	// Delay is how long an answer of the key set takes, in nanoseconds.
	Delay atomic.Int64

	server *httptest.Server
}

// NewWorld makes a key and serves its public part.
func NewWorld(a jose.Algorithm) (*World, error) {
	key, err := jose.GenerateKey(a, keyID)
	if err != nil {
		return nil, err
	}
	set, err := jose.PublicSet(key)
	if err != nil {
		return nil, err
	}
	w := &World{Algorithm: a, Key: key}
	w.server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		w.Fetches.Add(1)
		time.Sleep(time.Duration(w.Delay.Load()))
		answer.Header().Set("Content-Type", "application/json")
		_, _ = answer.Write(set)
	}))
	w.JWKSURL = w.server.URL
	return w, nil
}

// Close stops serving the key set.
func (w *World) Close() { w.server.Close() }

// Claims are those of a usual access token of Auth0; with RS256 it has about 900 bytes. id tells
// one from another.
func Claims(id int) map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": Issuer, "sub": Subject, "aud": []string{Resource, Issuer + "userinfo"},
		"iat": now.Unix(), "exp": now.Add(24 * time.Hour).Unix(), "azp": "Zk3vJt8yQw1nRb5xLm7cPd2sHf9gTa4e",
		"jti": fmt.Sprintf("3a9d5c61-0d1e-4c2b-9f47-%012x", id), "scope": "openid profile email offline_access notes:read",
		"permissions": []string{"notes:read", "notes:write"},
	}
}

// Token signs a token.
func (w *World) Token(id int) (string, error) { return sign(w.Key, Claims(id)) }

func sign(key *jose.SigningKey, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return key.Sign(map[string]any{"typ": "at+jwt"}, payload)
}

// Signed signs a token with changed claims.
func (w *World) Signed(change func(claims map[string]any)) (string, error) {
	claims := Claims(0)
	change(claims)
	return sign(w.Key, claims)
}

// Tokens signs several tokens.
func (w *World) Tokens(count int) ([]string, error) {
	tokens := make([]string, count)
	for i := range tokens {
		var err error
		if tokens[i], err = w.Token(i); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// FirstSeenOnly makes every token one that was not seen before, for latchkey: it keeps tokens as
// usual, and what it kept is too old at once.
var FirstSeenOnly = runtime.WithTokenCache(runtime.TokenCache{MaxAge: 1})

// Provider returns latchkey's provider with the claims of Auth0's.
func (w *World) Provider(opts ...runtime.Option) (*runtime.Provider, error) {
	return NewProvider(w.Algorithm, w.JWKSURL, opts...)
}

// NewProvider returns latchkey's provider for a key set, with the claims of Auth0's.
func NewProvider(a jose.Algorithm, jwksURL string, opts ...runtime.Option) (*runtime.Provider, error) {
	opts = append([]runtime.Option{
		runtime.WithLogger(slog.New(slog.DiscardHandler)), runtime.WithHTTPClient(&http.Client{Timeout: 5 * time.Second}),
	}, opts...)
	return runtime.New(runtime.NewInputs("Bench", opts...), runtime.Definition{
		Name: "bench", Title: "Bench", Mode: oauth.Direct, Issuer: Issuer, Endpoints: oauth.Endpoints{
			JWKS: jwksURL, Authorization: Issuer + "authorize", Token: Issuer + "oauth/token",
		},
		Tokens: facts.Rules{
			Algorithms: []string{string(a)}, Types: []string{"JWT", "at+jwt"}, Audience: facts.Audience{AnyOf: []string{Resource}},
		},
		Claims: facts.ClaimMap{
			UserID: []string{"sub"}, Email: []string{"email"}, Name: []string{"name"}, Username: []string{"username"},
			Nickname: []string{"nickname"}, Picture: []string{"picture"}, ClientID: []string{"client_id", "azp"},
			Roles: facts.List{From: []string{"roles"}}, Permissions: facts.List{From: []string{"permissions"}}, Scopes: []string{"scope"},
			Extra: []facts.Extra{{Claim: "email_verified"}, {Claim: "updated_at"}, {Claim: "org_id"}, {Claim: "org_name"}},
		},
	})
}
