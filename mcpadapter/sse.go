package mcpadapter

import (
	"bytes"
	"net/http"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/auth"
)

// sseSessions binds the sessions of the SDK's HTTP+SSE transport to their users. The SDK does so
// for the streamable transport only: here, whoever knew a session's id could have tools called in
// the name of the user who opened it (MCP security best practices, "Session Hijacking").
type sseSessions struct {
	next http.Handler

	mu    sync.Mutex
	users map[string]string // by session id
}

// sseParameter names the session in the address that a client sends its messages to.
const sseParameter = "sessionid"

func (s *sseSessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := auth.TokenInfoFromContext(r.Context()).UserID
	if r.Method == http.MethodPost {
		if !s.belongs(r.URL.Query().Get(sseParameter), user) {
			http.Error(w, "session not found", http.StatusNotFound)
			return
		}
		s.next.ServeHTTP(w, r)
		return
	}
	stream := &sseWriter{ResponseWriter: w, opened: func(id string) { s.bind(id, user) }}
	defer func() { s.forget(stream.id) }()
	s.next.ServeHTTP(stream, r)
}

func (s *sseSessions) belongs(id, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, ok := s.users[id]
	return ok && owner == user
}

func (s *sseSessions) bind(id, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[id] = user
}

func (s *sseSessions) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, id)
}

// sseWriter finds the session's id in the event that opens a stream, before the client can. If the
// SDK came to write it differently, every message would be refused.
type sseWriter struct {
	http.ResponseWriter

	opened func(id string)
	id     string
}

// Write implements http.ResponseWriter.
func (w *sseWriter) Write(event []byte) (int, error) {
	if w.id == "" {
		_, rest, _ := bytes.Cut(event, []byte(sseParameter+"="))
		if id, _, _ := strings.Cut(string(rest), "\n"); id != "" {
			w.id = id
			w.opened(id)
		}
	}
	return w.ResponseWriter.Write(event)
}

// Unwrap lets [http.ResponseController] flush.
func (w *sseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
