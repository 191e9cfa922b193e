package runtime

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/callerkey"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

const (
	// lookEvery is how often the token of a stream is looked at again.
	lookEvery = time.Minute
	// maxUnanswered is how many looks in a row may end without an answer, such as while the
	// provider is down.
	maxUnanswered = 5
	// lastWords is how long a handler may take to end its answer once its stream is over.
	lastWords = 5 * time.Second
	// eventStream is the media type of server-sent events.
	eventStream = "text/event-stream"
)

var (
	errStreamOver   = errors.New("the stream is over: its token is no longer good")
	errLookPanicked = errors.New("the provider panicked")
)

// stream is a request of a verified caller on its way to a handler, and its answer.
type stream struct {
	guard     *Guard
	info      *oauth.AuthInfo
	writer    http.ResponseWriter
	parent    context.Context //nolint:containedctx // it is the request's
	request   *http.Request
	presented oauth.Presented // without its URL, which at and path make
	at        *endpoint
	path      string
	get       bool
	begun     bool // something was written
	watched   atomic.Bool
	over      atomic.Bool

	mu         sync.Mutex      // for what follows
	ctx        context.Context //nolint:containedctx // of the request that the writer answers
	cancel     context.CancelCauseFunc
	begin      time.Time
	timer      *time.Timer
	unanswered int
	reason     oauth.Reason
	ended      bool
}

// Stream is for adapters, which call it with the caller that [Guard.Authenticate] returned: it
// returns what the handler gets, with the caller in the request's context. When the handler has
// returned they give that request to [Guard.EndStream]. [Guard.Protect] does both itself.
//
// Where the answer streams, it ends with the token: at its expiry and the provider's leeway, and
// within a minute after it is found to be good no longer, since it is verified again once a minute.
// A provider that is down ends a stream after five minutes.
//
// The answers that count as streams are those of type text/event-stream, and those to a GET that
// asks for one, waits for its context's end, or is written bit by bit. At the end the context of
// the request is canceled, by which the handlers of MCP libraries end their answer as usual, and
// the client can come back with a new token. The stream drops what a handler writes after that.
func (g *Guard) Stream(w http.ResponseWriter, r *http.Request, info *oauth.AuthInfo) (http.ResponseWriter, *http.Request) {
	s := &stream{guard: g, info: info, writer: w, parent: r.Context(), get: r.Method == http.MethodGet}
	if token, err := bearerToken(r, g.config.MaxTokenBytes); err == nil {
		// The handler may change the request while the token is looked at.
		s.at, _ = g.endpointOf(r.URL)
		s.presented, s.path = s.at.credential(r, token), r.URL.EscapedPath()
	}
	s.request = r.WithContext((*streamContext)(s))
	if s.get && strings.Contains(r.Header.Get("Accept"), eventStream) {
		s.watch()
	}
	if _, ok := w.(http.Flusher); ok {
		return (*flushingStreamWriter)(s), s.request
	}
	return (*streamWriter)(s), s.request
}

// EndStream releases what [Guard.Stream] holds for a request that it returned, and tells the
// observers of a stream that it ended.
func (g *Guard) EndStream(r *http.Request) {
	if c, ok := r.Context().(*streamContext); ok {
		(*stream)(c).end()
	}
}

func (s *stream) end() {
	s.mu.Lock()
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
	cancel, reason, begin := s.cancel, s.reason, s.begin
	s.mu.Unlock()
	if cancel != nil {
		cancel(nil)
	}
	if !s.watched.Load() || !s.guard.events.Enabled(observe.StreamEnded) {
		return
	}
	s.guard.events.Observe(s.parent, events.By(s.info, observe.Event{
		Kind: observe.StreamEnded, Level: slog.LevelDebug, Reason: reason, Resource: s.info.Resource,
		Method: s.request.Method, Path: s.request.URL.Path, Duration: time.Since(begin),
	}))
}

// warn tells the operator at the start of what is unsafe.
func (g *Guard) warn() {
	if g.config.InsecureStreamsOutliveTokens {
		g.events.Observe(context.Background(), observe.Event{
			Kind: observe.Notice, Level: slog.LevelWarn, Reason: oauth.ReasonInsecureSetting,
			Message: "streams go on after their token expired or was revoked",
		})
	}
}

// watch begins to look at the token of what turned out to be a stream.
func (s *stream) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.watched.Load() {
		return
	}
	s.begin = time.Now()
	s.watched.Store(true)
	if s.guard.config.InsecureStreamsOutliveTokens {
		return
	}
	s.cancelable()
	s.timer = time.AfterFunc(s.wait(), s.look)
}

// cancelable makes the context by which the handler can be ended. The caller holds the lock.
func (s *stream) cancelable() context.Context {
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(s.parent)
	}
	return s.ctx
}

// wait is how long the next look is away: a minute, or less where the token expires before. A token
// that is issued here is good until its expiry; one that others issue is good for as long after
// that as their clock may differ.
func (s *stream) wait() time.Duration {
	next := lookEvery
	if s.info.ExpiresAt.IsZero() {
		return next
	}
	for _, end := range []time.Time{s.info.ExpiresAt, s.info.ExpiresAt.Add(s.guard.leeway)} {
		if left := time.Until(end); left > 0 {
			next = min(next, left)
		}
	}
	return next
}

