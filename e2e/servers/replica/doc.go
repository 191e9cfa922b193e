// Package replica plays the authorization servers that cannot run on a machine of one's own: Auth0,
// Clerk, WorkOS, Supabase, Okta, Entra ID and Google. A replica is what is known of a provider,
// made into a server on loopback: its discovery documents and where they are, its key set, what it
// refuses, and tokens of the shape that the section test of the provider's spec has. It proves that
// latchkey, its specs and MCP clients agree with these facts. It does not prove the facts: a wrong
// one is wrong here too, in one place. The replicas of all other providers are made from their
// specs alone (see Generic).
package replica
