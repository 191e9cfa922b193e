package emulate

import (
	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// oktaUser is the user's identifier at Okta, where the configuration may say it.
const oktaUser = "00uadalovelace"

// Service is one of the emulated services, and how latchkey is put in front of it.
type Service struct {
	// name is the emulator's, applications what its configuration calls the registered applications.
	name, applications string
	// authorize, token and userinfo are its paths.
	authorize, token, userinfo string
	scope                      string // of a login of our own
	issuer                     func(*Server) string
	command                    func(s *Server, addr string) []string
	environment                func(*Server) []string
}

// Google is reached by the provider google. The emulator has no tokeninfo: see the gateway.
func Google() Service {
	return Service{
		name: "google", applications: "oauth_clients",
		authorize: "/o/oauth2/v2/auth", token: "/oauth2/token", userinfo: "/oauth2/v2/userinfo",
		scope:  "openid email profile",
		issuer: func(*Server) string { return "https://accounts.google.com" },
		command: func(s *Server, addr string) []string {
			return harness.Serve("google", addr,
				"--endpoint", "authorization="+s.origin+s.service.authorize,
				"--endpoint", "token="+s.gateway.endpoint("/token"),
				"--endpoint", "userinfo="+s.gateway.endpoint("/userinfo"),
				"--endpoint", "tokeninfo="+s.gateway.endpoint("/tokeninfo"),
				"--endpoint", "revocation="+s.origin+"/oauth2/revoke",
			)
		},
		environment: func(s *Server) []string {
			return []string{
				"MCP_USE_OAUTH_GOOGLE_CLIENT_ID=" + s.application.ID,
				"MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET=" + s.application.Secret,
			}
		},
	}
}

// GitHub is reached by the provider github. The emulator knows neither the check nor the deletion of a token: see the
// gateway. It ignores PKCE, answers errors with status 200 and gives no refresh tokens, as GitHub does for OAuth Apps.
func GitHub() Service {
	return Service{
		name: "github", applications: "oauth_apps",
		authorize: "/login/oauth/authorize", token: "/login/oauth/access_token", userinfo: "/user",
		scope:  "read:user user:email",
		issuer: func(*Server) string { return "https://github.com/login/oauth" },
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
		environment: func(s *Server) []string {
			return []string{
				"MCP_USE_OAUTH_GITHUB_CLIENT_ID=" + s.application.ID,
				"MCP_USE_OAUTH_GITHUB_CLIENT_SECRET=" + s.application.Secret,
			}
		},
	}
}
