package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/replica"
	"github.com/latchkey-auth/latchkey/gen/specfacts"
	"github.com/latchkey-auth/latchkey/oauth"
)

// replicaPeers are the providers that cannot run here. The step-up is for a scope that the provider
// knows: of its own, or one that its operator adds.
func replicaPeers() []peer {
	var list []peer
	for _, known := range []struct {
		name, stepUp string
		added        []string
	}{
		{name: "auth0", added: []string{stepUpScope}}, // a permission of the API
		{name: "clerk", stepUp: "user:org:read"},
		{name: "workos", stepUp: "email"}, // which every login asks for: there are no scopes of one's own
		{name: "supabase", stepUp: "phone"},
		{name: "okta", added: []string{stepUpScope}},
		{name: "entra", added: []string{"api://11111111-2222-3333-4444-555555555555/" + stepUpScope}},
		{name: "google", stepUp: calendarScope, added: []string{calendarScope}},
	} {
		list = append(list, peer{
			name: known.name + "-replica", stepUp: known.stepUp,
			start: func(ctx context.Context, t *testing.T, resource string) harness.Server {
				t.Helper()
				return startReplica(ctx, t, replica.Config{Provider: known.name, Resource: resource, Scopes: known.added})
			},
		})
	}
	for _, provider := range replica.Generic() {
		list = append(list, peer{
			name: provider.Name + "-replica",
			start: func(ctx context.Context, t *testing.T, resource string) harness.Server {
				t.Helper()
				return startReplica(ctx, t, replica.Config{Provider: provider.Name, Resource: resource})
			},
		})
	}
	return list
}

// calendarScope is one of Google's many.
const calendarScope = "https://www.googleapis.com/auth/calendar.readonly"

func startReplica(ctx context.Context, t *testing.T, config replica.Config) *replica.Server {
	t.Helper()
	config.Root, config.LogDir, config.Port = filepath.Dir(suite.root), logDir(t), port(ctx, t)
	server, err := replica.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// replicaPair is a replica and the resource server in front of it.
type replicaPair struct {
	*harness.ResourceServer
	replica *replica.Server
}

func startReplicaPair(ctx context.Context, t *testing.T, config replica.Config) replicaPair {
	t.Helper()
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
	config.Resource = resource.MCPURL()
	pair := replicaPair{resource, startReplica(ctx, t, config)}
	resource.Server = pair.replica
	if err := resource.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	return pair
}

// client registers a client: at the replica or, in mode proxy, at the resource server.
func (p replicaPair) client(t *testing.T) *harness.OAuthClient {
	t.Helper()
	metadata := p.Origin() + "/.well-known/oauth-authorization-server/mcp"
	if p.replica.Describe().Mode == oauth.Direct {
		metadata = oauth.InsertWellKnown(p.replica.Issuer(), oauth.WellKnownAuthorizationServer)
	}
	client, err := harness.NewOAuthClientAt(testContext(t), p.replica, metadata)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// token has the replica issue a token of the spec. In mode proxy clients get what the resource
// server makes of it: an error where it refuses.
func (p replicaPair) token(t *testing.T, token specfacts.Token) (string, error) {
	t.Helper()
	if p.replica.Describe().Mode == oauth.Direct {
		return p.replica.Issue(token)
	}
	p.replica.Give(&token)
	defer p.replica.Give(nil)
	tokens, err := p.client(t).Login(testContext(t), "", p.MCPURL())
	if err != nil {
		return "", err
	}
	return tokens.AccessToken, nil
}

// TestReplicaTokens sends each token of each spec's section test, issued by the provider's replica
// over HTTP, to a resource server.
func TestReplicaTokens(t *testing.T) { checkReplicas(t, replica.Names()) }

// TestAllReplicaTokens is TestReplicaTokens for the replicas that are made from specs alone.
func TestAllReplicaTokens(t *testing.T) {
	var names []string
	for _, provider := range replica.Generic() {
		names = append(names, provider.Name)
	}
	checkReplicas(t, names)
}

func checkReplicas(t *testing.T, names []string) {
	t.Helper()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			pair := startReplicaPair(testContext(t), t, replica.Config{Provider: name})
			for _, token := range pair.replica.Accepted() {
				t.Run("accepts "+token.Name, func(t *testing.T) {
					access, err := pair.token(t, token)
					if err != nil {
						t.Fatal(err)
					}
					want := pair.replica.WantUser(token)
					if pair.replica.Describe().Mode == oauth.Proxy {
						delete(want, "scopes") // those of the login
					}
					checkUser(t, pair, access, want)
				})
			}
			for _, algorithm := range pair.replica.Algorithms() {
				t.Run("accepts a token signed with "+algorithm, func(t *testing.T) { checkAlgorithm(t, pair, algorithm) })
			}
			for _, token := range pair.replica.Rejected() {
				t.Run("refuses "+token.Name, func(t *testing.T) {
					before := len(pair.Log())
					access, err := pair.token(t, token)
					if err == nil {
						wantRefused(t, pair.ResourceServer, access)
					}
					reason := "reason=" + token.Reason
					if pair.replica.Describe().Mode == oauth.Proxy {
						reason = "invalid_token: " + token.Reason + ":" // inside what the login was refused for
					}
					if log := pair.Log()[before:]; !strings.Contains(log, reason) {
						t.Errorf("the log does not say %s:\n%s", reason, log)
					}
				})
			}
		})
	}
}

// checkAlgorithm says that the user's token is accepted under one of the spec's algorithms.
func checkAlgorithm(t *testing.T, pair replicaPair, algorithm string) {
	t.Helper()
	token := pair.replica.Accepted()[0]
	token.Header = maps.Clone(token.Header)
	if token.Header == nil {
		token.Header = map[string]any{}
	}
	token.Header["alg"] = algorithm
	access, err := pair.token(t, token)
	if err != nil {
		t.Fatal(err)
	}
	if pair.replica.Describe().Mode == oauth.Direct && header(t, access)["alg"] != algorithm {
		t.Errorf("the token is signed with %v", header(t, access)["alg"])
	}
	wantCaller(t, pair.ResourceServer, access)
}

// checkUser says that a token is of exactly a user, whose scopes count where they are wanted.
func checkUser(t *testing.T, pair replicaPair, token string, want map[string]any) {
	t.Helper()
	answer, err := pair.Whoami(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusOK {
		t.Fatalf("GET /whoami answers %d: %s\n%s", answer.Status, answer.Body, pair.Log())
	}
	var caller struct {
		User map[string]any `json:"user"`
	}
	if err := json.Unmarshal(answer.Body, &caller); err != nil {
		t.Fatal(err)
	}
	if want["scopes"] == nil && pair.replica.Describe().Mode == oauth.Proxy {
		delete(caller.User, "scopes")
	}
	if !reflect.DeepEqual(caller.User, asJSON(t, want)) {
		t.Errorf("the user is %s, want %v", answer.Body, want)
	}
}

func asJSON(t *testing.T, value any) map[string]any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}
