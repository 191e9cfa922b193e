// Package sessions ties the sessions of an MCP server to the callers who opened them (MCP security
// best practices, "Session Hijacking"), whatever library the server is made of. Many know of
// sessions and nothing of callers: there, whoever learns a session's id shares it.
package sessions

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// header carries a session's id in both directions (MCP, "Transports", Streamable HTTP, "Session
// Management").
const header = "Mcp-Session-Id"

// Config says how sessions are tied. Its zero value is for one process.
type Config struct {
	// Keys are 32 random bytes each, in base64, newest first: see [seal.Config]. Replicas behind
	// one address need the same ones. The default is a key of this process, which no other opens:
	// after a restart clients open new sessions.
	Keys []oauth.Secret
	// Observer is told when a session is used by somebody else. The default is [observe.Slog] with
	// [slog.Default].
	Observer observe.Observer
}

// Binder ties sessions to callers. It is safe for concurrent use.
type Binder struct {
	box    *seal.Box
	events *events.Sender
}

// New returns a binder. Only keys can be wrong.
func New(config Config) (*Binder, error) {
	keys := config.Keys
	if len(keys) == 0 {
		var key [seal.KeySize]byte
		_, _ = rand.Read(key[:]) // never fails: crypto/rand ends the program instead
		keys = []oauth.Secret{oauth.Secret(base64.RawURLEncoding.EncodeToString(key[:]))}
	}
	ring, err := seal.NewRing(seal.Config{Keys: keys})
	if err != nil {
		return nil, err
	}
	return &Binder{box: ring.Box("session", seal.Binding{}), events: events.Or(config.Observer)}, nil
}

// Bind lets a request reach next only with a session that its own caller opened, or with none. Put
// it below a guard; without one every request is answered with a 500, since there is no caller.
//
// The ids that next gives out in Mcp-Session-Id leave sealed together with the caller's issuer and
// subject, and come back to next as it made them, so there is nothing to remember. Any other id, an
// expired or a made-up one included, is answered with 404, after which clients open a session of
// their own. Sessions that are not named by that header are not seen: those of the older HTTP+SSE
// transport are.
func (b *Binder) Bind(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, ok := oauth.FromContext(r.Context())
		if !ok {
			b.refused(r, nil, observe.Event{
				Level: slog.LevelError, Reason: oauth.ReasonMissingGuard, Status: http.StatusInternalServerError,
				Message: "sessions.Bind runs without a guard", Hint: "put guard.Require() or guard.Protect around it",
			})
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		user := identity(info)
		s := session{binder: b, user: user}
		if len(r.Header.Values(header)) > 0 || r.Header.Get("Last-Event-ID") != "" { // what a stream had belongs to its session
			s.outer = r.Header.Get(header)
			if s.inner, ok = b.open(r, info, user); !ok {
				http.Error(w, "session not found", http.StatusNotFound)
				return
			}
			r = r.Clone(r.Context())
			r.Header.Set(header, s.inner)
		}
		answer := &writer{ResponseWriter: w, session: s}
		defer answer.rename() // next may have answered with headers alone
		if _, ok := w.(http.Flusher); ok {
			next.ServeHTTP(&flushingWriter{answer}, r)
			return
		}
		next.ServeHTTP(answer, r)
	})
}

// identity is who a caller is: a subject is unique within its issuer only.
func identity(info *oauth.AuthInfo) [sha256.Size]byte {
	text := binary.AppendUvarint(nil, uint64(len(info.Issuer)))
	return sha256.Sum256(append(append(text, info.Issuer...), info.Subject...))
}

// open returns the id that next knows a session by, if it is the user's.
func (b *Binder) open(r *http.Request, info *oauth.AuthInfo, user [sha256.Size]byte) (string, bool) {
	unknown := observe.Event{Level: slog.LevelDebug, Reason: oauth.ReasonUnknownSession, Status: http.StatusNotFound}
	ids := r.Header.Values(header)
	if len(ids) != 1 {
		b.refused(r, info, unknown)
		return "", false
	}
	content, _, err := b.box.Open(ids[0], time.Time{}) // nothing expires: next ends its sessions
	switch {
	case err != nil:
		unknown.Err = err
		b.refused(r, info, unknown)
		return "", false
	case len(content) < len(user) || subtle.ConstantTimeCompare(content[:len(user)], user[:]) != 1:
		b.refused(r, info, observe.Event{
			Level: slog.LevelWarn, Reason: oauth.ReasonForeignSession, Status: http.StatusNotFound,
			Message: "a session was used by another caller than the one who opened it",
		})
		return "", false
	}
	return string(content[len(user):]), true
}

// refused sends the event of a refused request.
func (b *Binder) refused(r *http.Request, info *oauth.AuthInfo, e observe.Event) {
	e.Kind, e.Method, e.Path = observe.RequestRefused, r.Method, r.URL.Path
	if info != nil {
		e.Provider, e.Resource, e.Client, e.Issuer, e.Subject = info.Provider, info.Resource, info.ClientID, info.Issuer, info.Subject
	}
	b.events.Observe(r.Context(), e)
}

// session is the session of one request: the id that next knows it by, and the one that the client
// does.
type session struct {
	binder       *Binder
	user         [sha256.Size]byte
	inner, outer string
}

// name returns the client's id for one of next. A session keeps its id, since clients compare.
func (s *session) name(inner string) string {
	if inner == s.inner && s.outer != "" {
		return s.outer
	}
	return s.binder.box.Seal(append(s.user[:], inner...), time.Time{})
}

// writer renames the session in an answer's header.
type writer struct {
	http.ResponseWriter

	session session
	done    bool
}

func (w *writer) rename() {
	if w.done {
		return
	}
	w.done = true
	if inner := w.Header().Get(header); inner != "" {
		w.Header().Set(header, w.session.name(inner))
	}
}

// WriteHeader implements [http.ResponseWriter].
func (w *writer) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols { // the headers of others are not the answer's
		w.rename()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(content []byte) (int, error) {
	w.rename()
	return w.ResponseWriter.Write(content)
}

// flushingWriter is a writer whose answer can be streamed. Libraries look for [http.Flusher], and
// stream nothing without.
type flushingWriter struct{ *writer }

// Flush implements [http.Flusher].
func (w *flushingWriter) Flush() { _ = w.FlushError() }

// FlushError is what [http.ResponseController] prefers.
func (w *flushingWriter) FlushError() error {
	w.rename()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets [http.ResponseController] set deadlines. Writers that cannot flush are not unwrapped:
// what is below them might, with the session's name as it is.
func (w *flushingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
