package keycloak

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// RealmConfig says how a realm differs from one that Keycloak makes by itself.
type RealmConfig struct {
	// Audience is what the realm's audience mapper puts into aud. Empty makes no mapper.
	Audience string
	// OptionalScopes are further client scopes, which a client may ask for. Keycloak holds a client
	// that registered with scopes to those, so the administrator allows it these when it first
	// asks: Login does.
	OptionalScopes []string
	// TokenLife is how long access tokens live. The default is Keycloak's: five minutes.
	TokenLife time.Duration
}

// Realm is a realm of an Instance, with one user. The user has the realm role editor and the role
// read of the client reports.
type Realm struct {
	instance *Instance
	name     string
	userID   string
	optional map[string]string // ids of client scopes by their names
}

var _ harness.Server = (*Realm)(nil)

// The policies of anonymous client registration that its default settings make too strict for MCP
// clients.
const (
	trustedHosts  = "trusted-hosts"
	allowedScopes = "allowed-client-templates"
	webOrigins    = "registration-web-origins"
)

// toolsScope is the optional client scope that carries the audience and the roles.
const toolsScope = "mcp:tools"

// NewRealm makes a realm and sets it up for MCP clients, as Keycloak's documentation and latchkey's
// describe.
func (i *Instance) NewRealm(ctx context.Context, c RealmConfig) (*Realm, error) {
	r := &Realm{instance: i, name: "mcp-" + strings.ToLower(rand.Text()[:8]), optional: map[string]string{}}
	if err := i.admin(ctx, http.MethodPost, "", r.representation(c), nil); err != nil {
		return nil, err
	}
	var users []struct {
		ID string `json:"id"`
	}
	if err := i.admin(ctx, http.MethodGet, r.path("/users?username="+userName), nil, &users); err != nil {
		return nil, err
	}
	if len(users) != 1 {
		return nil, fmt.Errorf("keycloak: the realm has %d users", len(users))
	}
	r.userID = users[0].ID
	if err := r.addToolsScope(ctx, c.Audience); err != nil {
		return nil, err
	}
	for _, scope := range c.OptionalScopes {
		id, err := r.addScope(ctx, scope, nil)
		if err != nil {
			return nil, err
		}
		if err := i.admin(ctx, http.MethodPut, r.path("/default-optional-client-scopes/"+id), nil, nil); err != nil {
			return nil, err
		}
		r.optional[scope] = id
	}
	// Registration from this machine, also of clients that name their home page. openid is no
	// client scope of a realm, so the default policy refuses clients that register with it, as all
	// official SDKs do.
	err := r.changePolicies(ctx, map[string]object{
		trustedHosts:  {"trusted-hosts": []string{"127.0.0.1", "localhost"}, "client-uris-must-match": []string{"false"}},
		allowedScopes: {"allowed-client-scopes": []string{"openid"}},
		// Without origins here no page may read what a registration answers.
		webOrigins: {"web-origins": []string{"*"}},
	})
	return r, err
}

func (r *Realm) representation(c RealmConfig) object {
	realm := object{
		"realm": r.name, "enabled": true,
		"clients": []object{{"clientId": "reports", "enabled": true, "bearerOnly": true}},
		"roles": object{
			"realm":  []object{{"name": "editor"}},
			"client": object{"reports": []object{{"name": "read"}}},
		},
		"users": []object{{
			"username": userName, "enabled": true, "email": userEmail, "emailVerified": true,
			"firstName": "Ada", "lastName": "Lovelace",
			"credentials": []object{{"type": "password", "value": userPassword, "temporary": false}},
			"realmRoles":  []string{"editor", "offline_access"},
			"clientRoles": object{"reports": []string{"read"}},
		}},
	}
	if c.TokenLife > 0 {
		realm["accessTokenLifespan"] = int(c.TokenLife.Seconds())
	}
	return realm
}

// addToolsScope makes the client scope with the audience, and with the roles, which clients that
// registered themselves do not get otherwise (policy Full Scope Disabled).
func (r *Realm) addToolsScope(ctx context.Context, audience string) error {
	var mappers []object
	if audience != "" {
		mappers = []object{{
			"name": "this MCP server", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
			"config": object{"included.custom.audience": audience, "access.token.claim": "true", "id.token.claim": "false"},
		}}
	}
	id, err := r.addScope(ctx, toolsScope, mappers)
	if err != nil {
		return err
	}
	var role object
	if err := r.instance.admin(ctx, http.MethodGet, r.path("/roles/editor"), nil, &role); err != nil {
		return err
	}
	if err := r.instance.admin(ctx, http.MethodPost, r.path("/client-scopes/"+id+"/scope-mappings/realm"), []object{role}, nil); err != nil {
		return err
	}
	reports, err := r.client(ctx, "reports")
	if err != nil {
		return err
	}
	if err := r.instance.admin(ctx, http.MethodGet, r.path("/clients/"+reports+"/roles/read"), nil, &role); err != nil {
		return err
	}
	mappings := r.path("/client-scopes/" + id + "/scope-mappings/clients/" + reports)
	if err := r.instance.admin(ctx, http.MethodPost, mappings, []object{role}, nil); err != nil {
		return err
	}
	return r.instance.admin(ctx, http.MethodPut, r.path("/default-optional-client-scopes/"+id), nil, nil)
}

