package glewlwyd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// object is a JSON object of the API.
type object = map[string]any

// session is somebody's session at the API.
type session struct {
	browser *harness.Browser
	api     string
}

func (s session) call(ctx context.Context, method, path string, body any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.api+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	page, err := s.browser.Do(request)
	if err == nil && page.Status != http.StatusOK {
		err = fmt.Errorf("glewlwyd: %s %s answers %d: %s", method, path, page.Status, page.Excerpt())
	}
	return err
}

// setUp makes the scopes, the user and the instance of the OpenID Connect plugin, as the
// administrator of the empty database.
func (s *Server) setUp(ctx context.Context) error {
	admin := session{harness.NewBrowser(), s.origin + "/api"}
	if err := admin.call(ctx, http.MethodPost, "/auth/", object{"username": "admin", "password": "password"}); err != nil {
		return err
	}
	scopes := append([]string{ResourceScope}, s.config.Scopes...)
	for _, name := range scopes {
		scope := object{"name": name, "display_name": name, "password_required": true, "password_max_age": 0, "scheme": object{}}
		if err := admin.call(ctx, http.MethodPost, "/scope", scope); err != nil {
			return err
		}
	}
	parameters, err := s.parameters(scopes)
	if err != nil {
		return err
	}
	return errors.Join(
		admin.call(ctx, http.MethodPost, "/user", object{
			"username": username, "password": password, "name": "Ada Lovelace", "email": "ada@example.com", "enabled": true,
			"scope": append(slices.Clone(scopes), "openid", "g_profile"),
		}),
		admin.call(ctx, http.MethodPost, "/mod/plugin/", object{
			"module": "oidc", "name": plugin, "display_name": "OpenID Connect", "parameters": parameters,
		}),
	)
}

// parameters are the plugin's settings: those of its page for administrators, with registration for
// everybody, resource indicators and refresh tokens that rotate.
func (s *Server) parameters(scopes []string) (object, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	resources := object{}
	for _, scope := range scopes {
		resources[scope] = s.config.Resources
	}
	return object{
		"iss": s.Issuer(), "jwt-type": "ecdsa", "jwt-key-size": "256", "jwks-show": true,
		"key":                   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"cert":                  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"access-token-duration": 3600, "refresh-token-duration": 86400, "code-duration": 600,
		"refresh-token-rolling": true, "refresh-token-one-use": "always",
		"allow-non-oidc": true, "auth-type-code-enabled": true, "auth-type-refresh-enabled": true,
		"auth-type-token-enabled": false, "auth-type-id-token-enabled": false, "auth-type-none-enabled": false,
		"auth-type-password-enabled": false, "auth-type-client-enabled": false, "auth-type-device-enabled": false,
		"pkce-allowed": true, "pkce-required": true, "pkce-method-plain-allowed": false,
		"introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true,
		"register-client-allowed": true, "register-client-auth-scope": []string{}, "register-client-credentials-scope": []string{},
		"register-client-management-allowed": false,
		"resource-allowed":                   true, "resource-scope": resources, "resource-scope-and-client-property": false,
		"subject-type": "public", "claims": []string{}, "name-claim": "on-demand", "email-claim": "on-demand", "scope-claim": "on-demand",
		"address-claim": object{"type": "no"}, "request-parameter-allow": false,
		"oauth-rar-allowed": false, "oauth-par-allowed": false, "session-management-allowed": false,
	}, nil
}
