package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/emulate"
)

const (
	// ownNetwork is the variable that is set in the network of a test's own. Its value is the
	// command line to test.
	ownNetwork = "E2E_OWN_NETWORK"
	// publicAddress is one that no rule for strangers' addresses refuses, and documentHost who is
	// there.
	publicAddress, documentHost = "93.184.215.14", "client.example"
)

// TestClientDocuments starts itself again in a network of its own, which has a loopback device and
// nothing else, with a hosts file of its own. There the test is the internet: the code under test
// has its real rules for strangers' addresses, and nothing leaves the machine.
// covers: R26, R27
func TestClientDocuments(t *testing.T) {
	if os.Getenv(ownNetwork) != "" {
		t.Run("R27: clients with a document log in", logInWithDocuments)
		t.Run("R26: without a network registered clients log in", logInWithoutNetwork)
		return
	}
	t.Parallel()
	ctx := testContext(t)
	if output, err := exec.CommandContext(ctx, "unshare", "-n", "-m", "sh", "-c", "ip link set lo up && mount --version").CombinedOutput(); err != nil {
		const needs = "network and mount namespaces are needed: Linux, root, and the programs unshare, ip and mount"
		if os.Getenv("CI") != "" {
			t.Fatalf("%s; CI skips no test (%v %s)", needs, err, output)
		}
		t.Skipf("%s (%v %s)", needs, err, output)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hosts := filepath.Join(logDir(t), "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n"+publicAddress+" "+documentHost+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const enter = `ip link set lo up && ip addr add "$1/32" dev lo && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"`
	inside := exec.CommandContext(ctx, "unshare", "-n", "-m", "sh", "-c", enter, "sh", publicAddress, hosts,
		self, "-test.v", "-test.count=1", "-test.run=^"+t.Name()+"$")
	inside.Env = append(os.Environ(), ownNetwork+"="+suite.binary)
	output, err := inside.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Fatalf("in a network of its own: %v\n%s", err, output)
	}
	t.Logf("in a network of its own:\n%s", output)
}

// logInWithDocuments logs in clients that describe themselves as Codex does, once for all servers
// and once for each, and as a web site does. Loopback redirects may have any port (RFC 8252 section
// 7.3), but for the path.
func logInWithDocuments(t *testing.T) {
	ctx := testContext(t)
	documents := map[string]string{
		"/oauth/codex/client.json":      "http://127.0.0.1/callback",
		"/oauth/codex/AbC1/client.json": "http://127.0.0.1:1455/callback/AbC1",
		"/oauth/client.json":            "https://" + documentHost + "/callback",
	}
	authority, fetches := serveDocuments(t, documents)
	c, _ := startBehindGoogle(ctx, t, authority)
	for path, redirect := range map[string]string{
		"/oauth/codex/client.json":      loginRedirect,
		"/oauth/codex/AbC1/client.json": "http://127.0.0.1:33418/callback/AbC1",
		"/oauth/client.json":            documents["/oauth/client.json"],
	} {
		c.id, c.redirect = "https://"+documentHost+path, redirect+"/elsewhere"
		page, err := harness.NewBrowser().Visit(ctx, c.request("", nil).url, nil)
		if err != nil || page.Status != http.StatusBadRequest {
			t.Fatalf("%s with another redirect URI: %v %v", path, page, err)
		}
		c.redirect = redirect
		logInBehindGoogle(ctx, c)
	}
	if n := fetches.Load(); n != int64(len(documents)) {
		t.Errorf("%d fetches of %d documents", n, len(documents))
	}
}

// logInWithoutNetwork shows what is left where nothing is reached but this machine.
func logInWithoutNetwork(t *testing.T) {
	ctx := testContext(t)
	if output, err := exec.CommandContext(ctx, "ip", "addr", "del", publicAddress+"/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, output)
	}
	c, resource := startBehindGoogle(ctx, t, "")
	for host, reason := range map[string]string{documentHost: "unreachable", "nowhere.example": "lookup nowhere.example"} {
		c.id, c.redirect = "https://"+host+"/client.json", loginRedirect
		page, err := harness.NewBrowser().Visit(ctx, c.request("", nil).url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if page.Status != http.StatusBadRequest || !strings.Contains(string(page.Body), host) {
			t.Errorf("%s: the page has status %d and says %s", host, page.Status, page.Body)
		}
		for _, want := range []string{c.id, reason, "--client-document URL=FILE", "--client-documents off"} {
			if !strings.Contains(resource.Log(), want) {
				t.Errorf("%s: the log does not say %q", host, want)
			}
		}
	}
	c.register(ctx, "Registered", loginRedirect)
	logInBehindGoogle(ctx, c)
}

// serveDocuments is the internet: a host at a public address with client metadata documents, by
// their paths and redirect URIs. It returns the file of its certificate authority, and counts the
// requests.
func serveDocuments(t *testing.T, documents map[string]string) (authority string, fetches *atomic.Int64) {
	t.Helper()
	dir := t.TempDir()
	writeCertificate(t, dir, documentHost)
	authority = filepath.Join(dir, "cert.pem")
	certificate, err := tls.LoadX509KeyPair(authority, filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", publicAddress+":443")
	if err != nil {
		t.Fatal(err)
	}
	fetches = new(atomic.Int64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"client_id": "https://" + documentHost + r.URL.Path, "client_name": "Documented", "redirect_uris": []string{documents[r.URL.Path]},
			"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "token_endpoint_auth_method": "none",
		})
	}))
	_ = server.Listener.Close() // the one on loopback
	server.Listener, server.TLS = listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return authority, fetches
}

// trustingGoogle is the emulated Google behind a server that trusts an authority in place of the
// system's. Empty is the system's.
type trustingGoogle struct {
	*emulate.Server
	authority string
}

func (g trustingGoogle) Environment() []string {
	if g.authority == "" {
		return g.Server.Environment()
	}
	return append(g.Server.Environment(), "SSL_CERT_FILE="+g.authority)
}

// startBehindGoogle starts `latchkey serve` in proxy mode in front of the emulated Google, and
// returns a client that knows the server's metadata.
func startBehindGoogle(ctx context.Context, t *testing.T, authority string) (*stepClient, *harness.ResourceServer) {
	t.Helper()
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
	resource.Server = trustingGoogle{newEmulate(ctx, t, emulate.Google(), resource.MCPURL()), authority}
	if err := resource.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	return newStepClient(ctx, t, http.DefaultClient, resource.MCPURL()), resource
}

// logInBehindGoogle takes the client through a login and a refresh, and calls the server.
func logInBehindGoogle(ctx context.Context, c *stepClient) {
	c.t.Helper()
	attempt := c.request("", nil)
	redirect, err := harness.Walk(ctx, attempt.url, harness.Allow, emulate.Pick)
	if err != nil {
		c.t.Fatal(err)
	}
	code, refused := c.code(attempt, redirect)
	if refused != "" {
		c.t.Fatalf("the login of %s ends with %s", c.id, refused)
	}
	tokens := c.refresh(ctx, c.redeem(ctx, attempt, code).RefreshToken)
	if caller, status := c.call(ctx, tokens.AccessToken); status != http.StatusOK || caller.User.UserID == "" {
		c.t.Errorf("the call of %s is answered with %d", c.id, status)
	}
}