func (r *Realm) addScope(ctx context.Context, name string, mappers []object) (string, error) {
	err := r.instance.admin(ctx, http.MethodPost, r.path("/client-scopes"), object{
		"name": name, "protocol": "openid-connect", "protocolMappers": mappers,
		"attributes": object{"include.in.token.scope": "true", "display.on.consent.screen": "true"},
	}, nil)
	if err != nil {
		return "", err
	}
	var scopes []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if err := r.instance.admin(ctx, http.MethodGet, r.path("/client-scopes"), nil, &scopes); err != nil {
		return "", err
	}
	for _, scope := range scopes {
		if scope.Name == name {
			return scope.ID, nil
		}
	}
	return "", fmt.Errorf("keycloak: client scope %s was not made", name)
}

// changePolicies changes the settings of anonymous registration policies.
func (r *Realm) changePolicies(ctx context.Context, changes map[string]object) error {
	const kind = "org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy"
	var policies []object
	if err := r.instance.admin(ctx, http.MethodGet, r.path("/components?type="+kind), nil, &policies); err != nil {
		return err
	}
	for _, policy := range policies {
		provider, _ := policy["providerId"].(string)
		config, _ := policy["config"].(object)
		change, found := changes[provider]
		if !found || policy["subType"] != "anonymous" || config == nil {
			continue
		}
		maps.Copy(config, change)
		id, _ := policy["id"].(string)
		if err := r.instance.admin(ctx, http.MethodPut, r.path("/components/"+id), policy, nil); err != nil {
			return err
		}
	}
	return nil
}

func (r *Realm) path(rest string) string { return "/" + r.name + rest }

// Issuer is the realm's URL.
func (r *Realm) Issuer() string { return r.instance.origin + "/realms/" + r.name }

// UserID is the id that Keycloak gave to the realm's user.
func (r *Realm) UserID() string { return r.userID }

// Email is in the realm's access tokens.
func (r *Realm) Email() string { return userEmail }

// Command serves with latchkey's provider, and needs the scope that carries the audience: clients
// register with the scopes that the resource announces, and Keycloak gives such a client no other
// scope, not even a default one of the realm.
func (r *Realm) Command(addr string) []string {
	return harness.Serve("keycloak", addr, "--scope", toolsScope)
}

// Environment configures latchkey's provider.
func (r *Realm) Environment() []string {
	return []string{
		"MCP_USE_OAUTH_KEYCLOAK_SERVER_URL=" + r.instance.origin,
		"MCP_USE_OAUTH_KEYCLOAK_REALM=" + r.name,
	}
}

// Log is what the whole server has logged so far.
func (r *Realm) Log() string { return r.instance.process.Log() }

// Stop does nothing: the realm ends with its server.
func (r *Realm) Stop() {}

// allow adds the realm's optional scopes that a client asks for to those that it may ask for.
func (r *Realm) allow(ctx context.Context, authorizeURL string) error {
	target, err := url.Parse(authorizeURL)
	if err != nil {
		return err
	}
	for scope := range strings.FieldsSeq(target.Query().Get("scope")) {
		id, found := r.optional[scope]
		if !found {
			continue
		}
		client, err := r.client(ctx, target.Query().Get("client_id"))
		if err != nil {
			return err
		}
		path := r.path("/clients/" + client + "/optional-client-scopes/" + id)
		if err := r.instance.admin(ctx, http.MethodPut, path, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// client is the id under which the admin API knows a client.
func (r *Realm) client(ctx context.Context, clientID string) (string, error) {
	var clients []struct {
		ID string `json:"id"`
	}
	if err := r.instance.admin(ctx, http.MethodGet, r.path("/clients?clientId="+url.QueryEscape(clientID)), nil, &clients); err != nil {
		return "", err
	}
	if len(clients) != 1 {
		return "", fmt.Errorf("keycloak: the realm has %d clients %s", len(clients), clientID)
	}
	return clients[0].ID, nil
}

// Login signs in as the user and consents, by the pages' own forms.
func (r *Realm) Login(ctx context.Context, authorizeURL string) (string, error) {
	if err := r.allow(ctx, authorizeURL); err != nil {
		return "", err
	}
	browser := harness.NewBrowser()
	page, err := browser.Visit(ctx, authorizeURL, r.isClient)
	for range 3 {
		if err != nil {
			return "", err
		}
		if page.Status == 0 {
			return page.URL.String(), nil
		}
		form, formErr := page.Form("username")
		if formErr == nil {
			form.Values.Set("username", userName)
			form.Values.Set("password", userPassword)
		} else {
			if form, err = page.Form("accept"); err != nil {
				return "", err
			}
			if err := form.Press("accept", ""); err != nil {
				return "", err
			}
		}
		page, err = browser.Submit(ctx, form, r.isClient)
	}
	return "", errors.New("keycloak asks for the same pages again")
}

// isClient tells the client's address from the server's own.
func (r *Realm) isClient(u *url.URL) bool { return u.Scheme+"://"+u.Host != r.instance.origin }
