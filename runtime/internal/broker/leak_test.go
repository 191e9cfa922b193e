package broker

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// A broker owns no goroutine: whatever was asked of it, nothing runs on. Not parallel, since it
// counts.
func TestNothingIsLeftBehind(t *testing.T) { //nolint:paralleltest // counts goroutines
	s := newDocumentServer(t)
	w := newWorld(t, 2, func(c *Config) { c.ClientDocuments.Client = s.Client() })
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	w.refreshed(clientID, tokens.RefreshToken)
	w.newBrowser().open(authorizeURL(s.id(), webRedirect))
	settle := func() int {
		w.provider.server.Client().CloseIdleConnections()
		s.Client().CloseIdleConnections()
		return brokerGoroutines()
	}
	for range 50 {
		w.newBrowser().open(authorizeURL("nobody", webRedirect))
		w.newBrowser().open(testResource + "/oauth/callback?state=x&code=y")
		w.post("/token", refreshForm(clientID, "rubbish"))
		w.newBrowser().open(authorizeURL(s.URL+"/missing", webRedirect))
	}
	deadline := time.After(5 * time.Second)
	for settle() > 0 {
		select {
		case <-deadline:
			t.Fatalf("%d goroutines of the broker still run", settle())
		default:
			runtime.Gosched()
		}
	}
}

// brokerGoroutines counts the goroutines, other than tests, that run code of this package.
func brokerGoroutines() int {
	buf := make([]byte, 1<<20)
	n := 0
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "runtime/internal/broker") && !strings.Contains(stack, "testing.tRunner") {
			n++
		}
	}
	return n
}