// look ends the stream if its token is no longer good.
func (s *stream) look() {
	refused := s.refused()
	s.mu.Lock()
	if s.ended || s.over.Load() {
		s.mu.Unlock()
		return
	}
	if refused != nil && refused.Status >= http.StatusTooManyRequests { // nobody could tell
		s.unanswered++
		if s.unanswered < maxUnanswered {
			refused = nil
		}
	} else {
		s.unanswered = 0
	}
	if refused == nil {
		s.timer.Reset(s.wait())
		s.mu.Unlock()
		return
	}
	s.reason = refused.Reason
	s.over.Store(true)
	// A handler may be waiting for a client that reads nothing.
	_ = http.NewResponseController(s.writer).SetWriteDeadline(time.Now().Add(lastWords))
	cancel := s.cancel
	s.mu.Unlock()
	cancel(refused)
}

// refused verifies the token once more, and returns why it is no longer good. A provider that
// panics has no answer: there is no server here that would recover.
func (s *stream) refused() (refused *oauth.Error) {
	defer func() {
		if recover() != nil {
			refused = oauth.AsError(errLookPanicked)
		}
	}()
	if end := s.info.ExpiresAt; !end.IsZero() && !time.Now().Before(end.Add(s.guard.leeway)) {
		return oauth.InvalidToken(oauth.ReasonExpired, nil)
	}
	presented := s.presented
	if s.at != nil {
		presented.URL = s.at.requestURL(s.path)
	}
	info, err := s.guard.again(s.ctx, presented)
	switch {
	case err != nil:
		return oauth.AsError(err)
	case info.Issuer != s.info.Issuer || info.Subject != s.info.Subject:
		return oauth.InvalidToken(oauth.ReasonInactive, nil)
	case !info.HasAll(s.guard.config.Scopes...):
		return oauth.MissingScopes(s.guard.config.Scopes...)
	}
	return nil
}

// again returns the caller of a token that was good before.
func (g *Guard) again(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	var info *oauth.AuthInfo
	if g.recall != nil {
		info = g.recall(presented.Token.Reveal(), presented.Resource)
	}
	if info == nil {
		var err error
		if info, err = g.verified(ctx, presented); err != nil {
			return nil, err
		}
	}
	if g.views != nil {
		info = g.views.of(info)
	}
	return info, nil
}

// answers looks at whether the answer streams, before a part of it is sent.
func (s *stream) answers(bitByBit bool) {
	if s.watched.Load() {
		return
	}
	kind := s.writer.Header().Get("Content-Type")
	if s.get && bitByBit || len(kind) >= len(eventStream) && strings.EqualFold(kind[:len(eventStream)], eventStream) {
		s.watch()
	}
}

// streamContext is the context of a stream's request. It and the writer are the stream itself, so
// that a request which does not stream costs no allocation more than one without.
type streamContext stream

// Deadline implements [context.Context].
func (c *streamContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Done implements [context.Context].
func (c *streamContext) Done() <-chan struct{} {
	s := (*stream)(c)
	if s.get && !s.watched.Load() {
		s.watch()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cancelable().Done()
}

// Err implements [context.Context].
func (c *streamContext) Err() error { return c.current().Err() }

// Value implements [context.Context].
func (c *streamContext) Value(key any) any {
	if key == (callerkey.Key{}) {
		return c.info
	}
	return c.current().Value(key)
}

// current is the context that can be canceled, if there is one yet.
func (c *streamContext) current() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx != nil {
		return c.ctx
	}
	return c.parent
}

// streamWriter is the writer of a stream.
type streamWriter stream

// Header implements [http.ResponseWriter].
func (w *streamWriter) Header() http.Header { return w.writer.Header() }

// WriteHeader implements [http.ResponseWriter].
func (w *streamWriter) WriteHeader(status int) {
	(*stream)(w).answers(false)
	w.writer.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *streamWriter) Write(content []byte) (int, error) {
	(*stream)(w).answers(w.begun)
	w.begun = true
	if w.over.Load() {
		return 0, errStreamOver
	}
	return w.writer.Write(content)
}

// flushingStreamWriter is the writer of a stream that can flush. Libraries look for [http.Flusher],
// and stream nothing without.
type flushingStreamWriter stream

// Header implements [http.ResponseWriter].
func (w *flushingStreamWriter) Header() http.Header { return w.writer.Header() }

// WriteHeader implements [http.ResponseWriter].
func (w *flushingStreamWriter) WriteHeader(status int) { (*streamWriter)(w).WriteHeader(status) }

// Write implements [http.ResponseWriter].
func (w *flushingStreamWriter) Write(content []byte) (int, error) {
	return (*streamWriter)(w).Write(content)
}

// Flush implements [http.Flusher].
func (w *flushingStreamWriter) Flush() { _ = w.FlushError() }

// FlushError is what [http.ResponseController] prefers.
func (w *flushingStreamWriter) FlushError() error {
	(*stream)(w).answers(true)
	return http.NewResponseController(w.writer).Flush()
}

// Hijack implements [http.Hijacker].
func (w *flushingStreamWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	(*stream)(w).watch()
	return http.NewResponseController(w.writer).Hijack()
}

// Unwrap lets [http.ResponseController] set deadlines.
func (w *flushingStreamWriter) Unwrap() http.ResponseWriter { return w.writer }
