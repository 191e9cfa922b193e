package bench_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/observe/audit"
)

// BenchmarkAudit writes records into a file and waits until the last one is in it. "request" is how
// long a request waits for its record.
func BenchmarkAudit(b *testing.B) {
	refused := observe.Event{
		Kind: observe.RequestRefused, Time: time.Now(), Reason: oauth.ReasonAudience, Status: 401, Provider: "google",
		Resource: "https://mcp.example.com/mcp", Client: "https://client.example.com/metadata", Issuer: "https://idp.example.com",
		Subject: "1101", Email: "ada@example.com", ScopesHad: []string{"openid", "email"},
	}
	for name, person := range map[string]audit.Person{"plain": audit.Plain, "hash": audit.Hash} {
		b.Run(name, func(b *testing.B) {
			log, err := audit.Open(filepath.Join(b.TempDir(), "audit.log"), audit.Config{Person: person, Key: "an obvious test key", Queue: b.N})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				log.Observe(b.Context(), refused)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "request-ns")
			if err := log.Close(b.Context()); err != nil { // says where records were lost
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
