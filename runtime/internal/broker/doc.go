// Package broker is proxy mode: an OAuth authorization server for MCP clients in front of an
// identity provider that knows one pre-registered application and nothing of dynamic clients.
//
// Clients register (RFC 7591) or name a client ID metadata document, send the user to us, and get
// codes and tokens from us; behind the scenes the user logs in at the provider, once they consented
// to the client. Our issuer is the resource URL of the mount, so that several mounts on one host
// never mix.
//
// The broker is stateless: registrations, logins, codes and tokens are sealed (package seal)
// and travel in what OAuth sends anyway. Every step may be answered by another replica, or after a
// restart. Only what cannot be sealed, one use, reuse and revocation, is kept in a [store.Store].
//
// This package has the endpoints: parameters in, answers out. Below them stand package clients (who
// asks), grants (what was given), tickets (the sealed formats), pages (what people see), params and
// refusal; [New] makes these rooms and connects them, and none of them knows an endpoint.
//
// The rules it follows are RFC 6749 and its successor OAuth 2.1, RFC 7591, 7636, 8252, 8414, 8707,
// 9207 and 9700, draft-ietf-oauth-client-id-metadata-document, and the authorization chapter of the
// Model Context Protocol with its security best practices.
package broker
