package spec_test

import (
	"strings"
	"testing"
)

// The key of private_key_jwt is needed where tokens are asked about as it is at the token endpoint.
func TestKeysForQuestionsAboutTokens(t *testing.T) {
	t.Parallel()
	base := string(read(t, "testdata/errors/credentials-missing.yaml"))
	const key = "\n  - { name: key, type: secret, doc: Key. }\nvalues:"
	for name, c := range map[string]struct {
		introspection string
		more          []string
		want          string
	}{
		"a key":                      {"{ auth_method: private_key_jwt, client_key: key }", []string{"\nvalues:", key}, ""},
		"no key":                     {"{ auth_method: private_key_jwt }", nil, "private_key_jwt needs client_key: the config field with the private key"},
		"a key for another method":   {"{ auth_method: bearer, client_secret: key, client_key: key }", []string{"\nvalues:", key}, "client_key does nothing: auth_method is not private_key_jwt"},
		"a secret beside it":         {"{ auth_method: private_key_jwt, client_key: key, client_secret: key }", []string{"\nvalues:", key}, "client_secret does nothing: private_key_jwt signs with client_key"},
		"the key of the application": {"{ auth_method: private_key_jwt }", []string{"\nvalues:", key, "  client_id: clientId\n", "  client_id: clientId\n  auth_method: private_key_jwt\n  client_key: key\n"}, ""},
		"a name of a key and no key": {"{ auth_method: client_secret_post, client_secret: key, client_key_id: clientId }", []string{"\nvalues:", key}, "client_key_id names a key, and there is none"},
		"a key that is not a secret": {"{ auth_method: private_key_jwt, client_key: clientId }", nil, "clientId is a string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(base, "  check: introspection\n", "  check: introspection\n  introspection: "+c.introspection+"\n", 1)
			for i := 0; i < len(c.more); i += 2 {
				text = strings.Replace(text, c.more[i], c.more[i+1], 1)
			}
			problems := check("example.yaml", []byte(text))
			var said []string
			for _, p := range problems {
				said = append(said, p.Message)
			}
			if joined := strings.Join(said, "; "); c.want == "" && joined != "" || !strings.Contains(joined, c.want) {
				t.Errorf("says %q, want %q", joined, c.want)
			}
		})
	}
}
