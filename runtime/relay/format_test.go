package relay_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/relay"
)

// covers: T-OPS-03
func TestPrintingARelayShowsNoSealingKey(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrstuv"))
	r, err := relay.New(relay.Config{PublicURL: "https://app.example.com", SealingKeys: []oauth.Secret{oauth.Secret(key)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if text := fmt.Sprintf(verb, r); strings.Contains(text, key) || !strings.Contains(text, "/oauth") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
