package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/internal/pacedbody"
	"github.com/latchkey-auth/latchkey/internal/ratelimit"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/clientaddr"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Relay is an http.Handler for the two routes. It is safe for concurrent use and keeps nothing that
// another replica would need.
type Relay struct {
	config    Config
	events    *events.Sender
	origins   origins
	ring      *seal.Ring
	client    *http.Client
	clients   *ratelimit.Limiter // nil is no limit
	resources *cache[resource]
	servers   *cache[authorizationServer]
}

var _ http.Handler = (*Relay)(nil)

// MetadataPath is the path of the metadata route: GET ?serverUrl=…&url=….
func (r *Relay) MetadataPath() string { return r.config.BasePath + "/metadata" }

// ProxyPath is the path of the forwarding route: POST {serverUrl, url, method, headers, body}.
func (r *Relay) ProxyPath() string { return r.config.BasePath + "/proxy" }

// Close closes idle connections. The relay stays usable.
func (r *Relay) Close() { r.client.CloseIdleConnections() }

// Format prints where the relay is, whatever the verb: its configuration holds sealing keys.
func (r *Relay) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "browser relay at %s", r.config.BasePath)
}

// failure is an answer other than success. The message is for the client, the cause for the log.
type failure struct {
	status  int
	message string
	cause   error
	reason  oauth.Reason // empty where the status says enough
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.message + ": " + f.cause.Error()
	}
	return f.message
}

func (f *failure) Unwrap() error { return f.cause }

func fail(status int, message string, cause error) *failure {
	return &failure{status: status, message: message, cause: cause}
}

// because returns the failure with its own reason.
func (f *failure) because(reason oauth.Reason) *failure {
	f.reason = reason
	return f
}

// why is the reason for events.
func (f *failure) why() oauth.Reason {
	if f.reason != "" {
		return f.reason
	}
	switch f.status {
	case http.StatusUnauthorized:
		return oauth.ReasonRefusedByVerifier
	case http.StatusForbidden:
		return oauth.ReasonRelayTarget
	case http.StatusNotFound:
		return oauth.ReasonNotFound
	case http.StatusMethodNotAllowed:
		return oauth.ReasonMethod
	case http.StatusRequestEntityTooLarge:
		return oauth.ReasonBodyTooLarge
	case http.StatusTooManyRequests:
		return oauth.ReasonRateLimited
	case http.StatusBadGateway:
		return oauth.ReasonUpstreamResponse
	case http.StatusGatewayTimeout:
		return oauth.ReasonUpstreamUnavailable
	default:
		return oauth.ReasonMalformedParameter
	}
}

// ServeHTTP implements http.Handler.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	req, body := pacedbody.Begin(w, req)
	defer body.End()
	start := r.config.Now()
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Origin")
	if err := r.origins.check(req); err != nil {
		r.refuse(w, req, err)
		return
	}
	r.origins.expose(header, req)
	if req.Method == http.MethodOptions {
		preflight(header)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	served, err := r.serve(w, req)
	if err != nil {
		r.refuse(w, req, err)
		return
	}
	r.events.Observe(req.Context(), observe.Event{
		Kind: observe.RequestRelayed, Endpoint: served.kind, Status: served.status, Duration: r.config.Now().Sub(start),
		Details: []slog.Attr{slog.String("host", served.host)},
	})
}

// served is what the event says of a relayed request: no path and no query, which may hold secrets.
type served struct {
	kind, host string
	status     int
}

func (r *Relay) serve(w http.ResponseWriter, req *http.Request) (served, error) {
	handle, method := r.metadata, http.MethodGet
	switch req.URL.Path {
	case r.MetadataPath():
	case r.ProxyPath():
		handle, method = r.proxy, http.MethodPost
	default:
		return served{}, fail(http.StatusNotFound, "Not found", nil)
	}
	if req.Method != method {
		w.Header().Set("Allow", method+", OPTIONS")
		return served{}, fail(http.StatusMethodNotAllowed, "Only "+method+" is allowed", nil)
	}
	if wait := r.wait(req); wait > 0 {
		httpanswer.RetryAfter(w.Header(), wait)
		return served{}, fail(http.StatusTooManyRequests, "Too many requests, try again later", nil)
	}
	if r.config.Authenticate != nil {
		if err := r.config.Authenticate(req); err != nil {
			return served{}, fail(http.StatusUnauthorized, "Unauthorized", err)
		}
	}
	ctx, cancel := context.WithTimeout(req.Context(), r.config.Timeout)
	defer cancel()
	return handle(w, req.WithContext(ctx))
}

// wait spends a request of the client's budget. A positive result is how long the client has to
// wait.
func (r *Relay) wait(req *http.Request) time.Duration {
	if r.clients == nil {
		return 0
	}
	return r.clients.Take(clientaddr.Key(r.config.ClientAddress(req)), r.config.Now())
}

// refuse answers with {error}.
func (r *Relay) refuse(w http.ResponseWriter, req *http.Request, err error) {
	refused := asFailure(err)
	level := slog.LevelInfo
	if refused.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	r.events.Observe(req.Context(), observe.Event{
		Kind: observe.RequestRefused, Level: level, Reason: refused.why(), Status: refused.status,
		Method: req.Method, Path: req.URL.Path, Err: refused,
	})
	httpanswer.JSON(w, refused.status, struct {
		Error string `json:"error"`
	}{refused.message})
}

// asFailure returns the failure for an error of an outbound exchange: a question that no
// host answers is the caller's (400), what an upstream did is a gateway's (502, 504).
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	switch egress.KindOf(err) {
	case egress.KindURL, egress.KindScheme, egress.KindAddress:
		return fail(http.StatusBadRequest, "This URL may not be reached", err).because(oauth.ReasonRelayTarget)
	case egress.KindTimeout, egress.KindCanceled:
		return fail(http.StatusGatewayTimeout, "The upstream did not answer in time", err)
	case egress.KindRedirect:
		return fail(http.StatusBadGateway, "The upstream redirected, which is not allowed", err)
	case egress.KindTooLarge:
		return fail(http.StatusBadGateway, "The upstream's answer is too large", err)
	default:
		return fail(http.StatusBadGateway, "The upstream could not be reached", err).because(oauth.ReasonUpstreamUnavailable)
	}
}

// upstreamFault is [asFailure] for a URL that an upstream named: that it may not be reached is not
// the browser's mistake.
func upstreamFault(err error) *failure {
	f := asFailure(err)
	if f.status == http.StatusBadRequest {
		return fail(http.StatusBadGateway, "The metadata names a URL that may not be reached", err)
	}
	return f
}

// isAbsent reports whether an error says that there is no document at a location: a status of the
// client error class, a page for people, a redirect to one.
func isAbsent(err error) bool {
	switch e := egress.AsError(err); e.Kind {
	case egress.KindContent, egress.KindRedirect:
		return true
	case egress.KindStatus:
		return e.Status < http.StatusInternalServerError
	default:
		return false
	}
}

// isOver reports whether the time of a request is up.
func isOver(err error) bool {
	kind := egress.KindOf(err)
	return kind == egress.KindTimeout || kind == egress.KindCanceled
}

const (
	// bindingLife is how long a binding is used without asking again.
	bindingLife = 10 * time.Minute
	// bindingReview is the age from which a target that a binding does not know causes a new look.
	bindingReview = 30 * time.Second
)

func maxAge(review bool) time.Duration {
	if review {
		return bindingReview
	}
	return bindingLife
}
