// Package devidp is an identity provider for development and tests: a real OAuth 2.1 and OpenID
// Connect authorization server whose users need no password. Anybody can be anybody, so it only
// ever serves this machine: issuer and listener must be loopback, and a request with a foreign Host
// or Origin header is refused.
//
// In a test, [Start] gives a running one:
//
//	idp := devidp.Start(t)
//	token := idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{resource}, Scope: "tools:read"})
//
// For longer, [New] gives an http.Handler, and [Server.ListenAndServe] runs it. [Login] plays the
// user of either.
//
// It implements authorization codes with PKCE (RFC 7636), Dynamic Client Registration (RFC 7591),
// Client ID Metadata Documents, rotating refresh tokens, resource indicators (RFC 8707), JWT access
// tokens (RFC 9068) and opaque ones, introspection (RFC 7662), revocation (RFC 7009), metadata (RFC
// 8414, OpenID Connect Discovery) and issuer identification (RFC 9207). [Faults] makes it misbehave
// on purpose.
//
// All state is in memory, bounded, and gone when the process ends. Never put it in production.
package devidp
