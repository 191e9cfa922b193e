package e2e

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/replica"
	"github.com/latchkey-auth/latchkey/gen/specfacts"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// unpublished are the endpoints that specs name and discovery documents do not.
var unpublished = map[string][]string{
	"entra":  {"userinfo"}, // that of Microsoft Graph, for tokens that are not for us
	"google": {"tokeninfo", "jwks"},
	"okta":   {"registration"}, // for administrators
}

// TestReplicaDocuments compares the discovery documents, which are the providers' own words, with
// the specs.
func TestReplicaDocuments(t *testing.T) {
	for _, name := range replica.Names() {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			server := startReplica(ctx, t, replica.Config{Provider: name, Resource: "http://127.0.0.1:9/mcp"})
			about, found := server.Describe(), map[string]bool{}
			for address := range server.Documents() {
				document := readDocument(t, server, address)
				if document["issuer"] != about.Issuer {
					t.Errorf("%s names the issuer %v, the spec %s", address, document["issuer"], about.Issuer)
				}
				for endpoint, want := range metadataOf(about.Endpoints) {
					said, named := document[endpoint]
					short := strings.TrimSuffix(strings.TrimSuffix(endpoint, "_endpoint"), "_uri")
					if !named || slices.Contains(unpublished[name], short) {
						continue
					}
					found[short] = true
					if said != want {
						t.Errorf("%s has the %s %v, the spec %q", address, endpoint, said, want)
					}
				}
			}
			for endpoint, address := range metadataOf(about.Endpoints) {
				short := strings.TrimSuffix(strings.TrimSuffix(endpoint, "_endpoint"), "_uri")
				if address != "" && !found[short] && !slices.Contains(unpublished[name], short) {
					t.Errorf("no document has the %s that the spec has", endpoint)
				}
			}
			checkForms(t, server)
		})
	}
}

// metadataOf are endpoints under their names in metadata.
func metadataOf(e oauth.Endpoints) map[string]string {
	return map[string]string{
		"authorization_endpoint": e.Authorization, "token_endpoint": e.Token, "jwks_uri": e.JWKS,
		"registration_endpoint": e.Registration, "userinfo_endpoint": e.UserInfo, "tokeninfo_endpoint": e.TokenInfo,
		"introspection_endpoint": e.Introspection, "revocation_endpoint": e.Revocation, "end_session_endpoint": e.EndSession,
	}
}

// checkForms says that documents are where the spec's discovery says, and nowhere else.
func checkForms(t *testing.T, server *replica.Server) {
	t.Helper()
	documents := server.Documents()
	if forms := server.Discovery(); len(forms) > 0 {
		places := map[string]bool{}
		for _, form := range forms {
			places[facts.Form(form).URL(server.Issuer())] = true
		}
		if len(places) != len(documents) {
			t.Errorf("the spec's discovery %q finds %d documents, the provider has %d", forms, len(places), len(documents))
		}
		for place := range places {
			if documents[place] == "" {
				t.Errorf("the spec says that there is a document at %s", place)
			}
		}
	}
	for _, form := range []facts.Form{
		facts.OAuthInserted, facts.OAuthAppended, facts.OpenIDAppended, facts.OpenIDInserted,
	} {
		place := form.URL(server.Issuer())
		if documents[place] == "" {
			if status, _ := get(t, server, place); status != http.StatusNotFound {
				t.Errorf("%s answers %d, want 404", place, status)
			}
		}
	}
}

// get asks the replica for what is at a provider's address.
func get(t *testing.T, server *replica.Server, address string) (int, []byte) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, server, http.MethodGet, u.EscapedPath(), "", "")
}

// ask sends the replica a request.
func ask(t *testing.T, server *replica.Server, method, path, contentType, body string) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(testContext(t), method, server.Origin()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	browser, err := harness.NewBrowserFor(server)
	if err != nil {
		t.Fatal(err)
	}
	page, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return page.Status, page.Body
}

func readDocument(t *testing.T, server *replica.Server, address string) map[string]any {
	t.Helper()
	status, body := get(t, server, address)
	var document map[string]any
	if err := json.Unmarshal(body, &document); err != nil || status != http.StatusOK {
		t.Fatalf("%s answers %d, %v", address, status, err)
	}
	return document
}

