package spec_test

import (
	"strings"
	"testing"
)

// TestAnIssuerMayBeAnIdentifierOrAnAddress derives an issuer from a field that holds any
// StringOrURI or, where it is empty, from an address or a text with a host in it.
func TestAnIssuerMayBeAnIdentifierOrAnAddress(t *testing.T) {
	t.Parallel()
	data := string(read(t, "testdata/errors/title-optional.yaml"))
	withHost := strings.NewReplacer(`"{serverUrl}/oauth"] }`, `"http://{realm}/trust"] }`,
		"config:\n", "config:\n  - { name: realm, type: host, required: true, example: id.example.com, doc: Realm. }\n")
	withText := strings.NewReplacer(`"{serverUrl}/oauth"] }`, `"http://{clientId}/trust"] }`)
	for _, change := range [][2]string{
		{"name: nick, type: string", "name: nick, type: identifier"},
		{"  title: \"{nick}\"\n", ""},
		{"values:\n", "values:\n  either: { first: [\"{nick}\", \"{serverUrl}/oauth\"] }\n"},
		{"issuer: \"{serverUrl}\"", "issuer: \"{either}\""},
	} {
		if !strings.Contains(data, change[0]) {
			t.Fatalf("the spec has no %q", change[0])
		}
		data = strings.Replace(data, change[0], change[1], 1)
	}
	t.Run("is accepted as an issuer", func(t *testing.T) {
		t.Parallel()
		if problems := check("specs/example.yaml", []byte(data)); len(problems) > 0 {
			t.Errorf("problems are %v", problems)
		}
	})
	t.Run("is accepted as an issuer where it is text with a host", func(t *testing.T) {
		t.Parallel()
		if problems := check("specs/example.yaml", []byte(withHost.Replace(data))); len(problems) > 0 {
			t.Errorf("problems are %v", problems)
		}
	})
	t.Run("is refused where any text could stand in place of the host", func(t *testing.T) {
		t.Parallel()
		problems := check("specs/example.yaml", []byte(withText.Replace(data)))
		if len(problems) != 1 || problems[0].Rule != "reference-place" {
			t.Errorf("problems are %v", problems)
		}
	})
	t.Run("is refused as an endpoint", func(t *testing.T) {
		t.Parallel()
		problems := check("specs/example.yaml", []byte(strings.Replace(data, `"{base}/token"`, `"{either}"`, 1)))
		if len(problems) != 1 || problems[0].Rule != "url-start" {
			t.Errorf("problems are %v", problems)
		}
	})
}
