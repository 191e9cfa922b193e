package gateway

import (
	"context"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/readiness"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// told passes events on.
type told chan observe.Event

func (t told) Observe(_ context.Context, e observe.Event) { t <- e }

// An upstream that starts after the gateway, goes and comes back.
func TestReadinessFollowsTheUpstream(t *testing.T) {
	t.Parallel()
	listen := func(at string) net.Listener {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		return listener
	}
	listener := listen("127.0.0.1:0")
	at := listener.Addr().String()
	_ = listener.Close()
	said := make(told)
	g, err := New(Config{Upstream: "http://" + at + "/mcp?key=s3cret", Observer: said})
	if err != nil {
		t.Fatal(err)
	}
	parts := readiness.New(nil, Part)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { g.watch(ctx, parts, time.Millisecond); close(ended) }()
	expect := func(begin string, ready bool) {
		t.Helper()
		e := <-said
		if !strings.HasPrefix(e.Message, begin) || parts.Ready() != ready || strings.Contains(e.URL, "s3cret") {
			t.Errorf("the operator is told %q of %s, ready is %v", e.Message, e.URL, parts.Ready())
		}
	}
	for range 2 {
		expect("not ready: ", false)
		listener = listen(at)
		expect("ready: ", true)
		_ = listener.Close()
	}
	expect("not ready: ", false)
	w := httptest.NewRecorder()
	if parts.ServeHTTP(w, nil); w.Code != 503 || !strings.Contains(w.Body.String(), `"upstream":{"ready":false`) {
		t.Errorf("/readyz answers %d %s", w.Code, w.Body)
	}
	stop()
	<-ended
}

func TestTextsThatDifferAreEncodedDifferently(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, list := range [][]string{
		nil, {"a,b"}, {"a", "b"}, {"a%2Cb"}, {"a%252Cb"}, {"a b"}, {"a%20b"}, {" a"}, {"a "}, {"a"}, {"é"}, {"\xe9"}, {"%C3%A9"}, {"a\tb"}, {"a\x7fb"}, {"a", "", "c"},
	} {
		key := strings.Join(list, "\x00")
		encoded := encodeList(list, ",")
		if other, ok := seen[encoded]; ok {
			t.Errorf("%q and %q are both %s", other, key, encoded)
		}
		seen[encoded] = key
		if strings.ContainsFunc(encoded, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q is %q", key, encoded)
		}
	}
}
