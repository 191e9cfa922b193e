package emulate

import (
	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// oktaUser is the user's identifier at Okta, where the configuration may say it.
const oktaUser = "00uadalovelace"

// Service is one of the emulated services, and how latchkey is put in front of it.
type Service struct {
	// name is the emulator's, applications what its configuration calls the registered
	// applications.
	name, applications string
	// authorize, token and userinfo are its paths.
	authorize, token, userinfo string
	// revoke is the path that takes tokens; empty is GitHub's page where users take back what they
	// allowed.
	revoke string
	scope  string // of a login of our own
	// noEmail tells that what latchkey asks about tokens does not name the user's mail address.
	noEmail bool
	// issuer is what callers are said to come from. Where there is none, the emulator's metadata at
	// discovery says it.
	issuer, discovery string
	command           func(s *Server, addr string) []string
	// variables are those of the application's id and secret. Without the first, the id is on the
	// command line.
	variables [2]string
}

// Custom reports whether the server in front of the service is cmd/customserver, not the latchkey
// command line.
func (s Service) Custom() bool { return s.variables[0] == "" }

// SecretVariable is the variable of the server in front of the service that holds the application's
// secret.
func (s Service) SecretVariable() string { return s.variables[1] }

// Google is reached by the provider google. The emulator has no tokeninfo: see the gateway.
func Google() Service {
	return Service{ //nolint:gosec // names of variables, no credentials
		name: "google", applications: "oauth_clients",
		authorize: "/o/oauth2/v2/auth", token: "/oauth2/token", userinfo: "/oauth2/v2/userinfo",
		revoke: "/oauth2/revoke", scope: "openid email profile", issuer: "https://accounts.google.com",
		command: func(s *Server, addr string) []string {
			return harness.Serve("google", addr,
				"--endpoint", "authorization="+s.origin+s.service.authorize,
				"--endpoint", "token="+s.gateway.endpoint("/token"),
				"--endpoint", "userinfo="+s.gateway.endpoint("/userinfo"),
				"--endpoint", "tokeninfo="+s.gateway.endpoint("/tokeninfo"),
				"--endpoint", "revocation="+s.origin+s.service.revoke,
			)
		},
		variables: [2]string{"MCP_USE_OAUTH_GOOGLE_CLIENT_ID", "MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET"},
	}
}

// GitHub is reached by the provider github. The emulator knows neither the check nor the deletion
// of a token: see the gateway. It ignores PKCE, answers errors with status 200 and gives no refresh
// tokens, as GitHub does for OAuth Apps.
func GitHub() Service {
	return Service{ //nolint:gosec // names of variables, no credentials
		name: "github", applications: "oauth_apps",
		authorize: "/login/oauth/authorize", token: "/login/oauth/access_token", userinfo: "/user",
		scope: "read:user user:email", issuer: "https://github.com/login/oauth",
		command: func(s *Server, addr string) []string {
			application := s.gateway.endpoint("/applications/" + s.application.ID + "/token")
			return harness.Serve("github", addr,
				"--endpoint", "authorization="+s.origin+s.service.authorize,
				"--endpoint", "token="+s.gateway.endpoint("/token"),
				"--endpoint", "userinfo="+s.gateway.endpoint("/userinfo"),
				"--endpoint", "tokeninfo="+application,
				"--endpoint", "revocation="+application,
			)
		},
		variables: [2]string{"MCP_USE_OAUTH_GITHUB_CLIENT_ID", "MCP_USE_OAUTH_GITHUB_CLIENT_SECRET"},
	}
}

// Okta is reached by the generic provider of proxy mode, in cmd/customserver: the access tokens of
// a custom authorization server of Okta are JWTs, which the provider okta insists on, and the
// emulator's are opaque. It has introspection, which names the application.
func Okta() Service {
	return Service{ //nolint:gosec // names of variables, no credentials
		name: "okta", applications: "oauth_clients",
		authorize: "/oauth2/default/v1/authorize", token: "/oauth2/default/v1/token", userinfo: "/oauth2/default/v1/userinfo",
		revoke: "/oauth2/default/v1/revoke", scope: "openid email profile", discovery: "/oauth2/default/.well-known/openid-configuration",
		noEmail: true,
		command: func(s *Server, addr string) []string {
			return s.custom(addr, "-introspection", s.origin+"/oauth2/default/v1/introspect",
				"-revocation", s.origin+s.service.revoke)
		},
		variables: [2]string{"", customSecret},
	}
}

// Microsoft is reached by the generic provider of proxy mode, in cmd/customserver: Entra ID's
// access tokens for an API of one's own are JWTs, which the provider entra insists on, and the
// emulator's are opaque. There is nothing to ask but userinfo, which names no application: only
// tokens that latchkey got itself are good.
func Microsoft() Service {
	return Service{ //nolint:gosec // names of variables, no credentials
		name: "microsoft", applications: "oauth_clients",
		authorize: "/oauth2/v2.0/authorize", token: "/oauth2/v2.0/token", userinfo: "/oidc/userinfo",
		revoke: "/oauth2/v2.0/revoke", scope: "openid email profile", discovery: "/.well-known/openid-configuration",
		command: func(s *Server, addr string) []string {
			return s.custom(addr, "-userinfo", s.gateway.endpoint("/userinfo"), "-revocation", s.origin+s.service.revoke)
		},
		variables: [2]string{"", customSecret},
	}
}

// custom is the command line of cmd/customserver in proxy mode.
func (s *Server) custom(addr string, further ...string) []string {
	return append([]string{
		"-addr", addr, "-public-url", "http://" + addr, "-path", "/mcp", "-issuer", s.issuer,
		"-authorize", s.origin + s.service.authorize, "-token", s.gateway.endpoint("/token"), "-client-id", s.application.ID,
	}, further...)
}

// customSecret is the variable of cmd/customserver.
const customSecret = "CUSTOMSERVER_CLIENT_SECRET"
