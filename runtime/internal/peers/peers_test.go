package peers_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/peers"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

func from(peer string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.RemoteAddr = peer
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	return r
}

// covers: A1, A2
func TestAPrivatePeerHasNoBudgetOfItsOwn(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	sender := events.To(observe.Slog(slog.New(slog.NewTextHandler(&log, nil))))
	clients := peers.New(nil, sender)
	for peer, want := range map[string]string{
		"127.0.0.1:1": "", "[::1]:1": "", "[fd00::1]:1": "", "192.168.0.1:1": "", "100.64.0.1:1": "", "169.254.1.1:1": "",
		"192.0.2.1:1": "192.0.2.1", "[2001:db8::1]:1": "2001:db8::/64",
	} {
		if got := clients.Budget(from(peer)); got != want {
			t.Errorf("%s counts under %q, want %q", peer, got, want)
		}
	}
	if n := strings.Count(log.String(), "budgets per client address are off"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
	log.Reset()
	named := peers.New(func(*http.Request) string { return "10.9.9.9" }, sender) // by a trusted proxy
	if got := named.Budget(from("10.1.2.3:1")); got != "10.9.9.9" || log.Len() > 0 {
		t.Errorf("counts under %q, with the log %q", got, log.String())
	}
}

// The address behind a reverse proxy is for the operator to say; nothing is taken from a header by
// itself.
// covers: T-OPS-02
func TestTheAddressIsTheConnectionsOwnUnlessTheOperatorSaysOtherwise(t *testing.T) {
	t.Parallel()
	if got := peers.New(nil, nil).Address(from("192.0.2.1:1234")); got != "192.0.2.1" {
		t.Errorf("got %s", got)
	}
	forwarded := func(r *http.Request) string { return r.Header.Get("X-Forwarded-For") }
	if got := peers.New(forwarded, nil).Address(from("192.0.2.1:1234")); got != "198.51.100.1" {
		t.Errorf("got %s", got)
	}
}
