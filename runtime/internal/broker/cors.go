package broker

import "github.com/latchkey-auth/latchkey/runtime/internal/cors"

// corsPolicy is what pages of the allowed origins may send to the endpoints that scripts call.
// Cookies play no part in those.
func corsPolicy(allowedOrigins []string) (cors.Policy, error) {
	origins, err := cors.ParseOrigins(allowedOrigins)
	return cors.Policy{
		Origins: origins,
		Methods: "POST, OPTIONS",
		Headers: "Authorization, Content-Type, Accept, MCP-Protocol-Version",
		Expose:  "WWW-Authenticate, Retry-After",
	}, err
}
