package clients

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

func newRegistry(t *testing.T) *Registry {
	t.Helper()
	ring, err := seal.NewRing(seal.Config{Secret: "test-secret-0123456789-0123456789-01"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{
		Box: tickets.New(ring, seal.Binding{}, tickets.ID{}, time.Now).Client, CustomSchemes: []string{"cursor"}, GrantTypes: []string{"authorization_code"},
		Documents: proxy.ClientDocuments{Client: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			t.Error("something is fetched")
			return nil, http.ErrHandlerTimeout
		})}},
		MayFetch: func(string, time.Time) bool { return true }, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func registered(t *testing.T, r *Registry) string {
	t.Helper()
	client, refused := r.Register(t.Context(), `{"client_name":"X","redirect_uris":["https://client.example.com/cb","cursor://x/cb","http://127.0.0.1/cb"]}`)
	if refused != nil {
		t.Fatal(refused)
	}
	return client.ClientID
}

// Clients have no secret: one that brings some takes the server for another. An assertion is none
// before its client has keys.
// covers: AS-15
func TestHowClientsSayWhoTheyAre(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	id := registered(t, r)
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	const document = "https://client.example.com/client.json"
	for name, c := range map[string]struct {
		presented Presented
		want      string
	}{
		"by client_id":                      {Presented{ID: id}, id},
		"by a document's address":           {Presented{ID: document}, document},
		"by a Basic header without secret":  {Presented{Authorization: basic(id, "")}, id},
		"twice alike":                       {Presented{ID: id, Authorization: basic(id, "")}, id},
		"not at all":                        {Presented{}, ""},
		"twice differently":                 {Presented{ID: document, Authorization: basic(id, "")}, ""},
		"with a secret":                     {Presented{ID: id, Secret: "x"}, ""},
		"with a secret in the header":       {Presented{Authorization: basic(id, "x")}, ""},
		"with an assertion":                 {Presented{ID: id, Assertion: "x"}, ""},
		"with a type of assertion":          {Presented{ID: id, AssertionType: "x"}, ""},
		"with a token in the header":        {Presented{ID: id, Authorization: "Bearer x"}, ""},
		"by a client_id of nobody":          {Presented{ID: "nobody"}, ""},
		"by a client_id that was cut":       {Presented{ID: id[:len(id)-1]}, ""},
		"by an address that is no document": {Presented{ID: "https://client.example.com"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, refused := r.Identify(t.Context(), c.presented, "192.0.2.1")
			if c.want != "" && (got.ID != c.want || got.Authenticated || refused != nil) {
				t.Errorf("%+v, %v", got, refused)
			}
			if c.want == "" && (refused == nil || refused.Code != oauth.CodeInvalidClient || refused.Status != http.StatusUnauthorized) {
				t.Errorf("%+v, %v", got, refused)
			}
		})
	}
}

func TestWhereAClientMayBeRedirectedTo(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	client, refused := r.Find(t.Context(), registered(t, r), "")
	if refused != nil {
		t.Fatal(refused)
	}
	for uri, want := range map[string]struct{ native, refused bool }{
		"https://client.example.com/cb": {false, false}, "cursor://x/cb": {true, false}, "http://127.0.0.1:40123/cb": {true, false},
		"https://client.example.com/other": {false, true}, "https://evil.example/cb": {false, true}, "javascript:alert(1)": {false, true},
	} {
		if native, refused := r.Redirect(client, uri); native != want.native || (refused != nil) != want.refused {
			t.Errorf("%s: native %v, %v", uri, native, refused)
		}
	}
}
