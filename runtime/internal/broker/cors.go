package broker

import (
	"errors"

	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
)

// corsPolicy is what pages of the allowed origins may send to the endpoints that scripts call.
// Cookies play no part in those.
func corsPolicy(allowedOrigins, allowedHeaders []string) (cors.Policy, error) {
	origins, err := cors.ParseOrigins(allowedOrigins)
	further, headerErr := cors.ParseHeaders(allowedHeaders)
	return cors.Policy{
		Origins: origins,
		Methods: "POST, OPTIONS",
		Headers: "Authorization, Content-Type, Accept, MCP-Protocol-Version",
		Expose:  "WWW-Authenticate, Retry-After",
		Further: further,
	}, errors.Join(err, headerErr)
}
