package verify_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

const (
	ourTenant   = "11111111-2222-3333-4444-555555555555"
	otherTenant = "99999999-8888-7777-6666-555555555555"
	tenantBase  = "https://login.example.com/"
)

// tenants returns the rules of a provider with an issuer for each tenant, of which some are
// accepted.
func tenants(accepted ...string) func(*verify.Config) {
	return rules(func(r *facts.Rules) {
		r.Issuers = nil
		r.Tenants = &facts.Tenants{
			Issuer: tenantBase + "{tenantid}/v2.0", Claim: "tid", AnyOf: accepted, Hint: "Ask for tokens of version 2.",
		}
	})
}

func tenantToken(t *testing.T, issuer, tenant any) string {
	t.Helper()
	return token(t, map[string]any{"iss": issuer, "tid": tenant})
}

func TestIssuersOfTenants(t *testing.T) {
	t.Parallel()
	ours := tenantBase + ourTenant + "/v2.0"
	t.Run("accepts the issuer of an accepted tenant", func(t *testing.T) {
		t.Parallel()
		info := wantCaller(t, newVerifier(t, tenants(otherTenant, ourTenant)), tenantToken(t, ours, ourTenant))
		if info.Issuer != ours {
			t.Errorf("the caller's issuer is %q", info.Issuer)
		}
	})
	t.Run("accepts every tenant where the operator says so", func(t *testing.T) {
		t.Parallel()
		for _, tenant := range []string{otherTenant, strings.Repeat("a", 64)} {
			wantCaller(t, newVerifier(t, tenants(facts.AnyTenant)), tenantToken(t, tenantBase+tenant+"/v2.0", tenant))
		}
	})
	t.Run("accepts a fixed issuer beside those of tenants", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, tenants(ourTenant), rules(func(r *facts.Rules) { r.Issuers = []string{issuer} }))
		wantCaller(t, v, token(t, nil))
	})
	for name, c := range map[string]struct{ issuer, tenant any }{
		"a token of a tenant that is not accepted":              {tenantBase + otherTenant + "/v2.0", otherTenant},
		"a token whose issuer is another tenant's than its own": {ours, otherTenant},
		"a token that claims our tenant under another issuer":   {tenantBase + otherTenant + "/v2.0", ourTenant},
		"a token that names no tenant":                          {ours, nil},
		"a token whose tenant is a list":                        {ours, []string{ourTenant}},
		"a token whose issuer is the template itself":           {tenantBase + "{tenantid}/v2.0", "{tenantid}"},
		"a token whose tenant is the word for all":              {tenantBase + "*/v2.0", "*"},
		"a token whose issuer has a slash more":                 {ours + "/", ourTenant},
		"a token of the older version of the protocol":          {"https://sts.example.net/" + ourTenant + "/", ourTenant},
		"a token whose issuer is in another case":               {"https://LOGIN.example.com/" + ourTenant + "/v2.0", ourTenant},
		"a token whose tenant is longer than any":               {tenantBase + strings.Repeat("a", 65) + "/v2.0", strings.Repeat("a", 65)},
		"a token with a path in its tenant":                     {tenantBase + ourTenant + "/v2.0/x/v2.0", ourTenant + "/v2.0/x"},
	} {
		t.Run("rejects "+name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, newVerifier(t, tenants(ourTenant)), tenantToken(t, c.issuer, c.tenant), oauth.ReasonIssuer)
			if name != "a token of a tenant that is not accepted" {
				wantRefusal(t, newVerifier(t, tenants(facts.AnyTenant)), tenantToken(t, c.issuer, c.tenant), oauth.ReasonIssuer)
			}
		})
	}
}

// Keys that many tenants share say for which issuer they are.
func TestKeysForAnIssuer(t *testing.T) {
	t.Parallel()
	ours := tenantBase + ourTenant + "/v2.0"
	for name, c := range map[string]struct {
		keyIssuer any
		reason    oauth.Reason
	}{
		"accepts a key for the issuer itself":  {ours, ""},
		"accepts a key for all tenants":        {tenantBase + "{tenantid}/v2.0", ""},
		"accepts a key that names no issuer":   {nil, ""},
		"rejects a key for another tenant":     {tenantBase + otherTenant + "/v2.0", oauth.ReasonUnknownKey},
		"rejects a key for a part of it":       {tenantBase + ourTenant, oauth.ReasonUnknownKey},
		"rejects a key for more than it":       {ours + "/", oauth.ReasonUnknownKey},
		"rejects a key in another case":        {"https://LOGIN.example.com/" + ourTenant + "/v2.0", oauth.ReasonUnknownKey},
		"rejects a key for another cloud":      {"https://login.example.org/{tenantid}/v2.0", oauth.ReasonUnknownKey},
		"rejects a key whose issuer is empty":  {"", oauth.ReasonUnknownKey},
		"rejects a key whose issuer is a list": {[]string{ours}, oauth.ReasonUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := func(config *verify.Config) { config.Keys = publishFor(t, jose.EdDSA, c.keyIssuer) }
			v := newVerifier(t, tenants(ourTenant), keys)
			if c.reason == "" {
				wantCaller(t, v, tenantToken(t, ours, ourTenant))
			} else {
				wantRefusal(t, v, tenantToken(t, ours, ourTenant), c.reason)
			}
		})
	}
}

// publishFor is a key set of one key with an issuer.
func publishFor(t *testing.T, algorithm jose.Algorithm, issuer any) *published {
	t.Helper()
	text, err := signingKeys()[algorithm].PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	if issuer != nil {
		members["issuer"] = issuer
	}
	if text, err = json.Marshal(map[string]any{"keys": []any{members}}); err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return &published{set: set}
}

func TestMistakesInTenants(t *testing.T) {
	t.Parallel()
	good := facts.Tenants{Issuer: tenantBase + "{tenantid}/v2.0", Claim: "tid", AnyOf: []string{ourTenant}}
	for name, change := range map[string]func(*facts.Tenants){
		"an issuer without placeholder":     func(t *facts.Tenants) { t.Issuer = tenantBase },
		"an issuer with two placeholders":   func(t *facts.Tenants) { t.Issuer += "/{tenantid}" },
		"an issuer that is the placeholder": func(t *facts.Tenants) { t.Issuer = "{tenantid}" },
		"no claim":                          func(t *facts.Tenants) { t.Claim = "" },
		"no tenants":                        func(t *facts.Tenants) { t.AnyOf = nil },
		"nothing but empty tenants":         func(t *facts.Tenants) { t.AnyOf = []string{""} },
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			wrong := good
			change(&wrong)
			_, err := verify.NewJWT(verify.Config{
				Rules: facts.Rules{
					Tenants: &wrong, Algorithms: []string{"RS256"}, Audience: facts.Audience{OrResource: true},
				},
				Keys: asymmetric(t),
			})
			if err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestRequirementsFromOptionalConfiguration(t *testing.T) {
	t.Parallel()
	require := func(values ...string) func(*verify.Config) {
		return rules(func(r *facts.Rules) {
			r.Require = []facts.Requirement{{Claim: "hd", AnyOf: values, WhenSet: true}}
		})
	}
	wantCaller(t, newVerifier(t, require("")), token(t, nil))
	wantCaller(t, newVerifier(t, require("", "example.com")), token(t, map[string]any{"hd": "example.com"}))
	wantRefusal(t, newVerifier(t, require("", "example.com")), token(t, map[string]any{"hd": ""}), oauth.ReasonClaim)
	wantRefusal(t, newVerifier(t, require("example.com")), token(t, nil), oauth.ReasonClaim)
}
