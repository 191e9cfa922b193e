package harness

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

// Certified is a [Server] that is reached by https, with a certificate of an authority that was
// made for the test.
type Certified interface {
	Server
	// Authority is the path of the authority's certificate, in PEM. It is empty where the server is
	// reached by http.
	Authority() string
}

// Trusting is the environment in which a program of any language trusts a server. It is empty for a
// server without https.
func Trusting(server Server) []string {
	authority := authorityOf(server)
	if authority == "" {
		return nil
	}
	return []string{
		"NODE_EXTRA_CA_CERTS=" + authority, // Node.js
		"SSL_CERT_FILE=" + authority,       // Go and Python
		"REQUESTS_CA_BUNDLE=" + authority,  // Python's requests
	}
}

func authorityOf(server Server) string {
	if certified, ok := server.(Certified); ok {
		return certified.Authority()
	}
	return ""
}

// trustingTransport is for the test's own requests to a server.
func trustingTransport(server Server) (http.RoundTripper, error) {
	authority := authorityOf(server)
	if authority == "" {
		return http.DefaultTransport, nil
	}
	certificate, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		return nil, fmt.Errorf("%s holds no certificate", authority)
	}
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true, // nobody closes it
	}, nil
}

// NewBrowserFor returns a browser without any cookie that trusts a server's certificate.
func NewBrowserFor(server Server) (*Browser, error) {
	transport, err := trustingTransport(server)
	if err != nil {
		return nil, err
	}
	return NewBrowserOver(transport), nil
}

// NewBrowserOver returns a browser without any cookie whose requests go over a transport.
func NewBrowserOver(transport http.RoundTripper) *Browser {
	browser := NewBrowser()
	browser.client.Transport = transport
	return browser
}