// registered is the answer to a registration.
func register(t *testing.T, server *replica.Server, body string) (int, map[string]any) {
	t.Helper()
	u, err := url.Parse(server.Describe().Endpoints.Registration)
	if err != nil {
		t.Fatal(err)
	}
	status, text := ask(t, server, http.MethodPost, u.Path, "application/json", body)
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("registration answers %d %q: %v", status, text, err)
	}
	return status, answer
}

// payload decodes a JWT's claims without checking anything.
func payload(t *testing.T, token string) map[string]any {
	t.Helper()
	_, rest, _ := strings.Cut(token, ".")
	return header(t, rest) // decoded alike
}

// logIn gets tokens for the resource.
func (p replicaPair) logIn(t *testing.T, scope, resource string) *harness.Tokens {
	t.Helper()
	tokens, err := p.client(t).Login(testContext(t), scope, resource)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func startNamed(t *testing.T, name string, dashboard replica.Dashboard) replicaPair {
	t.Helper()
	return startReplicaPair(testContext(t), t, replica.Config{Provider: name, Dashboard: dashboard})
}

const plainClient = `{"client_name":"test","redirect_uris":["http://127.0.0.1:33418/callback"]}`

func TestAuth0Replica(t *testing.T) {
	pair := startNamed(t, "auth0", replica.Dashboard{})
	t.Run("the issuer ends in a slash, and clients are sent to it with the slash", func(t *testing.T) {
		answer := resourceMetadata(t, pair)
		if !strings.HasSuffix(pair.replica.Issuer(), "/") || !slices.Equal(answer, []string{pair.replica.Issuer()}) {
			t.Errorf("the issuer is %s, clients are sent to %q", pair.replica.Issuer(), answer)
		}
	})
	t.Run("the audience is a list with the userinfo endpoint when openid is asked for", func(t *testing.T) {
		token := pair.logIn(t, "openid profile", pair.MCPURL()).AccessToken
		if list, _ := payload(t, token)["aud"].([]any); len(list) != 2 {
			t.Errorf("aud is %v", payload(t, token)["aud"])
		}
		wantCaller(t, pair.ResourceServer, token)
	})
	t.Run("the audience is a text when it is not", func(t *testing.T) {
		token := pair.logIn(t, "profile", pair.MCPURL()).AccessToken
		if aud := payload(t, token)["aud"]; aud != pair.MCPURL() {
			t.Errorf("aud is %v", aud)
		}
		wantCaller(t, pair.ResourceServer, token)
	})
	t.Run("clients that register themselves are third parties, with a secret unless they ask for none", func(t *testing.T) {
		status, client := register(t, pair.replica, plainClient)
		id, _ := client["client_id"].(string)
		if status != http.StatusCreated || !strings.HasPrefix(id, "tpc_") ||
			client["token_endpoint_auth_method"] != "client_secret_post" || client["client_secret"] == nil {
			t.Errorf("%d, %q with %v", status, id, client["token_endpoint_auth_method"])
		}
	})
	t.Run("clients that register themselves cannot log in without a user", func(t *testing.T) {
		body := strings.Replace(plainClient, "{", `{"grant_types":["client_credentials"],`, 1)
		if status, answer := register(t, pair.replica, body); status != http.StatusBadRequest {
			t.Errorf("%d %v", status, answer["error"])
		}
	})
	t.Run("a login for an API that does not exist fails", func(t *testing.T) {
		_, err := pair.client(t).Login(testContext(t), "profile", pair.MCPURL()+"/")
		if err == nil || !strings.Contains(err.Error(), "Service not found") {
			t.Errorf("the login ends with %v", err)
		}
	})
	t.Run("without offline_access there is no refresh token", func(t *testing.T) {
		if pair.logIn(t, "profile", pair.MCPURL()).RefreshToken != "" ||
			pair.logIn(t, "profile offline_access", pair.MCPURL()).RefreshToken == "" {
			t.Error("the refresh token does not depend on offline_access")
		}
	})
	t.Run("an ID token is refused", func(t *testing.T) {
		wantRefused(t, pair.ResourceServer, pair.logIn(t, "openid", pair.MCPURL()).IDToken, "request refused")
	})
	t.Run("without the compatibility profile tokens are opaque, and the log says what to switch on", func(t *testing.T) {
		pair := startNamed(t, "auth0", replica.Dashboard{NoResources: true})
		token := pair.logIn(t, "openid profile", pair.MCPURL()).AccessToken
		wantRefused(t, pair.ResourceServer, token, "reason=not_a_jwt", "Resource Parameter Compatibility Profile")
	})
	t.Run("an API that is set to HS256 issues tokens that are refused, and the log names the setting", func(t *testing.T) {
		token, err := pair.replica.Issue(specfacts.Token{Header: map[string]any{"alg": "HS256"}})
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, pair.ResourceServer, token, "reason=algorithm_not_allowed", "set the Signing Algorithm to RS256 or PS256")
	})
	t.Run("an API that encrypts its tokens is told to stop, or to have an audience asked for", func(t *testing.T) {
		pair := startNamed(t, "auth0", replica.Dashboard{EncryptedTokens: true})
		token := pair.logIn(t, "openid profile", pair.MCPURL()).AccessToken
		if strings.Count(token, ".") != 4 || header(t, token)["enc"] == nil {
			t.Error("the token is no JWE")
		}
		wantRefused(t, pair.ResourceServer, token, "reason=not_a_jwt", "Turn token encryption off", "names a valid audience",
			"Resource Parameter Compatibility Profile")
	})
	noRegistration(t, "auth0")
}

