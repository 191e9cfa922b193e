package jose_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
)

func TestIssuerOfAKey(t *testing.T) {
	t.Parallel()
	members := jwkMembers(t, newKey(t, jose.EdDSA, "key-1"))
	if got := onlyKey(t, members).Issuer(); got != "" {
		t.Errorf("a key without issuer has %q", got)
	}
	without := onlyKey(t, members)
	const issuer = "https://login.example.com/{tenantid}/v2.0"
	members["issuer"] = issuer
	with := onlyKey(t, members)
	if with.Issuer() != issuer {
		t.Errorf("issuer is %q", with.Issuer())
	}
	if with.Equal(without) || without.Equal(with) || !with.Equal(onlyKey(t, members)) {
		t.Error("a key for another issuer counts as the same key") // its cached tokens would stay accepted
	}
	for _, wrong := range []any{"", 7, []string{issuer}, map[string]any{}} {
		members["issuer"] = wrong
		if set := parseSet(t, setText(t, members)); set.Len() != 0 {
			t.Errorf("a key with the issuer %v is used", wrong)
		}
	}
}
