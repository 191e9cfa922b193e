package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/chromium"
	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/emulate"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/google"
	"github.com/latchkey-auth/latchkey/runtime"
)

// consentScheme is the scheme of the native application; nothing on the machine opens it.
const consentScheme = "latchkey-e2e"

// consentSite is the name of a web site that is a client, for Chromium alone.
const consentSite = "client.example.com"

// A person looks for these in the pages.
const (
	allowButton = `form[action$="/consent"] button[value=allow]`
	denyButton  = `form[action$="/consent"] button[value=deny]`
	rememberBox = `form[action$="/consent"] input[name=remember]`
	pickUser    = `form:has(input[value="ada@example.com"]) button` // at the emulator
	arrived     = `#arrived`                                        // at the client
)

// consentWorld is a server in proxy mode in front of the emulator's Google, clients of three kinds,
// and a browser.
type consentWorld struct {
	dir      string
	resource string
	idp      *emulate.Server
	upstream string // origin of the provider's login
	http     *http.Client
	browser  *chromium.Browser
	// loopback and site are the origins of the clients' pages.
	loopback, site string
	// hosts are names that the browser finds here.
	hosts []string
}

// newConsentWorld starts everything but the server and its provider, which serve does: it gets the
// port to listen on, and fills in what the world knows of them.
func newConsentWorld(ctx context.Context, t *testing.T, serve func(w *consentWorld, port int)) *consentWorld {
	t.Helper()
	program := findChromium(t)
	w := &consentWorld{dir: logDir(t), http: &http.Client{}}
	serve(w, port(ctx, t))

	loopback := httptest.NewServer(clientPages())
	t.Cleanup(loopback.Close)
	site := httptest.NewTLSServer(clientPages())
	t.Cleanup(site.Close)
	w.loopback, w.site = loopback.URL, "https://"+consentSite
	var err error
	w.browser, err = chromium.Start(ctx, chromium.Config{
		Root: suite.root, Node: suite.node, Chromium: program, LogDir: w.dir,
		Hosts: strings.Join(append(w.hosts, "MAP "+consentSite+" "+site.Listener.Addr().String()), ", "),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.browser.Stop)
	return w
}

func findChromium(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		const why = "Chromium is needed for the tests of the consent page: apt-get install chromium"
		if os.Getenv("CI") != "" {
			t.Fatal(why + "; CI skips no test")
		}
		t.Skip(why)
	}
	return program
}

// startProvider starts the provider of a server that clients reach at a public URL.
func (w *consentWorld) startProvider(ctx context.Context, t *testing.T, publicURL string) {
	t.Helper()
	w.resource = publicURL + "/mcp"
	w.idp = newEmulate(ctx, t, emulate.Google(), w.resource)
	w.upstream, _ = splitURL(t, endpointsOf(w.idp)["authorization"])
}

// serveCommandLine runs the command line. An empty public URL is that of its port.
func (w *consentWorld) serveCommandLine(ctx context.Context, t *testing.T, port int, publicURL string) {
	t.Helper()
	server := &harness.ResourceServer{Binary: suite.binary, LogDir: w.dir, Port: port}
	if publicURL == "" {
		publicURL = server.Origin()
	}
	w.startProvider(ctx, t, publicURL)
	server.Server = w.idp
	if err := server.Start(ctx, "--public-url", publicURL, "--custom-scheme", consentScheme); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
}

// serveOverTLS runs the command line behind a reverse proxy that speaks TLS, under a name of its
// own.
func (w *consentWorld) serveOverTLS(ctx context.Context, t *testing.T, port int) {
	t.Helper()
	const host = "mcp.example.com"
	behind := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	front := httptest.NewTLSServer(harness.ReverseProxy(func(*http.Request) *url.URL { return behind }))
	t.Cleanup(front.Close)
	w.hosts = append(w.hosts, "MAP "+host+" "+front.Listener.Addr().String())
	transport := front.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // the certificate's
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, front.Listener.Addr().String())
	}
	t.Cleanup(transport.CloseIdleConnections)
	w.http = &http.Client{Transport: transport}
	w.serveCommandLine(ctx, t, port, "https://"+host)
}

