package upstream

import "testing"

func TestIssuersOfAuthorizationResponses(t *testing.T) {
	t.Parallel()
	const tenants = "https://login.example.com/{tenantid}/v2.0"
	for name, c := range map[string]struct {
		known []string
		iss   string
		want  bool
	}{
		"accepts the provider's issuer":                     {[]string{"https://idp.example.com"}, "https://idp.example.com", true},
		"accepts any where the provider's is not known":     {nil, "https://idp.example.com", true},
		"rejects another issuer":                            {[]string{"https://idp.example.com"}, "https://attacker.example", false},
		"rejects an issuer with a slash more":               {[]string{"https://idp.example.com"}, "https://idp.example.com/", false},
		"accepts the issuer of a tenant":                    {[]string{tenants}, "https://login.example.com/72f988bf-86f1/v2.0", true},
		"rejects the issuer without a tenant":               {[]string{tenants}, "https://login.example.com//v2.0", false},
		"rejects a path in place of a tenant":               {[]string{tenants}, "https://login.example.com/a/b/v2.0", false},
		"rejects a query in place of a tenant":              {[]string{tenants}, "https://login.example.com/?/v2.0", false},
		"rejects the template itself":                       {[]string{tenants}, tenants, false},
		"rejects another version of a tenant's issuer":      {[]string{tenants}, "https://login.example.com/72f988bf/v1.0", false},
		"rejects an issuer where beginning and end overlap": {[]string{tenants}, "https://login.example.com/v2.0", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := provider{ResponseIssuers: c.known}
			if got := p.answersAs(c.iss); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
