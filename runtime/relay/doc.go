// Package relay lets browser MCP clients log in although CORS stops them: it fetches an MCP
// server's OAuth metadata and forwards registration, token, revocation and introspection requests
// on their behalf.
//
// A relay that forwards anything anywhere is an open door into the network that it runs in. This
// one is told, with every request, which MCP server the browser wants to use, finds out for itself
// what authorization server and endpoints that MCP server's own metadata names (RFC 9728, RFC
// 8414), and reaches those alone, through the checks of package egress.
//
// The routes and shapes are those of mcp-use's mountOAuthProxy.
package relay
