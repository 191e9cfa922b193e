// Package upstream is this server as a client of its provider: the authorization URL that a login
// leads to, token and revocation requests, how this server authenticates itself there, and what the
// answers mean.
package upstream
