package runtime

import (
	"errors"
	"net/http"

	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
)

// corsPolicy is what pages of the allowed origins may send to protected endpoints and read from
// them: the headers of MCP clients in browsers, and the challenge.
func corsPolicy(allowedOrigins, allowedHeaders []string) (cors.Policy, error) {
	origins, err := cors.ParseOrigins(allowedOrigins)
	further, headerErr := cors.ParseHeaders(allowedHeaders)
	return cors.Policy{
		Origins: origins,
		Methods: "GET, POST, PUT, PATCH, DELETE, OPTIONS",
		Headers: "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name",
		Expose:  "WWW-Authenticate, Mcp-Session-Id, Retry-After",
		Further: further,
	}, errors.Join(err, headerErr)
}

// Preflight answers a CORS preflight request and reports whether it was one. Browsers send those
// without credentials, so they are never refused with 401: an origin that is not allowed gets an
// answer without permission. For any other request it sets the headers that let an allowed origin
// read the answer.
func (g *Guard) Preflight(w http.ResponseWriter, r *http.Request) bool { return g.cors.Preflight(w, r) }
