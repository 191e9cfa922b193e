package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

const (
	dialLimit      = 10 * time.Second
	maxIdle        = 100
	idleLimit      = 3 * time.Second // shorter than the five seconds after which Node.js closes
	maxHeaderBytes = 64 << 10
	copyBuffer     = 32 << 10
)

// connect makes the connections to the upstream: no proxy of the environment, no redirect, no limit
// for how long an answer takes.
func (g *Gateway) connect(config Config) error {
	encryption, err := g.at.tls(config)
	if err != nil {
		return err
	}
	network, to := g.at.target()
	dialer := &net.Dialer{Timeout: dialLimit, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, to)
		},
		TLSClientConfig: encryption, TLSHandshakeTimeout: dialLimit, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleLimit,
		MaxResponseHeaderBytes: maxHeaderBytes, DisableCompression: true,
	}
	g.dial = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, dialLimit)
		defer cancel()
		connection, err := dialer.DialContext(ctx, network, to)
		if err != nil {
			return err
		}
		defer func() { _ = connection.Close() }()
		if encryption == nil {
			return nil
		}
		return tls.Client(connection, encryption.Clone()).HandshakeContext(ctx)
	}
	g.proxy = &httputil.ReverseProxy{
		Rewrite: g.rewrite, Transport: contained{transport}, FlushInterval: -1, ErrorHandler: g.failed,
		BufferPool: &buffers{}, ErrorLog: log.New(brokenAnswers{g}, "", 0),
	}
	return nil
}

// tls is the encryption of an https upstream.
func (a address) tls(config Config) (*tls.Config, error) {
	encrypted := config.CAFile != "" || config.ClientCert != "" || config.ClientKey != ""
	switch {
	case a.url.Scheme != "https" && encrypted:
		return nil, errors.New("--upstream-ca-file, --upstream-client-cert and --upstream-client-key need an --upstream with https")
	case a.url.Scheme != "https":
		return nil, nil //nolint:nilnil // no encryption is no error
	case (config.ClientCert == "") != (config.ClientKey == ""):
		return nil, errors.New("--upstream-client-cert and --upstream-client-key go together")
	}
	encryption := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.url.Hostname()}
	if config.CAFile != "" {
		authorities, err := egress.ReadCAFile(config.CAFile)
		if err != nil {
			return nil, fmt.Errorf("--upstream-ca-file: %w", err)
		}
		encryption.RootCAs = authorities
	}
	if config.ClientCert != "" {
		certificate, err := tls.LoadX509KeyPair(config.ClientCert, config.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("--upstream-client-cert and --upstream-client-key: %w", err)
		}
		encryption.Certificates = []tls.Certificate{certificate}
	}
	return encryption, nil
}

// answerError is an answer of the upstream that clients must not see.
type answerError struct{ text, hint string }

func (e *answerError) Error() string { return e.text }

// contained lets of an answer only that through which an MCP client needs.
type contained struct{ base http.RoundTripper }

// RoundTrip implements [http.RoundTripper]. An answer that would speak for the gateway is an error:
// a challenge would send clients to another server for a token, and so might a redirect.
func (c contained) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	answer, err := c.base.RoundTrip(r.WithContext(untraced{ctx}))
	if err != nil {
		return nil, err
	}
	if refused := refusal(answer); refused != nil {
		_ = answer.Body.Close()
		return nil, refused
	}
	passed := *answer // net/http writes trailers into the one that it returned
	passed.Trailer = nil
	passed.Header = make(http.Header, len(answered()))
	for _, name := range answered() {
		if values := answer.Header[name]; len(values) > 0 {
			passed.Header[name] = values[:1]
		}
	}
	passed.Header.Set("Cache-Control", "no-store, no-transform") // it is one caller's, and may be a stream
	passed.Header.Set("X-Content-Type-Options", "nosniff")
	if isStream(answer.Header) {
		passed.Body = &streamBody{answer.Body, ctx}
	}
	return &passed, nil
}

func refusal(answer *http.Response) *answerError {
	switch status := answer.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusProxyAuthRequired:
		return &answerError{
			fmt.Sprintf("it asks for credentials of its own: status %d", status),
			"switch the upstream's own authentication off, or give it what it asks for with --upstream-header",
		}
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return &answerError{
			fmt.Sprintf("it redirects: status %d", status), "give --upstream the URL of the MCP endpoint itself; a slash at its end counts",
		}
	case status < http.StatusOK || status > 599:
		return &answerError{fmt.Sprintf("its status is %d", status), ""}
	}
	return nil
}

func isStream(header http.Header) bool {
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}

// untraced hides from net/http that [httputil.ReverseProxy] waits for informational answers, which
// it would pass on with all their headers.
type untraced struct{ context.Context } //nolint:containedctx // it is a context

func (untraced) Value(any) any { return nil }

// streamBody is a stream of events. One that the guard ends, since its token did, ends for the
// client as the upstream would end it, and not in the middle of a connection.
type streamBody struct {
	io.ReadCloser

	ctx context.Context //nolint:containedctx // it is the request's
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		if _, ended := errors.AsType[*oauth.Error](context.Cause(b.ctx)); ended {
			err = io.EOF
		}
	}
	return n, err
}

// brokenAnswers tells the operator of answers that end in their middle, with the text that
// [httputil.ReverseProxy] has for it.
type brokenAnswers struct{ gateway *Gateway }

func (b brokenAnswers) Write(text []byte) (int, error) {
	b.gateway.notice(context.Background(), observe.Event{
		Level: slog.LevelWarn, Message: "an answer of the upstream broke off", URL: b.gateway.at.shown(), Err: errors.New(strings.TrimSpace(string(text))),
	})
	return len(text), nil
}

// buffers are what answers are copied through.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[copyBuffer]byte); ok {
		return buffer[:]
	}
	return make([]byte, copyBuffer)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put((*[copyBuffer]byte)(buffer)) }
