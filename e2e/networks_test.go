package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/emulate"
	"github.com/latchkey-auth/latchkey/oauth"
)

// layout is one of docs/networks.md: a configuration of nginx, and the flags of `latchkey serve`
// behind it.
type layout struct {
	name, servers string
	flags         []string
}

// publicHost is the host of all layouts.
const publicHost = "mcp.example.com"

// layouts reads the page.
func layouts(t *testing.T) []layout {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(filepath.Dir(suite.root), "docs", "networks.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all []layout
	pattern := regexp.MustCompile("(?s)<!-- layout: ([a-z ]+) -->\n```nginx\n(.*?)```\n\n```sh\n(.*?)```\n")
	for _, found := range pattern.FindAllStringSubmatch(string(page), -1) {
		flags, is := strings.CutPrefix(strings.ReplaceAll(found[3], "\\\n", ""), "latchkey serve --provider google ")
		if !is {
			t.Fatalf("%s: the command is %s", found[1], found[3])
		}
		all = append(all, layout{name: found[1], servers: found[2], flags: strings.Fields(flags)})
	}
	if len(all) != 4 || strings.Count(string(page), "```nginx") != 4 {
		t.Fatalf("the page has %d layouts that can be run", len(all))
	}
	return all
}

// flag is the value of a flag, empty without it.
func (l layout) flag(name string) string {
	if i := slices.Index(l.flags, name); i >= 0 {
		return l.flags[i+1]
	}
	return ""
}

// resource is what clients are told.
func (l layout) resource() string {
	return l.flag("--public-url") + l.flag("--external-prefix") + "/mcp"
}

// TestNetworkLayouts goes through each layout of the page as it stands there: ports and paths of
// certificates are all that is replaced.
// covers: R9
func TestNetworkLayouts(t *testing.T) {
	t.Parallel()
	nginx := needed(t, "E2E_NGINX", "nginx is not installed")
	for _, l := range layouts(t) {
		t.Run(l.name+"/proxy", func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			google := newEmulate(ctx, t, emulate.Google(), l.resource())
			transport := l.start(ctx, t, nginx, google.Command, google.Environment())
			c := discover(ctx, t, transport, l.resource())
			if c.issuer != l.resource() {
				t.Fatalf("the authorization server is %s", c.issuer)
			}
			c.findServer(ctx)
			c.register(ctx, "Networks", loginRedirect)
			attempt := c.request("", nil)
			redirect, err := harness.NewBrowserOver(transport).Walk(ctx, attempt.url, harness.Allow, emulate.Pick)
			if err != nil {
				t.Fatal(err)
			}
			code, refused := c.code(attempt, redirect)
			if refused != "" {
				t.Fatalf("the login ends with %s", refused)
			}
			tokens := c.refresh(ctx, c.redeem(ctx, attempt, code).RefreshToken)
			status, _, body := c.ask(ctx, http.MethodPost, c.resource, tokens.AccessToken,
				`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`)
			if status != http.StatusOK || !strings.Contains(body, google.UserID()) {
				t.Errorf("the tool answers %d %s", status, body)
			}
		})
		t.Run(l.name+"/direct", func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			keycloak := func(addr string) []string { return []string{"serve", "--provider", "keycloak", "--addr", addr} }
			transport := l.start(ctx, t, nginx, keycloak, []string{
				"MCP_USE_OAUTH_KEYCLOAK_SERVER_URL=http://127.0.0.1:1", "MCP_USE_OAUTH_KEYCLOAK_REALM=mcp",
			})
			if c := discover(ctx, t, transport, l.resource()); c.issuer != "http://127.0.0.1:1/realms/mcp" {
				t.Errorf("the authorization server is %s", c.issuer)
			}
		})
	}
}

// start starts the server and nginx in front of it, and returns a transport for which the public
// host is there.
func (l layout) start(ctx context.Context, t *testing.T, nginx string, command func(addr string) []string, env []string) http.RoundTripper {
	t.Helper()
	dir := logDir(t)
	local := func() string { return fmt.Sprintf("127.0.0.1:%d", port(ctx, t)) }
	front, server := local(), local()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	here := strings.NewReplacer(
		"listen 443", "listen "+front, "/etc/ssl/"+publicHost, dir, "127.0.0.1:8080", server, "127.0.0.1:15006", local(),
		"127.0.0.1:3000", other.Listener.Addr().String(),
	)
	flags := make([]string, len(l.flags))
	for i, flag := range l.flags {
		flags[i] = here.Replace(flag)
	}
	serve, err := harness.Start(ctx, harness.Command{
		Name: "serve", LogDir: dir, Path: suite.binary, Args: append(command(server), flags...), Env: env,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serve.Stop)
	if err := serve.WaitReady(ctx, "http://"+server+"/healthz"); err != nil {
		t.Fatal(err)
	}
	authorities := writeCertificate(t, dir, publicHost)
	proxy, err := harness.StartNginx(ctx, nginx, dir, here.Replace(l.servers), front)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == publicHost+":443" {
				address = front
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// discover starts where MCP clients start: at the challenge, which leads to the metadata of the
// resource.
func discover(ctx context.Context, t *testing.T, transport http.RoundTripper, resource string) *stepClient {
	t.Helper()
	c := &stepClient{t: t, http: &http.Client{Transport: transport, Timeout: time.Minute}, resource: resource}
	status, header, _ := c.ask(ctx, http.MethodPost, resource, "", `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	challenges := oauth.ParseChallenges(header.Values("WWW-Authenticate"))
	if status != http.StatusUnauthorized || len(challenges) != 1 {
		t.Fatalf("without a token: %d, %d challenges", status, len(challenges))
	}
	var about oauth.ProtectedResourceMetadata
	c.read(ctx, challenges[0].ResourceMetadata, &about)
	if about.Resource != resource || len(about.AuthorizationServers) != 1 {
		t.Fatalf("the metadata at %s is about %s", challenges[0].ResourceMetadata, about.Resource)
	}
	c.issuer = about.AuthorizationServers[0]
	return c
}

// findServer looks for the metadata of the authorization server in all places where clients do.
func (c *stepClient) findServer(ctx context.Context) {
	c.t.Helper()
	var found oauth.AuthorizationServerMetadata
	for _, address := range oauth.AuthorizationServerMetadataURLs(c.issuer) {
		if status := c.send(ctx, http.MethodGet, address, "", "", "", &found); status == http.StatusOK {
			break
		}
	}
	if found.Issuer != c.issuer {
		c.t.Fatalf("the metadata of %s is that of %q", c.issuer, found.Issuer)
	}
	c.authorization, c.token = found.AuthorizationEndpoint, found.TokenEndpoint
	c.registration, c.revocation = found.RegistrationEndpoint, found.RevocationEndpoint
}

// ask sends an MCP request.
func (c *stepClient) ask(ctx context.Context, method, address, token, body string) (int, http.Header, string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// writeCertificate writes cert.pem and key.pem for a host, and returns who vouches for it: nobody
// else.
func writeCertificate(t *testing.T, dir, host string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, text := range map[string][]byte{
		"cert.pem": certificate, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(certificate)
	return authorities
}
