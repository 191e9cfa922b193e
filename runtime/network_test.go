package runtime_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// company is a network as companies have it: the way out is a proxy, and the identity provider
// behind it has a certificate of the company's own authority.
type company struct {
	// proxy is the proxy's URL, caFile the authority's certificate.
	proxy, caFile string
	authority     *x509.CertPool
	key           *jose.SigningKey

	mu    sync.Mutex
	asked []string
}

// idpHost is a name that only the proxy can resolve: .invalid never exists (RFC 6761 section 6.4).
const idpHost = "idp.invalid"

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{authority: x509.NewCertPool()}
	var err error
	if c.key, err = jose.GenerateKey(jose.ES256, "k"); err != nil {
		t.Fatal(err)
	}
	set, err := jose.PublicSet(c.key)
	if err != nil {
		t.Fatal(err)
	}
	idp := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set)
	}))
	idp.TLS = &tls.Config{Certificates: []tls.Certificate{c.certify(t)}}
	idp.Config.ErrorLog = log.New(io.Discard, "", 0)
	idp.StartTLS()
	t.Cleanup(idp.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.tunnel(w, r, idp.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)
	c.proxy = proxy.URL
	return c
}

// certify returns a certificate of the provider's by the company's authority, which it writes to a
// file.
func (c *company) certify(t *testing.T) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Company authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	issue := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	authority, authorityKey := issue(template, template, nil)
	parsed, err := x509.ParseCertificate(authority)
	if err != nil {
		t.Fatal(err)
	}
	c.authority.AddCert(parsed)
	c.caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority}), 0o600); err != nil {
		t.Fatal(err)
	}
	der, key := issue(&x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{idpHost}, NotBefore: template.NotBefore, NotAfter: template.NotAfter,
	}, parsed, authorityKey)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// tunnel is the proxy: it connects the requests for all hosts to the provider.
func (c *company) tunnel(w http.ResponseWriter, r *http.Request, idp string) {
	c.mu.Lock()
	c.asked = append(c.asked, r.Method+" "+r.Host)
	c.mu.Unlock()
	upstream, err := net.Dial("tcp", idp)
	if err != nil || r.Method != http.MethodConnect {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	conn, buffered, _ := w.(http.Hijacker).Hijack()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(upstream, buffered); _ = upstream.Close() }()
	_, _ = io.Copy(conn, upstream)
	_ = conn.Close()
}

func (c *company) requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

func (c *company) variables() runtime.Option {
	return runtime.WithLookupEnv(func(name string) (string, bool) {
		value, ok := map[string]string{"HTTPS_PROXY": c.proxy, "NO_PROXY": "other.invalid"}[name]
		return value, ok
	})
}

func (c *company) token(t *testing.T) string {
	t.Helper()
	token, err := c.key.Sign(nil, fmt.Appendf(nil, `{"iss":"https://`+idpHost+`","sub":"alice","exp":4102444800,"aud":%q}`, resource))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// covers: R6
func TestProvidersAreReachedThroughACompanysNetwork(t *testing.T) {
	t.Parallel()
	quiet := runtime.WithLogger(slog.New(slog.DiscardHandler))
	byOperator := func(in *runtime.Inputs) string {
		return in.URL("https://"+idpHost+"/keys", runtime.Field{Name: "keys"})
	}
	bySpec := func(*runtime.Inputs) string { return "https://" + idpHost + "/keys" }
	for name, c := range map[string]struct {
		jwks    func(*runtime.Inputs) string
		options func(*company) []runtime.Option
		reached bool
	}{
		"R6: a host of the operator":         {byOperator, func(c *company) []runtime.Option { return []runtime.Option{runtime.WithCAFile(c.caFile)} }, true},
		"R6: a host of the spec":             {bySpec, func(c *company) []runtime.Option { return []runtime.Option{runtime.WithCAFile(c.caFile)} }, true},
		"R6: a pool of authorities":          {bySpec, func(c *company) []runtime.Option { return []runtime.Option{runtime.WithRootCAs(c.authority)} }, true},
		"R6: an authority that nobody named": {bySpec, func(*company) []runtime.Option { return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := newCompany(t)
			in := runtime.NewInputs("Example", append(c.options(network), quiet, network.variables())...)
			p, err := runtime.New(in, runtime.Definition{
				Name: "example", Issuer: "https://" + idpHost, Endpoints: oauth.Endpoints{JWKS: c.jwks(in)},
				Tokens: facts.Rules{Algorithms: []string{"ES256"}, Audience: facts.Audience{OrResource: true}},
			})
			if err != nil {
				t.Fatal(err)
			}
			info, err := p.Verify(t.Context(), presented(network.token(t)))
			if c.reached != (err == nil && info.Subject == "alice") || !c.reached && !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
				t.Errorf("got %v", err)
			}
			if got := network.requests(); !slices.Equal(got, []string{"CONNECT " + idpHost + ":443"}) {
				t.Errorf("the proxy was asked for %q", got)
			}
		})
	}
}

