package broker

import (
	"net/url"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/redirecturi"
)

// An answer leads to the redirect URI's own host, and carries what it was given and nothing else.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{"https://client.example.com/cb", "http://127.0.0.1:1/cb?x=y", "http://[::1]/", "cursor://x/y", "https://a.example/?"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := redirecturi.Parse(raw, []string{"cursor"})
		if err != nil {
			return
		}
		answer := appendQuery(raw, [][2]string{{"code", "x&y=\r\n"}, {"iss", "https://i"}})
		parsed, err := url.Parse(answer)
		if err != nil || parsed.Host != u.Host || parsed.Query().Get("code") != "x&y=\r\n" || parsed.Query().Get("iss") != "https://i" ||
			strings.ContainsAny(answer, "\r\n") {
			t.Fatalf("the answer to %q is %q", raw, answer)
		}
	})
}
