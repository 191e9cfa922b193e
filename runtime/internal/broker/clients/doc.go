// Package clients knows the clients of the broker: those that registered (RFC 7591), and those that
// are described by a client metadata document (draft-ietf-oauth-client-id-metadata-document); where
// they may be redirected to, and how they say who they are at the token endpoint.
package clients
