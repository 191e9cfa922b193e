package draft_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/draft"
	"github.com/latchkey-auth/latchkey/gen/internal/generate"
)

// documents are the discovery documents of real providers, put together from their documentation.
func documents(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 10 {
		tb.Fatalf("%d documents, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = data
	}
	return all
}

func write(t *testing.T, name string, data []byte, forms ...string) string {
	t.Helper()
	document, err := draft.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(draft.Spec(document, draft.Source{Name: name, From: "https://id.example.com", On: "2030-01-02", Forms: forms}))
}

// covers: R15
func TestTheIssuerOfAccessTokensMayBeAnother(t *testing.T) {
	t.Parallel()
	data := documents(t)["adfs"]
	text := write(t, "adfs", data)
	if !strings.Contains(text, `issuers: ["http://adfs.example.com/adfs/services/trust"]`) {
		t.Errorf("the draft does not accept the access tokens' issuer:\n%s", text)
	}
	for _, wrong := range []string{"with space", "http://adfs.example.com/{x}", "https://a:b@example.com"} {
		odd := strings.Replace(string(data), "http://adfs.example.com/adfs/services/trust", wrong, 1)
		if _, err := draft.Read([]byte(odd)); err == nil || !strings.Contains(err.Error(), "access_token_issuer") {
			t.Errorf("%q: got %v", wrong, err)
		}
	}
}

func TestDrafts(t *testing.T) {
	t.Parallel()
	for name, data := range documents(t) {
		t.Run("the draft of "+name+" generates as it is, and says what to look up", func(t *testing.T) {
			t.Parallel()
			text := write(t, name, data)
			files, problems, err := generate.Files(
				[]generate.Spec{{File: "specs/" + name + ".yaml", Data: []byte(text)}}, generate.Options{ImportPath: "example.com/p"},
			)
			if err != nil || len(files) == 0 {
				t.Fatalf("no files: %v, %v\n%s", err, problems, text)
			}
			for _, p := range problems {
				if p.Rule != "todo" {
					t.Errorf("%s: %s", p.Rule, p.Message)
				}
			}
			if marks := strings.Count(text, "TODO"); marks == 0 || marks != len(problems) {
				t.Errorf("%d marks, and lint warns of %d", marks, len(problems))
			}
		})
	}
}

func TestDraftOfAnIssuer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, provider, want string }{
		{"keeps the slash of the issuer", "auth0", `issuer: "{serverUrl}/"`},
		{"configures the whole issuer when everything lies below it", "keycloak", `example: "https://keycloak.example.com/realms/mcp"`},
		{"configures the host when endpoints lie beside the issuer", "authentik", `issuer: "{serverUrl}/application/o/mcp/"`},
		{"marks what is on other hosts", "google", `token: "https://oauth2.googleapis.com/token" # TODO`},
		{"names no algorithm with a shared secret", "keycloak", "algorithms: [PS384, RS384, EdDSA, ES384, ES256, RS256, ES512, PS256, PS512, RS512] # TODO"},
		{"asks for no scope that the provider does not know", "ory", "default: [openid, offline_access]"},
		{"takes over no grant that OAuth 2.1 removed", "keycloak", "grants: [authorization_code, refresh_token, client_credentials]"},
		{"stands in for a provider that registers nobody", "entra", "\nmode: proxy # TODO: direct, if"},
		{"has an application where the provider registers nobody", "zitadel", "\nupstream:\n  client_id: clientId\n  client_secret: clientSecret\n"},
		{"asks for the scopes that a login needs", "logto", "\n  required_scopes: [openid, offline_access]\n"},
		{"asks for no such scope that the provider does not know", "google", "\n  required_scopes: [openid]\n"},
		{"tells the redirect URI to register", "authentik", "with /oauth/callback behind it"},
		{"leaves clients that can register to the provider", "keycloak", "\nmode: direct\n"},
		{"leaves clients with metadata documents to the provider", "workos", "\nmode: direct\n"},
		{"takes over claims under their names", "okta", "username: [preferred_username]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if text := write(t, c.provider, documents(t)[c.provider]); !strings.Contains(text, c.want) {
				t.Errorf("the draft does not say %q:\n%s", c.want, text)
			}
		})
	}
}

