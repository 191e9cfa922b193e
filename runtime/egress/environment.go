package egress

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// EnvironmentProxy returns the choice of proxy that the variables HTTPS_PROXY and NO_PROXY make, in
// upper or lower case, for [Policy.Proxy]; nil where no proxy is set. Hosts of this machine are
// never reached through it. lookupEnv is usually [os.LookupEnv]. The error names a variable that
// holds no proxy, which net/http would take for none.
func EnvironmentProxy(lookupEnv func(name string) (string, bool)) (func(*http.Request) (*url.URL, error), error) {
	lookup := func(name string) (value, variable string) {
		for _, variable := range []string{name, strings.ToLower(name)} {
			if value, ok := lookupEnv(variable); ok && value != "" {
				return value, variable
			}
		}
		return "", name
	}
	proxy, variable := lookup("HTTPS_PROXY")
	if proxy == "" {
		return nil, nil //nolint:nilnil // no proxy is no error
	}
	if !isProxy(proxy) {
		return nil, fmt.Errorf("%s must be the URL of a proxy, such as http://proxy.example.com:3128", variable)
	}
	except, _ := lookup("NO_PROXY")
	choose := (&httpproxy.Config{HTTPSProxy: proxy, NoProxy: except}).ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }, nil
}

// isProxy reports whether a text names a proxy of a kind that net/http speaks. Without a scheme it
// is an http proxy.
func isProxy(text string) bool {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	return err == nil && u.Hostname() != "" && slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme)
}

// ReadCAFile returns the system's certificate authorities together with those of a PEM file, for
// [Policy.RootCAs]. A file without a certificate, or with one that cannot be read, is an error.
func ReadCAFile(name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's certificate authorities: %w", err)
	}
	found := 0
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d cannot be read: %w", name, found+1, err)
		}
		pool.AddCert(certificate)
		found++
	}
	if found == 0 {
		return nil, errors.New(name + " has no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
	}
	return pool, nil
}
