// Package egress is the one outbound HTTP client: whatever this module fetches, it fetches through
// [NewClient].
//
// Key sets, metadata, introspection, user info, relayed requests and client metadata documents all
// name hosts that somebody else may have chosen, so the client is made for server-side request
// forgery first: it speaks HTTPS only, connects only to addresses of the public internet, and
// connects to the very address that it checked. Redirects, proxies, cookies and credentials in URLs
// are off; every phase has a time limit and every answer a size limit.
//
// [Policy] opens exactly what a caller needs, above all the hosts that the operator wrote into the
// configuration, which may be private. Use a client with [Policy.OperatorHosts] for the operator's
// URLs only, and one without for URLs that came from a client, a token or a fetched document: else
// those could name the operator's internal hosts.
//
// Errors are [*Error] values with a [Kind]. net/http wraps them together with the full URL, whose
// query may hold secrets: send requests with [Do], [Fetch] or [GetJSON], which keep the URL out, or
// pass an error through [AsError] before it is printed.
package egress