// noRegistration is a provider whose operator has not allowed it.
func noRegistration(t *testing.T, name string) {
	t.Helper()
	t.Run("while dynamic registration is off the metadata does not name it, and it is refused", func(t *testing.T) {
		pair := startNamed(t, name, replica.Dashboard{NoRegistration: true})
		for address := range pair.replica.Documents() {
			if endpoint := readDocument(t, pair.replica, address)["registration_endpoint"]; endpoint != nil {
				t.Errorf("%s names %v", address, endpoint)
			}
		}
		if status, _ := register(t, pair.replica, plainClient); status != http.StatusForbidden {
			t.Errorf("registration answers %d, want 403", status)
		}
	})
}

// resourceMetadata are the authorization servers to which clients are sent.
func resourceMetadata(t *testing.T, pair replicaPair) []string {
	t.Helper()
	response, err := http.Get(pair.Origin() + "/.well-known/oauth-protected-resource/mcp")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Servers []string `json:"authorization_servers"`
	}
	text, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer.Servers
}

func TestClerkReplica(t *testing.T) {
	pair := startNamed(t, "clerk", replica.Dashboard{})
	token := pair.logIn(t, "openid profile email offline_access", pair.MCPURL())
	t.Run("access tokens have a type of their own and no audience", func(t *testing.T) {
		if typ, aud := header(t, token.AccessToken)["typ"], payload(t, token.AccessToken)["aud"]; typ != "at+jwt" || aud != nil {
			t.Errorf("typ is %v, aud is %v", typ, aud)
		}
		wantCaller(t, pair.ResourceServer, token.AccessToken)
	})
	t.Run("an ID token of the same key is refused by its type", func(t *testing.T) {
		wantRefused(t, pair.ResourceServer, token.IDToken, "reason=token_type")
	})
	t.Run("a token for another server is accepted, since Clerk knows no servers", func(t *testing.T) {
		wantCaller(t, pair.ResourceServer, pair.logIn(t, "profile", "https://other.example.com/mcp").AccessToken)
	})
	t.Run("a login that asks for no scopes gets the instance's own", func(t *testing.T) {
		if scope := pair.logIn(t, "", pair.MCPURL()).Scope; scope != "profile email" {
			t.Errorf("scopes are %q", scope)
		}
	})
	t.Run("the organization is in tokens with the scope for it, and in no others", func(t *testing.T) {
		for scope, want := range map[string]any{"profile email": nil, "profile user:org:read": "org_1"} {
			token := pair.logIn(t, scope, pair.MCPURL()).AccessToken
			if org := payload(t, token)["org_id"]; org != want {
				t.Errorf("with the scopes %s org_id is %v, want %v", scope, org, want)
			}
			wantCaller(t, pair.ResourceServer, token)
		}
	})
	t.Run("with the switch for JWTs off tokens are opaque, and the log names the switch", func(t *testing.T) {
		pair := startNamed(t, "clerk", replica.Dashboard{OpaqueTokens: true})
		token := pair.logIn(t, "profile", pair.MCPURL()).AccessToken
		if !strings.HasPrefix(token, "oat_") {
			t.Error("the token does not begin as Clerk's do")
		}
		wantRefused(t, pair.ResourceServer, token, "reason=not_a_jwt", "Generate access tokens as JWTs")
	})
	noRegistration(t, "clerk")
}

