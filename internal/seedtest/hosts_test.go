package seedtest

import (
	"strings"
	"testing"
)

// TestHostsOfTenants refuses the usual mistakes, the tenant's name or the provider's API in place
// of its host, and leaves custom domains and servers on this machine alone.
func TestHostsOfTenants(t *testing.T) {
	t.Parallel()
	others := map[string]string{
		"MCP_USE_OAUTH_AUTH0_AUDIENCE": "https://mcp.example.com/mcp",
		"MCP_USE_OAUTH_OKTA_CLIENT_ID": "app", "MCP_USE_OAUTH_OKTA_CLIENT_SECRET": "test-secret-of-no-app-at-okta-0123456789",
	}
	for name, c := range map[string]struct {
		variable, message string
		mistakes, fine    []string
	}{
		"auth0": {
			"MCP_USE_OAUTH_AUTH0_DOMAIN",
			"Auth0 domain must be the whole domain, not the tenant's name alone, such as tenant.us.auth0.com",
			nil, []string{"acme-admin.auth0.com"},
		},
		"workos": {
			"MCP_USE_OAUTH_WORKOS_SUBDOMAIN",
			"WorkOS subdomain must be the whole host of the AuthKit domain, not its first part alone and not api.workos.com, such as my-company.authkit.app",
			[]string{"api.workos.com", "https://api.workos.com/", "API.WorkOS.com", "api.workos.com:443"},
			[]string{"api.workos.company.example", "api.acme.com"},
		},
		"okta": {
			"MCP_USE_OAUTH_OKTA_DOMAIN",
			"Okta domain must be the whole domain, not the organization's name alone, and without the -admin of the Admin Console, such as dev-123456.okta.com",
			[]string{
				"acme-admin.okta.com", "https://acme-admin.okta.com", "ACME-Admin.Okta.com", "dev-123456-admin.oktapreview.com",
				"acme-admin.okta-emea.com", "acme-admin.okta.com/admin/dashboard",
			},
			[]string{"acme.okta.com", "admin.okta.com", "administrators.okta.com", "sso-admin.acme.com"},
		},
	} {
		cases := map[string]string{
			"acme": c.message, "https://acme": c.message, "acme:8443": c.message, "localhosts": c.message, "acme/a.b": c.message,
			"login.acme.com": "", "https://login.acme.com/": "", "login.acme.com:8443": "", "127.0.0.1:8443": "",
			"localhost": "", "localhost:8443": "", "[::1]:8443": "",
			"login.acme.com/path": "must be a host without path", "http://login.acme.com": "must be a host reached by https",
		}
		for _, value := range c.mistakes {
			cases[value] = c.message
		}
		for _, value := range c.fine {
			cases[value] = ""
		}
		for value, want := range cases {
			t.Run(name+" with "+value, func(t *testing.T) {
				t.Parallel()
				variables := map[string]string{c.variable: value}
				for variable, set := range others {
					variables[variable] = set
				}
				_, err := provider(t, name).New(environment(variables))
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %v, want %q", err, want)
				}
			})
		}
	}
}
