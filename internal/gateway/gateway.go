// Package gateway puts an MCP server that knows nothing of OAuth behind a guard: it passes the
// requests of verified callers on over streamable HTTP and says who they are.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/sessions"
)

// Config says what is behind a gateway. Upstream is required.
type Config struct {
	// Upstream is the address of the MCP server's endpoint: an http or https URL, or
	// unix:/SOCKET:/PATH.
	Upstream string
	// Identity says how the upstream learns who calls. The default is [IdentityHeaders].
	Identity Identity
	// Headers are added to each request to the upstream.
	Headers []Header
	// Pass are the names of further headers of clients that reach the upstream.
	Pass []string
	// CAFile is a PEM file with certificate authorities to trust besides the system's, ClientCert
	// and ClientKey are PEM files with the certificate that the gateway shows. They are for https.
	CAFile, ClientCert, ClientKey string
	// SessionKeys are those of [sessions.Config].
	SessionKeys []oauth.Secret
	// Observer is told of what the upstream does wrong.
	Observer observe.Observer
}

// Header is a header that every request to the upstream has.
type Header struct {
	Name  string
	Value oauth.Secret
}

// Gateway passes requests on. It is safe for concurrent use.
type Gateway struct {
	at       address
	identity Identity
	static   []Header
	pass     map[string]bool
	observer observe.Observer
	dial     func(context.Context) error
	proxy    *httputil.ReverseProxy
	bound    http.Handler
}

// New returns a gateway. Its errors name the options of the command line.
func New(config Config) (*Gateway, error) {
	at, err := parseAddress(config.Upstream)
	if err != nil {
		return nil, err
	}
	g := &Gateway{at: at, identity: config.Identity, static: config.Headers, observer: config.Observer}
	if g.pass, err = passed(config.Pass); err != nil {
		return nil, err
	}
	if err := checkStatic(config.Headers, g.pass); err != nil {
		return nil, err
	}
	binder, err := sessions.New(sessions.Config{Keys: config.SessionKeys, Observer: config.Observer})
	if err != nil {
		return nil, err
	}
	if err := g.connect(config); err != nil {
		return nil, err
	}
	g.bound = binder.Bind(http.HandlerFunc(g.passOn))
	if at.exposed() {
		g.notice(context.Background(), observe.Event{
			Level: slog.LevelWarn, Reason: oauth.ReasonInsecureSetting,
			Message: "the upstream is on another host and is reached by plain http: all on the way can read the calls and change them",
			Hint:    "use https, or a network that nobody else is in",
		})
	}
	return g, nil
}

// Upstream is the address of the upstream as it may be shown: without its query.
func (g *Gateway) Upstream() string { return g.at.shown() }

// ServeHTTP passes a verified caller's request on. Put it below a guard: a request without a caller
// is answered with 500.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.bound.ServeHTTP(w, r) }

// passOn is what is below the check of the session.
func (g *Gateway) passOn(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodDelete:
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		fail(w, r, http.StatusMethodNotAllowed, "The MCP endpoint takes GET, POST and DELETE")
		return
	}
	header, err := g.header(r)
	switch {
	case errors.Is(err, errLongIdentity):
		g.warn(r, http.StatusForbidden, observe.Event{
			Message: "a caller was refused: what is known of them does not fit into headers", Err: err,
			Hint: "let the provider put fewer roles into tokens, or use --identity none",
		})
		fail(w, r, http.StatusForbidden, "The server cannot be told of this user")
		return
	case err != nil:
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	out := *r
	out.Header = header
	g.proxy.ServeHTTP(w, &out)
}

// rewrite turns a request with the headers of [Gateway.header] into one to the upstream. Nothing of
// the client's URL is in it.
func (g *Gateway) rewrite(p *httputil.ProxyRequest) {
	to := *g.at.url
	p.Out.URL, p.Out.Host = &to, ""
	p.Out.Header = p.In.Header
	p.Out.Trailer, p.Out.TransferEncoding = nil, nil
	if _, ok := p.Out.Header["User-Agent"]; !ok {
		p.Out.Header["User-Agent"] = []string{""} // net/http would add its own
	}
}

// failed answers a request that the upstream did not.
func (g *Gateway) failed(w http.ResponseWriter, r *http.Request, err error) {
	tooLarge, large := errors.AsType[*http.MaxBytesError](err)
	refused, isRefused := errors.AsType[*answerError](err)
	dialed, isDial := errors.AsType[*net.OpError](err)
	switch {
	case large:
		fail(w, r, http.StatusRequestEntityTooLarge, tooLarge.Error())
	case r.Context().Err() != nil: // the client is gone, or its token is
		fail(w, r, http.StatusServiceUnavailable, "The request was ended")
	case isRefused:
		g.warn(r, http.StatusBadGateway, observe.Event{Message: "an answer of the upstream was not passed on", Err: err, Hint: refused.hint})
		fail(w, r, http.StatusBadGateway, "The server behind this one gave an answer that cannot be passed on")
	case isDial && dialed.Op == "dial":
		g.warn(r, http.StatusServiceUnavailable, observe.Event{Message: "the upstream cannot be reached", Err: err})
		httpanswer.RetryAfter(w.Header(), healthEvery)
		fail(w, r, http.StatusServiceUnavailable, "The server behind this one cannot be reached")
	default:
		g.warn(r, http.StatusBadGateway, observe.Event{Message: "the upstream did not answer", Err: err})
		fail(w, r, http.StatusBadGateway, "The server behind this one did not answer")
	}
}

// noRequest is the code of an error that is ours and no method's: of those that JSON-RPC 2.0
// (section 5.1) leaves to servers.
const noRequest = -32000

// fail answers with an error of JSON-RPC where a client waits for one. It has no id: the body was
// passed on unread.
func fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	if r.Method != http.MethodPost {
		http.Error(w, text, status)
		return
	}
	httpanswer.JSON(w, status, map[string]any{
		"jsonrpc": "2.0", "id": nil, "error": map[string]any{"code": noRequest, "message": text},
	})
}

// warn tells the operator of a request that got an error of the gateway's own.
func (g *Gateway) warn(r *http.Request, status int, e observe.Event) {
	e.Level, e.Status, e.Method, e.URL = slog.LevelWarn, status, r.Method, g.at.shown()
	g.notice(r.Context(), e)
}

func (g *Gateway) notice(ctx context.Context, e observe.Event) {
	e.Kind, e.Time = observe.Notice, time.Now()
	g.observer.Observe(ctx, e)
}