func TestWorkOSReplica(t *testing.T) {
	pair := startNamed(t, "workos", replica.Dashboard{})
	issuer := pair.replica.Issuer()
	t.Run("only the document of RFC 8414 names registration and PKCE", func(t *testing.T) {
		rfc8414 := readDocument(t, pair.replica, facts.OAuthInserted.URL(issuer))
		openID := readDocument(t, pair.replica, facts.OpenIDAppended.URL(issuer))
		for _, member := range []string{"registration_endpoint", "code_challenge_methods_supported"} {
			if rfc8414[member] == nil || openID[member] != nil {
				t.Errorf("%s: %v and %v", member, rfc8414[member], openID[member])
			}
		}
	})
	t.Run("tokens name client and granted scopes, and nothing of the user", func(t *testing.T) {
		token := pair.logIn(t, "openid email", pair.MCPURL()).AccessToken
		claims := payload(t, token)
		if id, _ := claims["client_id"].(string); claims["scope"] != "openid email" || !strings.HasPrefix(id, "client_") {
			t.Errorf("client_id is %v, scope %v", claims["client_id"], claims["scope"])
		}
		for _, claim := range []string{"azp", "email", "name"} {
			if value := claims[claim]; value != nil {
				t.Errorf("%s is %v", claim, value)
			}
		}
		wantCaller(t, pair.ResourceServer, token)
	})
	t.Run("a token for a server that is no Resource Indicator is refused, and the log says where to add one", func(t *testing.T) {
		token := pair.logIn(t, "email", "https://other.example.com/mcp").AccessToken
		wantRefused(t, pair.ResourceServer, token, "reason=audience", "Resource Indicator")
	})
	t.Run("a client that sends no resource gets the environment's audience, and is refused", func(t *testing.T) {
		token := pair.logIn(t, "email", "").AccessToken
		if aud := payload(t, token)["aud"]; aud != "client_123456789" {
			t.Errorf("aud is %v", aud)
		}
		wantRefused(t, pair.ResourceServer, token, "reason=audience", "Resource Indicator")
	})
	t.Run("without any Resource Indicator the parameter is ignored, and the token is refused", func(t *testing.T) {
		pair := startNamed(t, "workos", replica.Dashboard{NoResources: true})
		token := pair.logIn(t, "email", pair.MCPURL()).AccessToken
		wantRefused(t, pair.ResourceServer, token, "reason=audience", "Resource Indicator")
	})
	t.Run("clients that do not say otherwise get a secret", func(t *testing.T) {
		if _, client := register(t, pair.replica, plainClient); client["token_endpoint_auth_method"] != "client_secret_basic" {
			t.Errorf("they authenticate by %v", client["token_endpoint_auth_method"])
		}
	})
	noRegistration(t, "workos")
}

