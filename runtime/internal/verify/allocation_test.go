//go:build !race

package verify_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// TestVerificationAllocatesLittle holds the verification of a token that was not seen before to at
// most ten allocations beyond those of the raw signature check, keeping it in the cache included,
// and of one that is in the cache to none. It is not compiled with the race detector, which adds
// allocations of its own; without it, it runs always.
func TestVerificationAllocatesLittle(t *testing.T) {
	mapper := newMapper(t, facts.ClaimMap{
		Email: []string{"email"}, Name: []string{"name"}, Roles: facts.List{From: []string{"roles"}},
		Permissions: facts.List{From: []string{"permissions"}}, Extra: []facts.Extra{{Claim: "org_id"}, {Claim: "email_verified"}},
	})
	v, d, source := watched(t, func(c *verify.Config) { c.Mapper, c.Cache.MaxAge = mapper, time.Second })
	text := signed(t, jose.RS256, map[string]any{"typ": "at+jwt"}, payload(t, map[string]any{
		"aud": []string{resource, "https://idp.example.com/userinfo"}, "email": "ada@example.com", "name": "Ada", "org_id": "org-1",
		"scope": "openid profile email offline_access notes:read", "permissions": []string{"notes:read", "notes:write"}, "roles": []string{"editor"},
		"jti": "3a9d5c61-0d1e-4c2b-9f47-6f1c7e8b2a90",
	}))
	ctx := context.Background()
	full := testing.AllocsPerRun(200, func() {
		d.advance(time.Second) // beyond MaxAge: every verification is a first one
		if _, err := v.Verify(ctx, presented(text, resource)); err != nil {
			t.Error(err)
		}
	})
	cut := strings.LastIndexByte(text, '.')
	input := []byte(text[:cut])
	signature, err := base64.RawURLEncoding.DecodeString(text[cut+1:])
	if err != nil {
		t.Fatal(err)
	}
	public := signingKeys()[jose.RS256].Public().(*rsa.PublicKey)
	raw := testing.AllocsPerRun(200, func() {
		digest := sha256.Sum256(input)
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
			t.Error(err)
		}
	})
	if more := full - raw; more > 10 {
		t.Errorf("verification allocates %.0f times, %.0f more than the signature check, want at most 10", full, more)
	}
	asked := source.askedFor()
	cached := testing.AllocsPerRun(200, func() {
		if _, err := v.Verify(ctx, presented(text, resource)); err != nil {
			t.Error(err)
		}
	})
	if cached != 0 || source.askedFor() != asked {
		t.Errorf("verification of a cached token allocates %.0f times and looked %d keys up, want none of both",
			cached, source.askedFor()-asked)
	}
}
