// Package bench measures latchkey against the work that nobody can avoid, and against other libraries. It is a module of its
// own, so that no peer's library reaches a user's module graph.
package bench

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/keys"
	"github.com/latchkey-auth/latchkey/runtime/verify"
)

// What the tokens are made of.
const (
	Issuer   = "https://tenant.idp.example.com/"
	Resource = "https://mcp.example.com/mcp"
)

// Algorithms are those that verification is measured with.
var Algorithms = []jose.Algorithm{jose.RS256, jose.ES256, jose.EdDSA}

// Verification is one token with everything that is needed to check it, again and again.
type Verification struct {
	Token string
	// JWKSURL is where the key set is served, on loopback.
	JWKSURL string

	server    *httptest.Server
	verifier  *verify.JWT
	algorithm jose.Algorithm
	public    any
	signed    []byte
	signature []byte
}

// NewVerification makes a key, serves its public part and signs a token. With RS256 the token has about 900 bytes.
func NewVerification(a jose.Algorithm) (*Verification, error) {
	key, err := jose.GenerateKey(a, "kBv3Ln6mZxGQh0p1uWq7d")
	if err != nil {
		return nil, err
	}
	set, err := jose.PublicSet(key)
	if err != nil {
		return nil, err
	}
	token, err := signToken(key)
	if err != nil {
		return nil, err
	}
	v := &Verification{Token: token, algorithm: a, public: key.Public()}
	cut := strings.LastIndexByte(token, '.')
	v.signed = []byte(token[:cut])
	if v.signature, err = base64.RawURLEncoding.DecodeString(token[cut+1:]); err != nil {
		return nil, err
	}
	v.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set)
	}))
	v.JWKSURL = v.server.URL
	if v.verifier, err = newVerifier(a, v.JWKSURL, v.server.Client()); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

func signToken(key *jose.SigningKey) (string, error) {
	now := time.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": Issuer, "sub": "auth0|64f1c0a5e9b8d7c6a5b4c3d2", "aud": []string{Resource, Issuer + "userinfo"},
		"iat": now.Unix(), "exp": now.Add(24 * time.Hour).Unix(), "azp": "Zk3vJt8yQw1nRb5xLm7cPd2sHf9gTa4e",
		"jti": "3a9d5c61-0d1e-4c2b-9f47-6f1c7e8b2a90", "scope": "openid profile email offline_access notes:read",
		"permissions": []string{"notes:read", "notes:write"},
	})
	if err != nil {
		return "", err
	}
	return key.Sign(map[string]any{"typ": "at+jwt"}, payload)
}

func newVerifier(a jose.Algorithm, jwksURL string, client *http.Client) (*verify.JWT, error) {
	logger := slog.New(slog.DiscardHandler)
	mapper, err := verify.NewMapper(verify.ClaimMap{
		Email: []string{"email"}, Name: []string{"name"}, Username: []string{"username"}, Nickname: []string{"nickname"},
		Picture: []string{"picture"}, ClientID: []string{"client_id", "azp"},
		Roles: verify.List{From: []string{"roles"}}, Permissions: verify.List{From: []string{"permissions"}},
		Extra: []verify.Extra{{Claim: "email_verified"}, {Claim: "updated_at"}, {Claim: "org_id"}},
	})
	if err != nil {
		return nil, err
	}
	return verify.NewJWT(verify.Config{
		Provider: "bench", Rules: verify.Rules{
			Issuers: []string{Issuer}, Algorithms: []string{string(a)}, Audience: verify.Audience{OrResource: true},
		},
		Mapper: mapper, Leeway: 30 * time.Second, Logger: logger,
		Keys: keys.NewRemote(keys.Config{URL: jwksURL, Client: client, Logger: logger}),
	})
}

// Close stops serving the key set.
func (v *Verification) Close() { v.server.Close() }

// errSignature tells that the raw check failed.
var errSignature = errors.New("the signature does not match")

// Raw does what no verification can avoid: it hashes the signed part and checks the signature with the standard library.
func (v *Verification) Raw() error {
	var ok bool
	switch public := v.public.(type) {
	case *rsa.PublicKey:
		digest := sha256.Sum256(v.signed)
		ok = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], v.signature) == nil
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(v.signed)
		r, s := new(big.Int).SetBytes(v.signature[:32]), new(big.Int).SetBytes(v.signature[32:])
		ok = ecdsa.Verify(public, digest[:], r, s)
	case ed25519.PublicKey:
		ok = ed25519.Verify(public, v.signed, v.signature)
	}
	if !ok {
		return errSignature
	}
	return nil
}

// Full verifies the token to a caller, everything included.
func (v *Verification) Full(ctx context.Context) (*oauth.AuthInfo, error) {
	info, err := v.verifier.Verify(ctx, v.Token, Resource)
	if err != nil {
		return nil, fmt.Errorf("full verification: %w", err)
	}
	return info, nil
}
