package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// tenantRule is a compiled [facts.Tenants].
type tenantRule struct {
	issuer        string
	before, after string // of the issuer, around the tenant
	claim         path
	anyOf         []string
	any           bool
	hint          string
}

func compileTenants(t *facts.Tenants) (*tenantRule, error) {
	if t == nil {
		return nil, nil //nolint:nilnil // most providers have no tenants
	}
	before, after, found := strings.Cut(t.Issuer, facts.TenantPlaceholder)
	if !found || before == "" || strings.Contains(after, facts.TenantPlaceholder) {
		return nil, fmt.Errorf("the issuer of tenants %q must have %s once", t.Issuer, facts.TenantPlaceholder)
	}
	claim, err := parsePath(t.Claim)
	if err != nil {
		return nil, fmt.Errorf("the claim of tenants: %w", err)
	}
	rule := &tenantRule{issuer: t.Issuer, before: before, after: after, claim: claim, hint: t.Hint}
	rule.anyOf = slices.DeleteFunc(slices.Clone(t.AnyOf), func(s string) bool { return s == "" })
	rule.any = slices.Contains(rule.anyOf, facts.AnyTenant)
	if len(rule.anyOf) == 0 {
		return nil, errors.New("no tenant is accepted")
	}
	return rule, nil
}

// check refuses issuers that are not that of the token's own tenant, and tenants that are not ours.
func (r *tenantRule) check(claims oauth.Claims, issuer string) error {
	tenant := claims.String(r.claim...)
	name := strings.Join(r.claim, ".")
	switch {
	case !plainTenant(tenant):
		return refuse(oauth.ReasonIssuer, fmt.Sprintf(
			"the token's issuer is %s and its claim %s names no tenant, so the issuer cannot be checked", quote(issuer), name), r.hint)
	case issuer != r.before+tenant+r.after:
		return refuse(oauth.ReasonIssuer, fmt.Sprintf(
			"the token's issuer is %s, that of its tenant is %q (every character counts)", quote(issuer), r.before+tenant+r.after), r.hint)
	case !r.any && !slices.Contains(r.anyOf, tenant):
		return refuse(oauth.ReasonIssuer, fmt.Sprintf("the token is of the tenant %s, accepted are %q", quote(tenant), r.anyOf), "")
	}
	return nil
}

// plainTenant reports whether a tenant can stand in an issuer without changing what stands around
// it.
func plainTenant(tenant string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	return tenant != "" && len(tenant) <= 64 && strings.Trim(tenant, plain) == ""
}

// signersFor leaves out the keys that the provider publishes for the tokens of another issuer. It
// is an error if none is left.
func (r *tenantRule) signersFor(issuer string, keys jose.Candidates) (jose.Candidates, error) {
	ours := keys.Only(func(key *jose.Key) bool {
		return key.Issuer() == "" || key.Issuer() == issuer || key.Issuer() == r.issuer
	})
	if ours.Len() > 0 {
		return ours, nil
	}
	key := keys.All()[0]
	return ours, refuse(oauth.ReasonUnknownKey, fmt.Sprintf(
		"the key %s is for tokens of %s, the token's issuer is %s", quote(key.ID()), quote(key.Issuer()), quote(issuer)), "")
}
