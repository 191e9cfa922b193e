package seal

import (
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// The vectors come from a second implementation, written from RFC 5869, RFC 8439 and
// draft-irtf-cfrg-xchacha without any library. They hold the format: a value that was sealed by one
// release must open in the next.
var vectors = []struct {
	name    string
	config  Config
	purpose string
	binding Binding
	expires time.Time
	payload string
	sealed  string
}{
	{
		name: "key, expiring", config: Config{Keys: []oauth.Secret{sequenceKey}},
		purpose: "code", binding: exampleBinding, expires: time.Unix(1700000000, 0), payload: "hello",
		sealed: "ASyeQEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXbTOhwhaRp3QVAg3lgCKTVnQf819CTlLaDVj2BkMcNw",
	},
	{
		name: "key, eternal, empty", config: Config{Keys: []oauth.Secret{sequenceKey}},
		purpose: "client",
		sealed:  "AY4cQEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXb-wQ95RQTATtN9bz1pE-nCFMh0WtaSQI",
	},
	{
		name: "client secret, several blocks", config: Config{Secret: "0123456789abcdef0123456789abcdef"},
		purpose: "refresh", binding: exampleBinding, expires: time.Unix(1893456000, 0), payload: sequence(200),
		sealed: "Aa6DQEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXPF1ljXEu4rpK8XMbPZnP824-QV16sfXE1IcH59VWGNk82lBVfq_K41ggv9RrCLe5k" +
			"bo72Jl2bnlNe6cbPUgdIgz8-PjEdz_a-B5XLkkYv4x717pq2spdCa7UjBC-dJ6QQBs9pE4pWtrMv1RaYmtfM7U2YbHh02cvJ8kVbf2-5mL3" +
			"BW0ExTDBGgB5E3norKOzx7UwrqoWDGDcXnxAlwTJBcUMwEbncaVnHSW6gyr0ycH8OJWT-GMBQvKIRNnYqyrYDjIY-pOb3MVdAZnHIbwg_ee" +
			"USlwnPjqwaKkfSRKnIZuMKHNnyw",
	},
}

const sequenceKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" // bytes 0 to 31, a test value

var exampleBinding = Binding{
	Issuer: "https://idp.example.com", Resource: "https://mcp.example.com/mcp", Provider: "example", Client: "client-1",
}

func sequence(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

func TestSealMatchesTheVectors(t *testing.T) {
	t.Parallel()
	nonce := [24]byte([]byte(sequence(88)[64:]))
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			ring, err := NewRing(v.config)
			if err != nil {
				t.Fatal(err)
			}
			box := ring.Box(v.purpose, v.binding)
			if got := encode(box.sealWith(nonce, "", []byte(v.payload), v.expires)); got != v.sealed {
				t.Errorf("sealed\n got %s\nwant %s", got, v.sealed)
			}
			payload, expires, err := box.Open(v.sealed, time.Unix(1600000000, 0))
			if err != nil || string(payload) != v.payload || !expires.Equal(v.expires) {
				t.Errorf("opened %q, expires %v, error %v", payload, expires, err)
			}
		})
	}
}
