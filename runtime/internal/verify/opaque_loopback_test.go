package verify_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// overLoopback is a verifier that reaches a real server through the outbound client.
func overLoopback(t *testing.T, handler http.HandlerFunc, timeout time.Duration) *verify.Opaque {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := egress.NewClient(egress.Policy{OperatorHosts: []string{server.URL}})
	t.Cleanup(client.CloseIdleConnections)
	return introspection(t, says(200, ""), func(c *verify.IntrospectionConfig) {
		c.URL, c.Client, c.Timeout = server.URL+"/introspect", client, timeout
	})
}

func TestARealProviderIsAsked(t *testing.T) {
	t.Parallel()
	body := active(t, nil)
	o := overLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != opaqueClient || secret == "" || r.PostFormValue("token") != opaqueToken || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}, 0)
	if info := wantAccepted(t, o); info.Subject != "alice" {
		t.Errorf("the caller is %+v", info)
	}
}

// TestARealProviderMisbehaves: "upstream answers 200 with an error, HTML, a 10 MB body, a redirect;
// hangs".
// covers: T-TOK-19
func TestARealProviderMisbehaves(t *testing.T) {
	t.Parallel()
	var strangers atomic.Int32
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
	t.Cleanup(stranger.Close)
	jsonHeader := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") }
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		timeout time.Duration
	}{
		"HTML": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>sign in</html>")
		}, 0},
		"a redirect to a stranger": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", stranger.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, 0},
		"ten megabytes": {func(w http.ResponseWriter, _ *http.Request) {
			jsonHeader(w)
			_, _ = io.WriteString(w, `{"active":true,"padding":"`+strings.Repeat("x", 10<<20)+`"}`)
		}, 0},
		"ten megabytes in a small gzip": {func(w http.ResponseWriter, _ *http.Request) {
			jsonHeader(w)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, `{"active":true,"padding":"`+strings.Repeat("x", 10<<20)+`"}`)
			_ = z.Close()
		}, 0},
		"an error with status 200": {func(w http.ResponseWriter, _ *http.Request) {
			jsonHeader(w)
			_, _ = io.WriteString(w, `{"error":"server_error"}`)
		}, 0},
		"an answer that breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			jsonHeader(w)
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"active":true`)
			panic(http.ErrAbortHandler)
		}, 0},
		"silence": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the server notices the end of a connection only then
			<-r.Context().Done()
		}, 50 * time.Millisecond},
		"an answer that never ends": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			jsonHeader(w)
			_, _ = io.WriteString(w, `{"active":true,`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, 50 * time.Millisecond},
	} {
		t.Run(name+" is an outage", func(t *testing.T) {
			t.Parallel()
			wantOutage(t, overLoopback(t, c.handler, c.timeout))
		})
	}
	t.Cleanup(func() {
		if strangers.Load() > 0 {
			t.Errorf("a redirect carried the token to a stranger")
		}
	})
}

func TestARedirectIsNotFollowedByAnyClient(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, place := range []facts.TokenPlace{facts.TokenInHeader, facts.TokenInForm, facts.TokenInQuery} {
			p := says(status, "", "Location", "https://oauth2.example.com/elsewhere")
			wantOutage(t, googleShaped(t, p, func(c *verify.TokenInfoConfig) { c.Place = place }))
			if p.calls() != 1 {
				t.Errorf("%d by %s was followed", status, place)
			}
		}
	}
}

// A cookie of one question would go with the next, which is about another user.
func TestNoQuestionCarriesACookie(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := reply(200, `{"active":false}`, "Set-Cookie", "session=of-somebody; Path=/; Secure")
	p := &providerAPI{answer: func(asked) *http.Response { return answer }}
	client := p.client()
	client.Jar = jar
	o := introspection(t, p, func(c *verify.IntrospectionConfig) { c.Client = client })
	wantRefused(t, o, oauth.ReasonInactive)
	answer = reply(200, active(t, nil))
	if _, err := o.Verify(t.Context(), presented("another-token-of-the-test", opaqueResource)); err != nil {
		t.Fatal(err)
	}
	for _, question := range p.seen() {
		if cookie := question.Header.Values("Cookie"); len(cookie) != 0 {
			t.Errorf("a question carries %q", cookie)
		}
		u, err := url.Parse(question.URL)
		if err != nil {
			t.Fatal(err)
		}
		if cookies := jar.Cookies(u); len(cookies) != 0 {
			t.Errorf("the caller's jar holds %v", cookies)
		}
	}
	if client.Jar == nil {
		t.Error("the caller's client lost its jar")
	}
}

func TestTheDefaultClientReachesPublicHostsOnly(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(server.Close)
	o := introspection(t, says(200, ""), func(c *verify.IntrospectionConfig) { c.URL, c.Client = server.URL, nil })
	_, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
	var refused *egress.Error
	if !errors.Is(err, oauth.ErrTemporarilyUnavailable) || !errors.As(err, &refused) || reached.Load() != 0 {
		t.Errorf("got %v, the host was reached %d times", err, reached.Load())
	}
}
