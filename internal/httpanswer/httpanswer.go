// Package httpanswer writes what several handlers answer in the same way: JSON, and how long to
// wait.
package httpanswer

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// JSON answers with a value as JSON. Nobody may store the answer, unless the handler has set
// Cache-Control before.
func JSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // the server's own types marshal
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	if err != nil {
		w.Header().Set("Cache-Control", "no-store")
	}
	Text(w, status, body)
}

// Text is [JSON] for a value that is JSON text already: it goes out byte for byte.
func Text(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone when this fails
}

// RetryAfter tells a client how long to wait (RFC 9110 section 10.2.3): in whole seconds, rounded
// up, so that nobody comes too early. Without a wait it sets nothing.
func RetryAfter(header http.Header, wait time.Duration) {
	if wait > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((wait-1)/time.Second)+1, 10))
	}
}
