package runtime_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// RFC 6750 section 2.2 lets a form carry a token; nothing here reads one.
// covers: T-TOK-15
func TestATokenInTheBodyIsNoCredential(t *testing.T) {
	t.Parallel()
	handler := newGuard(t, alice(), nil).Protect(whoever)
	for contentType, body := range map[string]string{
		"application/x-www-form-urlencoded": "access_token=good",
		"application/json":                  `{"access_token":"good"}`,
	} {
		r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s", contentType, w.Code, w.Body)
		}
	}
}