func TestSupabaseReplica(t *testing.T) {
	pair := startNamed(t, "supabase", replica.Dashboard{})
	t.Run("the resource does not become the audience", func(t *testing.T) {
		token := pair.logIn(t, "openid email", pair.MCPURL()).AccessToken
		if aud := payload(t, token)["aud"]; aud != "authenticated" {
			t.Errorf("aud is %v", aud)
		}
		wantCaller(t, pair.ResourceServer, token)
	})
	t.Run("tokens are signed with ES256, by the key of the key set", func(t *testing.T) {
		if alg := header(t, pair.logIn(t, "email", pair.MCPURL()).AccessToken)["alg"]; alg != "ES256" {
			t.Errorf("alg is %v", alg)
		}
	})
	t.Run("scopes of one's own are refused", func(t *testing.T) {
		if _, err := pair.client(t).Login(testContext(t), "email notes:write", pair.MCPURL()); err == nil ||
			!strings.Contains(err.Error(), "invalid_scope") {
			t.Errorf("the login ends with %v", err)
		}
	})
	t.Run("a login that asks for no scopes gets email", func(t *testing.T) {
		if scope := pair.logIn(t, "", pair.MCPURL()).Scope; scope != "email" {
			t.Errorf("scopes are %q", scope)
		}
	})
	t.Run("the endpoints next to it are those of social login", func(t *testing.T) {
		for _, path := range []string{"/auth/v1/authorize", "/auth/v1/token"} {
			if status, _ := ask(t, pair.replica, http.MethodGet, path, "", ""); status != http.StatusBadRequest {
				t.Errorf("%s answers %d, want 400", path, status)
			}
		}
	})
	t.Run("an old project has an empty key set, and its tokens need the project's secret", func(t *testing.T) {
		pair := startNamed(t, "supabase", replica.Dashboard{SharedSecret: true})
		if _, keys := get(t, pair.replica, pair.replica.Describe().Endpoints.JWKS); string(keys) != `{"keys":[]}` {
			t.Errorf("the key set is %s", keys)
		}
		token := pair.logIn(t, "email", pair.MCPURL()).AccessToken
		if alg := header(t, token)["alg"]; alg != "HS256" {
			t.Errorf("alg is %v", alg)
		}
		wantCaller(t, pair.ResourceServer, token)
	})
	t.Run("an old project without the secret in the configuration is told where the secret is", func(t *testing.T) {
		pair := startReplicaPair(testContext(t), t, replica.Config{
			Provider: "supabase", Dashboard: replica.Dashboard{SharedSecret: true}, Settings: map[string]string{"jwtSecret": ""},
		})
		token := pair.logIn(t, "email", pair.MCPURL()).AccessToken
		wantRefused(t, pair.ResourceServer, token, "reason=configuration_missing", "JWT Secret is required for HS256")
	})
	t.Run("while the OAuth server is off all of it is 404, and the log asks for the switch", func(t *testing.T) {
		pair := startNamed(t, "supabase", replica.Dashboard{NoServer: true})
		for _, address := range []string{
			facts.OAuthAppended.URL(pair.replica.Issuer()), facts.OAuthInserted.URL(pair.replica.Issuer()),
			pair.replica.Describe().Endpoints.Registration, pair.replica.Describe().Endpoints.Authorization,
		} {
			if status, _ := get(t, pair.replica, address); status != http.StatusNotFound {
				t.Errorf("%s answers %d, want 404", address, status)
			}
		}
		_, err := harness.NewOAuthClientAt(testContext(t), pair.replica, pair.Origin()+"/.well-known/oauth-authorization-server/auth/v1")
		if err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("registration ends with %v", err)
		}
		if !strings.Contains(pair.Log(), "Is the OAuth server switched on there?") {
			t.Errorf("the log does not help:\n%s", pair.Log())
		}
	})
	noRegistration(t, "supabase")
}

