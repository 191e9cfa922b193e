package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/jose"
)

// TestFieldReportsAreExplained gives what the field met to explain: it names the cause, and what to
// change where.
// covers: D2, R12, R14, R16, R24
func TestFieldReportsAreExplained(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t)
	keys := keysOf(t, idp)
	of := func(change func(*devidp.TokenRequest)) string {
		request := devidp.TokenRequest{User: "alice", Audience: []string{explainedResource}, Scope: "openid files:read"}
		change(&request)
		return idp.Token(request)
	}
	another, err := jose.GenerateKey(jose.ES256, keyID(t, idp.Token(devidp.TokenRequest{User: "alice"})))
	if err != nil {
		t.Fatal(err)
	}
	replaced, err := jose.PublicSet(another)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		token, keys string
		scope       string
		code        int
		says        []string
	}{
		"D2: a scope that the caller lacks": {
			token: of(func(*devidp.TokenRequest) {}), scope: "files:write", code: exitFailure,
			says: []string{"refused: insufficient_scope", "failed   scopes", "files:read", "files:write", "ask for the scope"},
		},
		"R12: another key under the same kid": {
			token: of(func(*devidp.TokenRequest) {}), keys: written(t, string(replaced)), code: exitFailure,
			says: []string{"failed   signature", "may have replaced"},
		},
		"R14: scopes in scp, as a list": {
			token: of(func(r *devidp.TokenRequest) {
				r.Claims = map[string]any{"scope": nil, "scp": []string{"openid", "files:write"}}
			}),
			scope: "files:write", says: []string{"accepted\n", "passed   scopes"},
		},
		"R14: scopes in scp, as a text": {
			token: of(func(r *devidp.TokenRequest) { r.Claims = map[string]any{"scope": nil, "scp": "openid files:write"} }),
			scope: "files:write", says: []string{"accepted\n", "passed   scopes"},
		},
		"R16: an access token that looks like an ID token": {
			token: of(func(r *devidp.TokenRequest) {
				r.Claims = map[string]any{"at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng", "nonce": "n"}
			}), code: exitFailure,
			says: []string{"refused: token_type", "failed   kind", "at_hash", "IDTokenShaped"},
		},
		"R24: signed with a secret": {
			token: of(func(r *devidp.TokenRequest) { r.Header = map[string]any{"alg": "HS256"} }), code: exitFailure,
			says: []string{"refused: algorithm_not_allowed", "refresh token", "no signing key chosen", "authentik", "FusionAuth"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--resource", explainedResource, "--jwks", keys}
			if c.keys != "" {
				args[3] = c.keys
			}
			if c.scope != "" {
				args = append(args, "--scope", c.scope)
			}
			code, stdout, _ := explained(t, c.token, nil, args...)
			if code != c.code {
				t.Errorf("exit code %d", code)
			}
			for _, want := range c.says {
				if !strings.Contains(stdout, want) {
					t.Errorf("want %q in\n%s", want, stdout)
				}
			}
		})
	}
}

// keyID is the kid of a token.
func keyID(t *testing.T, token string) string {
	t.Helper()
	var id string
	if err := json.Unmarshal(decoded(token).header["kid"], &id); err != nil {
		t.Fatal(err)
	}
	return id
}
