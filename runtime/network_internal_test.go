package runtime

import (
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// covers: R18
func TestWhatTheClientForAProviderMayReach(t *testing.T) {
	t.Parallel()
	in := NewInputs("Example", InsecureHTTPHost("keycloak:8080"), WithLogger(slog.New(slog.DiscardHandler)),
		WithLookupEnv(func(string) (string, bool) { return "", false }))
	in.URL("http://keycloak:8080/realms/x", Field{})
	in.URL("https://kc.internal", Field{})
	if err := in.reach("https://accounts.example.com/token", "http://idp.example.com/keys", "https://10.0.0.2/keys", "urn:none", "::"); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"http://keycloak:8080/token": true, "https://kc.internal/x": true, "https://accounts.example.com/token": true,
		"http://keycloak/token": false, "http://kc.internal/x": false, "http://accounts.example.com/token": false,
		"http://idp.example.com/keys": false, "https://10.0.0.2/keys": false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := egress.CheckURL(in.options.client, u); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// covers: R18
func TestMetadataIsFetchedFromWhereTheOperatorSays(t *testing.T) {
	t.Parallel()
	for name, forms := range map[string][]facts.Form{
		"R18: of a provider that has some": {facts.OpenIDAppended, facts.OAuthInserted}, "R18: of one whose spec knows none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			client := &http.Client{Transport: recording(func(r *http.Request) { asked = append(asked, r.URL.String()) })}
			in := NewInputs("Example", WithHTTPClient(client), WithLogger(slog.New(slog.DiscardHandler)),
				InsecureHTTPHost("keycloak"), WithEndpoint("discovery", "http://keycloak:8080/metadata"))
			p, err := New(in, Definition{
				Name: "example", Issuer: "https://idp.example.com", Endpoints: oauth.Endpoints{JWKS: "https://idp.example.com/keys"},
				Discovery: forms, Tokens: facts.Rules{Algorithms: []string{"ES256"}, Audience: facts.Audience{OrResource: true}},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = p.metadata.Document(t.Context(), oauth.WellKnownAuthorizationServer)
			for _, address := range asked {
				if address != "http://keycloak:8080/metadata" {
					t.Errorf("asked %s", address)
				}
			}
			if len(asked) == 0 {
				t.Error("asked nobody")
			}
		})
	}
}

// recording is a transport that notes requests and answers none.
type recording func(*http.Request)

// RoundTrip implements http.RoundTripper.
func (f recording) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return nil, http.ErrServerClosed
}