// serveWithClock runs a server inside the test, which lives by a clock of its own.
func (w *consentWorld) serveWithClock(ctx context.Context, t *testing.T, port int, now func() time.Time) {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	w.startProvider(ctx, t, "http://"+address)
	variables := map[string]string{}
	for _, variable := range w.idp.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		variables[name] = value
	}
	log, err := os.Create(filepath.Join(w.dir, "serve.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	logger := slog.New(slog.NewTextHandler(log, nil))
	options := []runtime.Option{runtime.WithClock(now), runtime.WithLogger(logger), runtime.WithLookupEnv(func(name string) (string, bool) {
		value, found := variables[name]
		return value, found
	})}
	for name, endpoint := range endpointsOf(w.idp) {
		options = append(options, runtime.WithEndpoint(name, endpoint))
	}
	provider, err := google.New(google.Config{}, options...)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: w.resource, Name: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", guard.Handler())
	mux.Handle("/whoami", guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, _ := oauth.FromContext(r.Context())
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"user": info.User})
	})))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

// endpointsOf are the endpoints in a server's command line.
func endpointsOf(server harness.Server) map[string]string {
	endpoints := map[string]string{}
	args := server.Command("")
	for i, arg := range args {
		if arg == "--endpoint" {
			name, address, _ := strings.Cut(args[i+1], "=")
			endpoints[name] = address
		}
	}
	return endpoints
}

// clientPages are the pages of a client: where the answer arrives, and one that leads to the server
// by a link or a frame.
func clientPages() http.Handler {
	mux := http.NewServeMux()
	page := func(w http.ResponseWriter, body string) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!doctype html><title>Client</title><link rel="icon" href="data:,">`+body)
	}
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, _ *http.Request) {
		page(w, `<h1 id="arrived">Arrived</h1>`)
	})
	mux.HandleFunc("GET /link", func(w http.ResponseWriter, r *http.Request) {
		page(w, `<a id="link" href="`+html.EscapeString(r.URL.Query().Get("to"))+`">Log in</a>`)
	})
	mux.HandleFunc("GET /frame", func(w http.ResponseWriter, r *http.Request) {
		page(w, `<h1 id="framing">A page around another</h1><iframe src="`+html.EscapeString(r.URL.Query().Get("to"))+`"></iframe>`)
	})
	return mux
}

// redirectKind is a kind of client, by where its answer goes.
type redirectKind struct {
	name     string
	redirect func(*consentWorld) string
	// outline is what the consent page says of it.
	outline []string
}

func redirectKinds() []redirectKind {
	return []redirectKind{
		{
			"loopback", func(w *consentWorld) string { return w.loopback + "/callback" },
			[]string{"An application on this device", "Did you start this yourself, just now?"},
		},
		{
			"web site", func(w *consentWorld) string { return w.site + "/callback" },
			[]string{consentSite, `checkbox "Do not ask again`},
		},
		{
			"custom scheme", func(*consentWorld) string { return consentScheme + "://callback" },
			[]string{`The application that opens “` + consentScheme + `:” links`, "Did you start this yourself, just now?"},
		},
	}
}

// client registers a client.
func (w *consentWorld) client(ctx context.Context, t *testing.T, name, redirect string) *stepClient {
	t.Helper()
	c := newStepClient(ctx, t, w.http, w.resource)
	c.register(ctx, name, redirect)
	return c
}

// person is a tab of the browser with a person in front of it. A step that does not work ends the
// test.
type person struct {
	t     *testing.T
	ctx   context.Context //nolint:containedctx // a person lives as long as a test
	world *consentWorld
	tab   *chromium.Tab
	// documents are the documents that were asked for since the beginning.
	documents []string
}

// window opens a window without cookies.
func (w *consentWorld) window(ctx context.Context, t *testing.T, settings chromium.Settings) *chromium.Window {
	t.Helper()
	window, err := w.browser.Window(ctx, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = window.Close(context.WithoutCancel(ctx)) }) // it may be gone with its browser
	return window
}

func (w *consentWorld) tab(ctx context.Context, t *testing.T, window *chromium.Window) *person {
	t.Helper()
	tab, err := window.Tab(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t: t, ctx: ctx, world: w, tab: tab}
}

// person opens a window of its own.
func (w *consentWorld) person(ctx context.Context, t *testing.T, settings chromium.Settings) *person {
	t.Helper()
	return w.tab(ctx, t, w.window(ctx, t, settings))
}

func (p *person) run(command string, args map[string]any, answer any) {
	p.t.Helper()
	if err := p.tab.Run(p.ctx, command, args, answer); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) open(address string) {
	p.t.Helper()
	p.run("open", map[string]any{"url": address}, nil)
}
func (p *person) click(selector string) {
	p.t.Helper()
	p.run("click", map[string]any{"selector": selector}, nil)
}
func (p *person) press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		p.run("press", map[string]any{"key": key}, nil)
	}
}

