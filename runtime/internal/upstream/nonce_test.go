package upstream

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

func TestIDTokensThatDoNotBelongHere(t *testing.T) {
	t.Parallel()
	const iss, clientID = "https://idp.example.com", "upstream-client"
	now := time.Unix(1_800_000_000, 0)
	c, err := New(Config{
		Provider: facts.Upstream{
			Name: "fake", Issuer: iss, Authorization: iss + "/authorize", Token: iss + "/token",
			Credentials: facts.Credentials{ClientID: clientID},
		},
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	token := func(iss, aud, nonce string, exp int64) string {
		claims := fmt.Sprintf(`{"iss":%q,"aud":%s,"nonce":%q,"exp":%d}`, iss, aud, nonce, exp)
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	later := now.Add(time.Minute).Unix()
	if err := c.checkNonce(token(iss, `["other","`+clientID+`"]`, "n", later), "n"); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for name, bad := range map[string]string{
		"another issuer": token("https://evil.example", `"`+clientID+`"`, "n", later),
		"another client": token(iss, `"other"`, "n", later), "another nonce": token(iss, `"`+clientID+`"`, "m", later),
		"expired": token(iss, `"`+clientID+`"`, "n", now.Unix()), "rubbish": "a.b.c", "empty": "", "two parts": "e30.e30",
	} {
		if c.checkNonce(bad, "n") == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
