package noredirect_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/noredirect"
)

func TestARedirectIsTheAnswer(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer server.Close()
	given := server.Client()
	given.Timeout = time.Minute
	for _, c := range []*http.Client{given, nil} {
		own := noredirect.Client(c)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := own.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusFound {
			t.Errorf("status %d", response.StatusCode)
		}
		if c != nil && (own.Timeout != c.Timeout || c.CheckRedirect != nil) {
			t.Error("the copy lost a setting, or the client itself was changed")
		}
	}
}
