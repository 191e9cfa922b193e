package seedtest

import (
	"strings"
	"testing"
)

// TestHostsOfTenants refuses the usual mistake, the tenant's name in place of its host, and leaves custom domains and servers
// on this machine alone.
func TestHostsOfTenants(t *testing.T) {
	t.Parallel()
	others := map[string]string{
		"MCP_USE_OAUTH_AUTH0_AUDIENCE": "https://mcp.example.com/mcp",
		"MCP_USE_OAUTH_OKTA_CLIENT_ID": "app", "MCP_USE_OAUTH_OKTA_CLIENT_SECRET": "test-secret-of-no-app-at-okta-0123456789",
	}
	for name, c := range map[string]struct{ variable, message string }{
		"auth0": {
			"MCP_USE_OAUTH_AUTH0_DOMAIN",
			"Auth0 domain must be the whole domain, not the tenant's name alone, such as tenant.us.auth0.com",
		},
		"workos": {
			"MCP_USE_OAUTH_WORKOS_SUBDOMAIN",
			"WorkOS subdomain must be the whole host, not its first part alone, such as my-company.authkit.app",
		},
		"okta": {
			"MCP_USE_OAUTH_OKTA_DOMAIN",
			"Okta domain must be the whole domain, not the organization's name alone, such as dev-123456.okta.com",
		},
	} {
		for value, want := range map[string]string{
			"acme": c.message, "https://acme": c.message, "acme:8443": c.message, "localhosts": c.message, "acme/a.b": c.message,
			"login.acme.com": "", "https://login.acme.com/": "", "login.acme.com:8443": "", "127.0.0.1:8443": "",
			"localhost": "", "localhost:8443": "", "[::1]:8443": "",
			"login.acme.com/path": "must be a host without path", "http://login.acme.com": "must be a host reached by https",
		} {
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
