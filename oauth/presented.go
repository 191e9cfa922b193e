package oauth

import (
	"crypto/x509"
	"fmt"
	"log/slog"
)

// SchemeBearer is the authentication scheme of bearer tokens (RFC 6750 section 2.1).
const SchemeBearer = "Bearer"

// Presented is an access token as it is presented to a protected resource, with what else of the
// request a proof may be bound to. Only Token and Resource are always set.
type Presented struct {
	// Token is the access token.
	Token Secret
	// Scheme is the authentication scheme that it came with. Empty means [SchemeBearer].
	Scheme string
	// Resource is the canonical URL of the protected resource, such as https://mcp.example.com/mcp.
	Resource string

	// Method is the method of the request. It is empty where the token did not come with a request.
	Method string
	// URL is the URL of the request without query: scheme and host of the resource as they are
	// configured, and the path that was asked for. Nothing in it comes from Host or forwarded
	// headers.
	URL string
	// Proof is the DPoP header field (RFC 9449 section 4.1). It is empty where there is none, and
	// where there are several, which section 4.3 forbids.
	Proof string
	// Certificate is the client's certificate of a TLS connection that ends here (RFC 8705), nil
	// where there is none.
	Certificate *x509.Certificate
}

var (
	_ fmt.Formatter  = Presented{}
	_ slog.LogValuer = Presented{}
)

// Format prints the resource alone, whatever the verb: the rest is credentials.
func (p Presented) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "token for %s", p.Resource)
}

// LogValue logs what Format prints.
func (p Presented) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }
