package bench_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
	"github.com/latchkey-auth/latchkey/internal/jose"
)

func newWorld(tb testing.TB, a jose.Algorithm) *bench.World {
	tb.Helper()
	w, err := bench.NewWorld(a)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.Close)
	return w
}

// run makes a Go benchmark of each piece.
func run(b *testing.B, prefix string, pieces []bench.Piece, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range pieces {
		b.Run(prefix+strings.ReplaceAll(p.Name, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFirstSeen verifies tokens that were not seen before.
func BenchmarkFirstSeen(b *testing.B) {
	for _, a := range bench.Algorithms {
		pieces, err := newWorld(b, a).FirstSeen(b.Context())
		run(b, string(a)+"/", pieces, err)
	}
}

// BenchmarkCached verifies known tokens.
func BenchmarkCached(b *testing.B) {
	pieces, err := newWorld(b, jose.RS256).Cached(b.Context())
	run(b, "", pieces, err)
}

// BenchmarkCachedParallel finds one known token again on all processors: compare -cpu 1 and -cpu 2.
func BenchmarkCachedParallel(b *testing.B) {
	names, newPiece, err := newWorld(b, jose.RS256).Shared(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for i, name := range names {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				piece := newPiece[i]()
				for pb.Next() {
					if err := piece.Run(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkInProcess serves requests without a socket.
func BenchmarkInProcess(b *testing.B) {
	pieces, err := newWorld(b, jose.RS256).InProcess(b.Context())
	run(b, "", pieces, err)
}

// BenchmarkRefused refuses tokens.
func BenchmarkRefused(b *testing.B) {
	pieces, err := newWorld(b, jose.RS256).Refused(b.Context())
	run(b, "", pieces, err)
}

// TestAllDoTheSameJob keeps the comparison honest: everybody accepts the good token and refuses a
// forged one, one for another server and an expired one.
func TestAllDoTheSameJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, jose.RS256)
	good, err := w.Token(1)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{"forged": good[:len(good)-8] + "AAAAAAAA"}
	for name, change := range map[string]func(map[string]any){
		"for another server":  func(c map[string]any) { c["aud"] = "https://other.example.com" },
		"expired":             func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() },
		"of another provider": func(c map[string]any) { c["iss"] = "https://other.example.com/" },
	} {
		if bad[name], err = w.Signed(change); err != nil {
			t.Fatal(err)
		}
	}
	names, verifiers, err := bench.NewPeers(string(w.Algorithm), w.JWKSURL).All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	latchkey, err := w.Verifier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, verify := range append(verifiers, latchkey) {
		name := append(names, "latchkey")[i]
		if err := verify(good); err != nil {
			t.Errorf("%s refuses a good token: %v", name, err)
		}
		for kind, token := range bad {
			if verify(token) == nil {
				t.Errorf("%s accepts a token that is %s", name, kind)
			}
		}
	}
	for _, name := range []string{bench.Latchkey, bench.LatchkeyFresh, bench.EchoJWT, bench.GoSDK, bench.Auth0} {
		server, err := bench.NewServer(t.Context(), name, w.JWKSURL)
		if err != nil {
			t.Fatal(err)
		}
		send := func(token string) (int, string) {
			r := httptest.NewRequest(http.MethodGet, "/mcp/whoami", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, r)
			return answer.Code, answer.Body.String()
		}
		for range 2 {
			if code, body := send(good); code != http.StatusOK || body != bench.Subject {
				t.Errorf("%s answers %d %q to a good token", name, code, body)
			}
		}
		for kind, token := range bad {
			if code, _ := send(token); code == http.StatusOK {
				t.Errorf("%s serves a token that is %s", name, kind)
			}
		}
	}
}