func (p *person) back() (moved bool) { p.t.Helper(); p.run("travel", nil, &moved); return moved }
func (p *person) forward() (moved bool) {
	p.t.Helper()
	p.run("travel", map[string]any{"forward": true}, &moved)
	return moved
}

// waitFor waits for an element.
func (p *person) waitFor(selector string) {
	p.t.Helper()
	p.run("wait", map[string]any{"selector": selector}, nil)
}

// waitForText waits for a text in an element.
func (p *person) waitForText(selector, text string) {
	p.t.Helper()
	p.waitFor(fmt.Sprintf("%s:has-text(%q)", selector, text))
}

// outline is the page as assistive technology has it.
func (p *person) outline() (outline string) {
	p.t.Helper()
	p.run("outline", nil, &outline)
	return outline
}

// evaluate returns what an expression is in the page.
func (p *person) evaluate(expression string) (value string) {
	p.t.Helper()
	p.run("evaluate", map[string]any{"expression": "String(" + expression + ")"}, &value)
	return value
}

// look returns what the tab shows. Nothing that the browser complained of may be about a page of
// the server.
func (p *person) look() chromium.Look {
	p.t.Helper()
	var look chromium.Look
	p.run("look", nil, &look)
	origin, _ := splitURL(p.t, p.world.resource)
	for _, complaint := range look.Complaints {
		// A page that tells of an error has its status, which the console repeats.
		if strings.HasPrefix(complaint.Page, origin) && !strings.Contains(complaint.Text, "the server responded with a status of 4") {
			p.t.Errorf("the browser complains about %s: %s", complaint.Page, complaint.Text)
		}
	}
	p.documents = append(p.documents, look.Documents...)
	return look
}

// askedUpstream reports whether the browser asked the provider for anything so far.
func (p *person) askedUpstream() bool {
	p.t.Helper()
	p.look()
	return slices.ContainsFunc(p.documents, func(request string) bool {
		return strings.Contains(request, " "+p.world.upstream+"/")
	})
}

// inspect checks how the page looks and reads, by day, by night and on a telephone, and keeps
// pictures of that.
func (p *person) inspect(picture string) {
	p.t.Helper()
	for _, look := range []struct {
		name  string
		dark  bool
		width int
	}{{"light", false, 1000}, {"dark", true, 1000}, {"narrow", false, 360}, {"narrow-dark", true, 320}} {
		p.run("appear", map[string]any{"dark": look.dark, "width": look.width}, nil)
		p.check(picture + "-" + look.name)
		path := filepath.Join(p.world.dir, picture+"-"+look.name+".png")
		p.run("picture", map[string]any{"path": path}, nil)
	}
	p.run("appear", nil, nil)
}

// check looks for what people would have difficulties with.
func (p *person) check(where string) {
	p.t.Helper()
	var problems []string
	p.run("audit", nil, &problems)
	for _, problem := range problems {
		p.t.Errorf("%s: %s", where, problem)
	}
}

// finish waits until the client has the answer to an attempt, and returns it. A custom scheme opens
// nothing here, so that the page which would open the application stays.
func (p *person) finish(c *stepClient) string {
	p.t.Helper()
	if strings.HasPrefix(c.redirect, "http") {
		p.waitFor(arrived)
		return p.look().URL
	}
	p.waitFor(`main a.button[href^="` + consentScheme + `:"]`)
	return p.evaluate("document.querySelector('main a.button').href")
}

// logIn picks the user at the provider and returns the answer to the client.
func (p *person) logIn(c *stepClient) string {
	p.t.Helper()
	p.waitFor(pickUser)
	p.click(pickUser)
	return p.finish(c)
}

// wantUser redeems the answer to an attempt and calls the resource with the token.
func (w *consentWorld) wantUser(ctx context.Context, t *testing.T, c *stepClient, a attempt, redirect string) {
	t.Helper()
	code, refused := c.code(a, redirect)
	if refused != "" {
		t.Fatalf("the answer is the error %s", refused)
	}
	caller, status := c.call(ctx, c.redeem(ctx, a, code).AccessToken)
	if status != http.StatusOK || caller.User.UserID != w.idp.UserID() {
		t.Errorf("the caller is %q (%d), want %q", caller.User.UserID, status, w.idp.UserID())
	}
}