func TestOktaReplica(t *testing.T) {
	pair := startNamed(t, "okta", replica.Dashboard{})
	t.Run("clients cannot register at Okta without an administrator's token", func(t *testing.T) {
		if status, _ := ask(t, pair.replica, http.MethodPost, "/oauth2/v1/clients", "application/json", plainClient); status != http.StatusUnauthorized {
			t.Errorf("registration answers %d, want 401", status)
		}
	})
	t.Run("the user is Okta's own identifier, not the login name that is the subject", func(t *testing.T) {
		caller := wantCaller(t, pair.ResourceServer, pair.logIn(t, "openid profile", pair.MCPURL()).AccessToken)
		if caller.User.UserID != "00u1b2c3d4e5f6g7h8i9" || caller.User.Username != "ada@example.com" {
			t.Errorf("the user is %q, called %q", caller.User.UserID, caller.User.Username)
		}
	})
	t.Run("a machine's token has the client for its user, since it has no uid", func(t *testing.T) {
		token, err := pair.token(t, specfacts.Token{Claims: map[string]any{
			"cid": "0oa1b2c3d4e5f6g7h8i9", "sub": "0oa1b2c3d4e5f6g7h8i9", "scp": []any{"reports"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		checkUser(t, pair, token, map[string]any{"userId": "0oa1b2c3d4e5f6g7h8i9", "username": "0oa1b2c3d4e5f6g7h8i9"})
	})
	t.Run("an app integration without an access policy is refused at the login, and the log says why", func(t *testing.T) {
		pair := startNamed(t, "okta", replica.Dashboard{NoPolicy: true})
		_, err := pair.client(t).Login(testContext(t), "", pair.MCPURL())
		if err == nil || !strings.Contains(err.Error(), "access_denied") {
			t.Errorf("the login ends with %v", err)
		}
		if !strings.Contains(pair.Log(), "no_matching_policy") {
			t.Errorf("the log does not help:\n%s", pair.Log())
		}
	})
	t.Run("every login asks for offline_access, and never for the resource", func(t *testing.T) {
		asked := lastAsked(t, pair)
		if !strings.Contains(asked.Get("scope"), "offline_access") || asked.Has("resource") {
			t.Errorf("Okta is asked for %q and resource %q", asked.Get("scope"), asked.Get("resource"))
		}
	})
}

// lastAsked is the last authorization request that the replica got.
func lastAsked(t *testing.T, pair replicaPair) url.Values {
	t.Helper()
	requests := pair.replica.Asked()
	if len(requests) == 0 {
		t.Fatal("nobody has logged in at the provider")
	}
	return requests[len(requests)-1]
}

func TestEntraReplica(t *testing.T) {
	pair := startNamed(t, "entra", replica.Dashboard{})
	const tenant, other = "72f988bf-86f1-41af-91ab-2d7cd011db47", "99999999-86f1-41af-91ab-2d7cd011db47"
	t.Run("the metadata does not say that there is PKCE, and is at one place alone", func(t *testing.T) {
		document := readDocument(t, pair.replica, facts.OpenIDAppended.URL(pair.replica.Issuer()))
		if document["code_challenge_methods_supported"] != nil || len(pair.replica.Documents()) != 1 {
			t.Errorf("%v at %d places", document["code_challenge_methods_supported"], len(pair.replica.Documents()))
		}
	})
	t.Run("a login asks for the API's scope by its full name and for no resource, and the token has the short name", func(t *testing.T) {
		caller := wantCaller(t, pair.ResourceServer, pair.logIn(t, "access_as_user", pair.MCPURL()).AccessToken)
		asked := lastAsked(t, pair)
		if !strings.Contains(asked.Get("scope"), "api://11111111-2222-3333-4444-555555555555/access_as_user") ||
			asked.Has("resource") || !slices.Equal(caller.Scopes, []string{"access_as_user"}) {
			t.Errorf("Entra ID is asked for %q and resource %q, the caller has %q", asked.Get("scope"), asked.Get("resource"), caller.Scopes)
		}
	})
	t.Run("keys say for which issuer they are, and not which algorithm", func(t *testing.T) {
		_, text := get(t, pair.replica, pair.replica.Describe().Endpoints.JWKS)
		if !strings.Contains(string(text), `/{tenantid}/v2.0"`) || strings.Contains(string(text), `"alg"`) {
			t.Errorf("the key set is %s", text)
		}
	})
	t.Run("a new app registration issues tokens of version 1, and the log says what to set", func(t *testing.T) {
		pair := startNamed(t, "entra", replica.Dashboard{VersionOne: true})
		if _, err := pair.client(t).Login(testContext(t), "", pair.MCPURL()); err == nil {
			t.Error("the login works")
		}
		if !strings.Contains(pair.Log(), "set requestedAccessTokenVersion to 2") {
			t.Errorf("the log does not help:\n%s", pair.Log())
		}
	})
	t.Run("with several tenants the metadata has a template for an issuer", func(t *testing.T) {
		pair := startTenants(t, tenant)
		document := readDocument(t, pair.replica, facts.OpenIDAppended.URL(pair.replica.Issuer()))
		if document["issuer"] != "https://login.microsoftonline.com/{tenantid}/v2.0" {
			t.Errorf("the issuer is %v", document["issuer"])
		}
	})
	t.Run("of several tenants those are let in that are allowed, each under its own issuer", func(t *testing.T) {
		pair := startTenants(t, other+" "+tenant)
		for _, from := range []string{tenant, other} {
			access, err := pair.token(t, ofTenant(pair, from, from))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := pair.Whoami(t.Context(), access)
			if err != nil || answer.Status != http.StatusOK || !strings.Contains(string(answer.Body), "/"+from+"/v2.0") {
				t.Errorf("%v, %v", answer, err)
			}
		}
	})
	t.Run("a tenant that is not allowed is refused, and so is one that names another in its issuer", func(t *testing.T) {
		pair := startTenants(t, tenant)
		for _, token := range []specfacts.Token{ofTenant(pair, other, other), ofTenant(pair, tenant, other)} {
			before := len(pair.Log())
			if _, err := pair.token(t, token); err == nil || !strings.Contains(pair.Log()[before:], "invalid_token: issuer:") {
				t.Errorf("the login ends with %v:\n%s", err, pair.Log()[before:])
			}
		}
	})
	t.Run("a key for the tokens of one tenant signs for no other", func(t *testing.T) {
		pair := startReplicaPair(testContext(t), t, replica.Config{
			Provider: "entra", Settings: map[string]string{"tenantId": "organizations", "allowedTenants": other + " " + tenant},
			Dashboard: replica.Dashboard{KeysOf: other},
		})
		if _, err := pair.token(t, ofTenant(pair, other, other)); err != nil {
			t.Errorf("the tenant of the key is refused: %v", err)
		}
		before := len(pair.Log())
		_, err := pair.token(t, ofTenant(pair, tenant, tenant))
		if log := pair.Log()[before:]; err == nil || !strings.Contains(log, "invalid_token: unknown_key:") || !strings.Contains(log, "is for tokens of") {
			t.Errorf("the login ends with %v:\n%s", err, log)
		}
	})
	t.Run("a user with too many groups has none, and no roles", func(t *testing.T) {
		token := pair.replica.Accepted()[0]
		token.Claims = maps.Clone(token.Claims)
		token.Claims["hasgroups"], token.Claims["_claim_names"] = true, map[string]any{"groups": "src1"}
		access, err := pair.token(t, token)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := pair.Whoami(t.Context(), access)
		if err != nil || answer.Status != http.StatusOK || strings.Contains(string(answer.Body), "src1") ||
			strings.Contains(string(answer.Body), `"groups"`) || strings.Contains(string(answer.Body), `"roles"`) {
			t.Errorf("%v, %s", err, answer.Body)
		}
	})
}

// startTenants logs in users of several tenants.
func startTenants(t *testing.T, allowed string) replicaPair {
	t.Helper()
	return startReplicaPair(testContext(t), t, replica.Config{
		Provider: "entra", Settings: map[string]string{"tenantId": "organizations", "allowedTenants": allowed},
	})
}

// ofTenant is a token of a tenant, under the issuer of another perhaps.
func ofTenant(pair replicaPair, tenant, issuer string) specfacts.Token {
	token := pair.replica.Accepted()[0]
	claims := map[string]any{"iss": "https://login.microsoftonline.com/" + issuer + "/v2.0"}
	for name, value := range token.Claims {
		claims[name] = value
	}
	claims["tid"] = tenant
	token.Claims = claims
	return token
}

func TestGoogleReplica(t *testing.T) {
	pair := startNamed(t, "google", replica.Dashboard{})
	tokens := pair.logIn(t, "openid email profile", pair.MCPURL())
	t.Run("every login asks for consent and offline access, and neither for offline_access nor for the resource", func(t *testing.T) {
		asked := lastAsked(t, pair)
		if asked.Get("access_type") != "offline" || asked.Get("prompt") != "consent" || asked.Has("resource") ||
			strings.Contains(asked.Get("scope"), "offline_access") {
			t.Errorf("Google is asked for %v", asked)
		}
	})
	t.Run("scopes come back under Google's long names, and are the caller's under the short ones", func(t *testing.T) {
		caller := wantCaller(t, pair.ResourceServer, tokens.AccessToken)
		for _, scope := range []string{"openid", "email", "profile"} {
			if !slices.Contains(caller.Scopes, scope) {
				t.Errorf("scopes %q lack %s", caller.Scopes, scope)
			}
		}
	})
	t.Run("refreshing works again and again, though Google gives its refresh token once", func(t *testing.T) {
		client := pair.client(t)
		held, err := client.Login(testContext(t), "openid", pair.MCPURL())
		for range 3 {
			if err != nil {
				t.Fatal(err)
			}
			wantCaller(t, pair.ResourceServer, held.AccessToken)
			held, err = client.Refresh(testContext(t), held.RefreshToken, pair.MCPURL())
		}
	})
	t.Run("what Google does not know is a status 400, not 401", func(t *testing.T) {
		status, _ := ask(t, pair.replica, http.MethodPost, "/tokeninfo", "application/x-www-form-urlencoded", "access_token=ya29.unknown")
		if status != http.StatusBadRequest {
			t.Errorf("tokeninfo answers %d", status)
		}
	})
	t.Run("while tokeninfo is throttled tokens work on, logins and renewals are put off, and nobody is told to log in anew", func(t *testing.T) {
		pair := startNamed(t, "google", replica.Dashboard{})
		client := pair.client(t)
		held, err := client.Login(testContext(t), "openid", pair.MCPURL())
		if err != nil {
			t.Fatal(err)
		}
		pair.replica.Throttle(true)
		if err := pair.Restart(testContext(t)); err != nil { // which forgets what Google said
			t.Fatal(err)
		}
		wantCaller(t, pair.ResourceServer, held.AccessToken)
		if _, err := client.Login(testContext(t), "openid", pair.MCPURL()); err == nil || !strings.Contains(err.Error(), "temporarily_unavailable") {
			t.Errorf("a login ends with %v", err)
		}
		wantPutOff(t, pair, url.Values{
			"grant_type": {"refresh_token"}, "client_id": {client.ClientID()}, "refresh_token": {held.RefreshToken},
		})
		pair.replica.Throttle(false)
		var renewed *harness.Tokens
		err = harness.Until(testContext(t), func() bool {
			renewed, err = client.Refresh(testContext(t), held.RefreshToken, pair.MCPURL())
			return err == nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantCaller(t, pair.ResourceServer, renewed.AccessToken)
	})
	t.Run("with a Workspace domain nobody else gets in, and the log says why", func(t *testing.T) {
		pair := startReplicaPair(testContext(t), t, replica.Config{
			Provider: "google", Settings: map[string]string{"hostedDomain": "example.com"},
		})
		token := pair.replica.Accepted()[0]
		before := len(pair.Log())
		if _, err := pair.token(t, token); err == nil || !strings.Contains(pair.Log()[before:], "not of the configured Workspace domain") {
			t.Errorf("the login ends with %v:\n%s", err, pair.Log()[before:])
		}
		profile := map[string]any{"hd": "example.com"}
		for name, value := range token.Profile {
			profile[name] = value
		}
		token.Profile = profile
		if _, err := pair.token(t, token); err != nil {
			t.Errorf("a user of the domain is refused: %v", err)
		}
		if hd := lastAsked(t, pair).Get("hd"); hd != "example.com" {
			t.Errorf("Google is asked for the domain %q", hd)
		}
	})
}

// wantPutOff says that a token request is answered with 503 and a time to wait.
func wantPutOff(t *testing.T, pair replicaPair, form url.Values) {
	t.Helper()
	request, err := http.NewRequestWithContext(testContext(t), http.MethodPost, pair.MCPURL()+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	wait, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if response.StatusCode != http.StatusServiceUnavailable || err != nil || wait < 1 || wait > 60 {
		t.Errorf("status %d, Retry-After %q", response.StatusCode, response.Header.Get("Retry-After"))
	}
}
