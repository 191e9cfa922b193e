package runtime_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// streaming answers with an event a second until its context ends, and says why it ended.
func streaming(ended *error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			if _, err := io.WriteString(w, "data: x\n\n"); err != nil {
				*ended = err
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				*ended = context.Cause(r.Context())
				return
			case <-time.After(time.Second):
			}
		}
	})
}

// deaf streams without a look at its context.
func deaf(ended *error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, *ended = io.WriteString(w, "x"); *ended != nil {
				return
			}
			time.Sleep(time.Second)
		}
	})
}

// waiting answers nothing until its context ends.
func waiting(ended *error) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		*ended = context.Cause(r.Context())
	})
}

// TestStreamsEndWithTheirToken lets an hour pass for each stream.
// covers: R11, T-BUD-04
func TestStreamsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	type change = func(*fakeProvider)
	inactive := func(p *fakeProvider) { p.err = oauth.InvalidToken(oauth.ReasonInactive, nil) }
	for name, c := range map[string]struct {
		method, accept string
		handler        func(*error) http.Handler
		expires        time.Duration // 0 is never
		after          change        // before the first look
		insecure       bool
		want           time.Duration // 0 is not within an hour
	}{
		"R11: at expiry and leeway":                {method: "GET", handler: streaming, expires: 4 * time.Second, want: 34 * time.Second},
		"R11: expiry between two looks":            {method: "GET", handler: streaming, expires: 90 * time.Second, want: 120 * time.Second},
		"R11: a POST that is answered by events":   {method: "POST", handler: streaming, expires: 4 * time.Second, want: 34 * time.Second},
		"R11: a GET that only waits":               {method: "GET", handler: waiting, expires: 4 * time.Second, want: 34 * time.Second},
		"R11: a handler that looks at no context":  {method: "GET", handler: deaf, expires: 4 * time.Second, want: 34 * time.Second},
		"R11: a revocation":                        {method: "GET", handler: streaming, expires: time.Hour, after: inactive, want: time.Minute},
		"R11: a revocation without an expiry":      {method: "POST", handler: streaming, after: inactive, want: time.Minute},
		"R11: another caller":                      {method: "GET", handler: streaming, after: func(p *fakeProvider) { p.callers["good"] = &oauth.AuthInfo{Subject: "mallory"} }, want: time.Minute},
		"R11: a provider that stays down":          {method: "GET", handler: streaming, after: func(p *fakeProvider) { p.err = errors.New("down") }, want: 5 * time.Minute},
		"R11: a verifier that panics":              {method: "GET", handler: streaming, after: func(*fakeProvider) { panic("broken") }, want: 5 * time.Minute},
		"R11: not when switched off":               {method: "GET", handler: streaming, expires: 4 * time.Second, insecure: true},
		"R11: not while the token is good":         {method: "GET", handler: streaming},
		"R11: a POST that is no stream may finish": {method: "POST", handler: waiting, expires: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := alice()
				if c.expires > 0 {
					p.callers["good"].ExpiresAt = time.Now().Add(c.expires)
				}
				seen := &everything{}
				g := newGuard(t, p, func(config *runtime.GuardConfig) {
					config.InsecureStreamsOutliveTokens, config.Observer = c.insecure, seen
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				r := httptest.NewRequestWithContext(ctx, c.method, "/mcp", nil)
				r.Header.Set("Authorization", "Bearer good")
				asked := 0
				p.asked = func(string, string) {
					if asked++; asked > 1 && c.after != nil {
						c.after(p)
					}
				}
				begin := time.Now()
				var ended error
				w := httptest.NewRecorder()
				g.Protect(c.handler(&ended)).ServeHTTP(w, r)
				took := time.Since(begin).Truncate(time.Second)
				if want := c.want; want == 0 && took != time.Hour || want != 0 && took.Truncate(2*time.Second) != want {
					t.Errorf("ended after %s (%v), want %s", took, ended, want)
				}
				if c.want != 0 && (len(seen.of(observe.StreamEnded)) != 1 || seen.of(observe.StreamEnded)[0].Reason == "") {
					t.Errorf("the events are %+v", seen.of(observe.StreamEnded))
				}
			})
		})
	}
}
