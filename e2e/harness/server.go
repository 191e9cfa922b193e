package harness

import "context"

// Server is an authorization server that another project wrote, running, with one user in it.
type Server interface {
	// Issuer is its issuer identifier, as its metadata spells it.
	Issuer() string
	// UserID is the subject of the tokens that its user gets.
	UserID() string
	// Login plays the user's browser from the authorization request to the redirect back to the
	// client, which it returns without following it.
	Login(ctx context.Context, authorizeURL string) (string, error)
	// Command is latchkey's command line for a resource server that listens on addr and trusts this
	// server, and Environment what configures its provider.
	Command(addr string) []string
	Environment() []string
	// Log is what the server has logged so far.
	Log() string
	// Stop ends it. It may be called twice.
	Stop()
}

// Serve is the command line of `latchkey serve` for a provider, at the path and with the public URL
// that all tests use.
func Serve(provider, addr string, further ...string) []string {
	return append([]string{
		"serve", "--provider", provider, "--addr", addr, "--public-url", "http://" + addr, "--path", "/mcp",
		"--drain", "0s", // no load balancer looks at it
	}, further...)
}

// EmailOf is the mail address that callers of a server's user have: empty for most, whose access
// tokens name none.
func EmailOf(server Server) string {
	named, ok := server.(interface{ Email() string })
	if !ok {
		return ""
	}
	return named.Email()
}

// ClientAuthOf is how clients must register to authenticate at a server (RFC 7591's
// token_endpoint_auth_method): not at all, but for the few that serve no public clients.
func ClientAuthOf(server Server) string {
	strict, ok := server.(interface{ ClientAuth() string })
	if !ok {
		return "none"
	}
	return strict.ClientAuth()
}

// NamesNoClient reports whether a server is one of the few whose access tokens do not say which
// client they were issued to.
func NamesNoClient(server Server) bool {
	silent, ok := server.(interface{ NamesNoClient() bool })
	return ok && silent.NamesNoClient()
}