func TestEd25519IsWrittenAsEdDSA(t *testing.T) {
	t.Parallel()
	var document map[string]any
	if err := json.Unmarshal(documents(t)["keycloak"], &document); err != nil {
		t.Fatal(err)
	}
	for _, listed := range [][]string{{"Ed25519", "ES256"}, {"Ed25519", "EdDSA", "ES256"}} {
		document["id_token_signing_alg_values_supported"] = listed
		data, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		if text := write(t, "keycloak", data); !strings.Contains(text, "algorithms: [EdDSA, ES256]") {
			t.Errorf("a provider with %v gives\n%s", listed, text)
		}
	}
}

func TestTheApplicationOfADraft(t *testing.T) {
	t.Parallel()
	base := map[string]any{
		"issuer": "https://id.example.com", "authorization_endpoint": "https://id.example.com/a",
		"token_endpoint": "https://id.example.com/t", "jwks_uri": "https://id.example.com/k",
		"code_challenge_methods_supported": []string{"S256"},
	}
	for _, c := range []struct {
		name          string
		member        string
		value         any
		want, without string
	}{
		{"is in mode direct with metadata documents alone", "client_id_metadata_document_supported", true, "mode: direct", "upstream:"},
		{"is in mode direct with a registration endpoint", "registration_endpoint", "https://id.example.com/r", "mode: direct", "upstream:"},
		{"sends its secret as RFC 8414's default says", "token_endpoint_auth_methods_supported", nil, "mode: proxy", "auth_method"},
		{"prefers the header", "token_endpoint_auth_methods_supported", []string{"client_secret_post", "client_secret_basic"}, "upstream:", "auth_method"},
		{"sends its secret in the body where nothing else will do", "token_endpoint_auth_methods_supported", []string{"client_secret_post"}, "  auth_method: client_secret_post", "none"},
		{"says that PKCE is not announced", "code_challenge_methods_supported", []string{"plain"}, "does not announce PKCE", "discovery:"},
		{"trusts PKCE that is announced", "code_challenge_methods_supported", []string{"plain", "S256"}, "upstream:", "PKCE"},
		{"has no discovery document", "scopes_supported", []string{"read"}, "upstream:", "discovery:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			document := maps.Clone(base)
			document[c.member] = c.value
			data, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			text := write(t, "acme", data, "oidc")
			if !strings.Contains(text, c.want) || strings.Contains(text, c.without) {
				t.Errorf("want %q and not %q in\n%s", c.want, c.without, text)
			}
			_, problems, err := generate.Files([]generate.Spec{{File: "specs/acme.yaml", Data: []byte(text)}}, generate.Options{ImportPath: "example.com/p"})
			for _, p := range problems {
				if p.Rule != "todo" {
					t.Errorf("%s: %s", p.Rule, p.Message)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	good := map[string]any{
		"issuer": "https://id.example.com", "authorization_endpoint": "https://id.example.com/a",
		"token_endpoint": "https://id.example.com/t", "jwks_uri": "https://id.example.com/k",
	}
	for _, c := range []struct {
		name   string
		member string
		value  any
		want   string
	}{
		{"a document without issuer", "issuer", nil, "has no issuer"},
		{"a document without keys, whose tokens must be opaque", "jwks_uri", nil, "opaque"},
		{"plain http", "token_endpoint", "http://id.example.com/t", "must use https"},
		{"credentials in a URL", "issuer", "https://user@id.example.com", "is no URL"},
		{"a template in a URL", "issuer", "https://id.example.com/{tenantid}", "characters"},
		{"a line break in a URL", "jwks_uri", "https://id.example.com/\nname: evil", "no URL"},
		{"quotes in a URL", "jwks_uri", `https://id.example.com/"`, "characters"},
		{"a fragment", "token_endpoint", "https://id.example.com/t#x", "characters"},
		{"dot segments", "token_endpoint", "https://id.example.com/../t", "dot segments"},
		{"a query in the issuer", "issuer", "https://id.example.com?x", "query"},
		{"an endless URL", "jwks_uri", "https://id.example.com/" + strings.Repeat("x", 600), "longer"},
		{"a member of another type", "issuer", 7, "it is a number, not a text"},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			t.Parallel()
			document := maps.Clone(good)
			document[c.member] = c.value
			data, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := draft.Read(data); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one that says %q", err, c.want)
			}
		})
	}
	for _, text := range []string{"", "[]", "null", `"x"`, "<html>", strings.Repeat(" ", draft.MaxSize+1)} {
		if _, err := draft.Read([]byte(text)); err == nil {
			t.Errorf("accepts %.20q", text)
		}
	}
}

// provider is a TLS server with documents at the given paths, which say {issuer} where they name
// their own address.
func provider(t *testing.T, paths map[string]string) *httptest.Server {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := paths[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(strings.ReplaceAll(text, "{issuer}", server.URL)))
	}))
	t.Cleanup(server.Close)
	return server
}

