package httpanswer_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
)

func TestRetryAfterIsRoundedUp(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		0: "", -time.Second: "", 1: "1", time.Millisecond: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90",
		1500 * time.Millisecond: "2", math.MaxInt64: "9223372037",
	} {
		header := http.Header{}
		httpanswer.RetryAfter(header, wait)
		if got := header.Get("Retry-After"); got != want {
			t.Errorf("%v: %q, want %q", wait, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value              any
		caching, wantCache string
		wantStatus         int
		wantBody           string
	}{
		"an answer is not stored":            {map[string]int{"a": 1}, "", "no-store", http.StatusCreated, `{"a":1}`},
		"unless the handler says so":         {map[string]int{"a": 1}, "public", "public", http.StatusCreated, `{"a":1}`},
		"what cannot be written is an error": {func() {}, "public", "no-store", http.StatusInternalServerError, `{"error":"server_error"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			if c.caching != "" {
				w.Header().Set("Cache-Control", c.caching)
			}
			httpanswer.JSON(w, http.StatusCreated, c.value)
			h := w.Header()
			if w.Code != c.wantStatus || w.Body.String() != c.wantBody || h.Get("Cache-Control") != c.wantCache ||
				h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%d %v %s", w.Code, h, w.Body)
			}
		})
	}
}