// covers: R6
func TestMistakesInTheNetworkAreFoundAtTheStart(t *testing.T) {
	t.Parallel()
	noCertificate := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(noCertificate, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := func(text string) runtime.Option {
		return runtime.WithLookupEnv(func(name string) (string, bool) { return text, name == "https_proxy" })
	}
	for name, c := range map[string]struct {
		options []runtime.Option
		want    string
	}{
		"R6: a file that is not there":        {[]runtime.Option{runtime.WithCAFile("/nonexistent/ca.pem")}, "no such file"},
		"R6: a file without certificate":      {[]runtime.Option{runtime.WithCAFile(noCertificate)}, "has no certificate in PEM form"},
		"R6: a proxy that is none":            {[]runtime.Option{proxy("ftp://secret@proxy.invalid")}, "https_proxy must be the URL of a proxy"},
		"R6: a proxy that cannot be read":     {[]runtime.Option{proxy("http://[proxy")}, "https_proxy must be the URL of a proxy"},
		"R6: but not where it does not count": {[]runtime.Option{proxy("ftp://proxy.invalid"), runtime.WithoutEnvironmentProxy()}, ""},
		"R18: a host that is none":            {[]runtime.Option{runtime.InsecureHTTPHost("http://keycloak/x")}, "must be host or host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := append(c.options, runtime.WithLogger(slog.New(slog.DiscardHandler)))
			_, err := runtime.JWKSVerifier(runtime.JWKSConfig{JWKSURL: "https://idp.invalid/keys", Issuer: "https://idp.invalid"}, options...)
			switch {
			case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("the error shows the proxy's password: %v", err)
			}
		})
	}
}

// covers: R18
func TestPlainHTTPReachesTheHostsThatAreNamedForIt(t *testing.T) {
	t.Parallel()
	config := runtime.IntrospectionConfig{
		URL: "http://keycloak:8080/introspect", Credentials: facts.Credentials{ClientID: "c", ClientSecret: "s"}, Issuer: "https://idp.invalid",
	}
	for name, c := range map[string]struct {
		hosts []string
		want  string
	}{
		"R18: none":                 {nil, "must use https"},
		"R18: another":              {[]string{"idp"}, "must use https"},
		"R18: the host":             {[]string{"idp", "keycloak"}, ""},
		"R18: the host at its port": {[]string{"keycloak:8080"}, ""},
		"R18: at another port":      {[]string{"keycloak:80"}, "must use https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var logged lines
			options := []runtime.Option{runtime.WithLogger(slog.New(slog.NewTextHandler(&logged, nil)))}
			for _, host := range c.hosts {
				options = append(options, runtime.InsecureHTTPHost(host))
			}
			_, err := runtime.IntrospectionVerifier(config, options...)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err == nil && strings.Count(logged.String(), "level=WARN") != len(c.hosts) {
				t.Errorf("the log is %q", logged.String())
			}
		})
	}
}
