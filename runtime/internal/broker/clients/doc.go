// Package clients is who asks the broker for something: clients that registered (RFC 7591), clients that are described by a client
// metadata document (draft-ietf-oauth-client-id-metadata-document), where they may be redirected to, and how they say who they
// are at the token endpoint.
package clients