const minimal = `"authorization_endpoint":"{issuer}/a","token_endpoint":"{issuer}/t","jwks_uri":"{issuer}/k"`

func TestFetch(t *testing.T) {
	t.Parallel()
	oauth := `{"issuer":"{issuer}/realms/x","registration_endpoint":"{issuer}/r",` + minimal + `}`
	openid := `{"issuer":"{issuer}/realms/x","userinfo_endpoint":"{issuer}/u","scopes_supported":["openid"],` + minimal + `}`
	for _, c := range []struct {
		name, location string
		paths          map[string]string
		forms          []string
	}{
		{
			"finds all forms from the issuer", "/realms/x",
			map[string]string{
				"/.well-known/oauth-authorization-server/realms/x": oauth, "/realms/x/.well-known/oauth-authorization-server": oauth,
				"/realms/x/.well-known/openid-configuration": openid, "/.well-known/openid-configuration/realms/x": openid,
			},
			[]string{"oauth", "oauth_appended", "oidc", "oidc_inserted"},
		},
		{
			"finds all forms from the address of one", "/realms/x/.well-known/openid-configuration",
			map[string]string{"/.well-known/oauth-authorization-server/realms/x": oauth, "/realms/x/.well-known/openid-configuration": openid},
			[]string{"oauth", "oidc"},
		},
		{
			"takes no document of another issuer", "/realms/x",
			map[string]string{
				"/.well-known/oauth-authorization-server/realms/x": `{"issuer":"{issuer}",` + minimal + `}`,
				"/realms/x/.well-known/openid-configuration":       openid,
			},
			[]string{"oidc"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := provider(t, c.paths)
			document, forms, err := draft.Fetch(t.Context(), server.Client(), server.URL+c.location)
			if err != nil {
				t.Fatal(err)
			}
			if document.Issuer != server.URL+"/realms/x" || !slices.Equal(forms, c.forms) {
				t.Errorf("issuer %q in forms %q, want %q", document.Issuer, forms, c.forms)
			}
			if len(c.forms) > 1 && (document.Registration == "" || document.UserInfo == "") {
				t.Error("what only one of the documents says is lost")
			}
		})
	}
	t.Run("says what happened in every place when there is none", func(t *testing.T) {
		t.Parallel()
		server := provider(t, map[string]string{"/.well-known/openid-configuration": "<html>"})
		_, _, err := draft.Fetch(t.Context(), server.Client(), server.URL)
		if err == nil || !strings.Contains(err.Error(), "answers 404") || !strings.Contains(err.Error(), "no JSON object") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("does not ask by plain http", func(t *testing.T) {
		t.Parallel()
		if _, _, err := draft.Fetch(t.Context(), http.DefaultClient, "http://id.example.com"); err == nil {
			t.Error("no error")
		}
	})
}

// FuzzDraft gives any document: it is refused, or its draft is a good spec.
func FuzzDraft(f *testing.F) {
	for _, data := range documents(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		document, err := draft.Read(data)
		if err != nil {
			return
		}
		text := draft.Spec(document, draft.Source{Name: "example", From: string(data), On: "2030-01-02"})
		if _, problems := generate.Check([]generate.Spec{{File: "example.yaml", Data: text}}, generate.Spec{}); problems.HasErrors() {
			t.Fatalf("%v\n%s", problems, text)
		}
	})
}
