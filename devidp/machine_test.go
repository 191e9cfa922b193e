package devidp_test

import (
	"net/url"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

func machineClient(c *devidp.Config) {
	c.Clients = append(c.Clients, devidp.Client{ID: "nightly", Secret: "test-secret-of-nightly", GrantTypes: []string{"client_credentials"}})
}

func machineForm() url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"nightly"}, "client_secret": {"test-secret-of-nightly"},
		"scope": {"reports:read"}, "resource": {testResource},
	}
}

func TestAMachineGetsATokenOfItsOwn(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, machineClient)
	response := readTokens(t, postForm(t, idp, "/token", machineForm()))
	if response.RefreshToken != "" || response.IDToken != "" || response.Scope != "reports:read" {
		t.Errorf("refresh token %t, ID token %t, scope %q", response.RefreshToken != "", response.IDToken != "", response.Scope)
	}
	_, claims := verified(t, idp, response.AccessToken)
	if claims.String("sub") != "nightly" || claims.String("client_id") != "nightly" || claims.String("aud") != testResource ||
		claims.Has("auth_time") || claims.Has("preferred_username") {
		t.Errorf("claims %v", claims)
	}
	answer := postForm(t, idp, "/introspect", url.Values{
		"token": {response.AccessToken}, "client_id": {"nightly"}, "client_secret": {"test-secret-of-nightly"},
	}).json(t)
	if _, named := answer["username"]; named || answer["active"] != true || answer["sub"] != "nightly" {
		t.Errorf("introspection says active %v, sub %v, username %t", answer["active"], answer["sub"], named)
	}
}

func TestMachinesAreRefused(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, machineClient, confidentialClient)
	for name, c := range map[string]struct {
		form   url.Values
		status int
		code   oauth.Code
	}{
		"with a wrong secret":         {with(machineForm(), "client_secret", "guessed"), 401, oauth.CodeInvalidClient},
		"with a scope about users":    {with(machineForm(), "scope", "openid"), 400, oauth.CodeInvalidScope},
		"with a malformed resource":   {with(machineForm(), "resource", "no-uri"), 400, oauth.CodeInvalidTarget},
		"that are not registered so":  {with(machineForm(), "client_id", "confidential", "client_secret", "test-secret-of-confidential"), 400, oauth.CodeUnauthorizedClient},
		"that try to log somebody in": {with(codeForm("x"), "client_id", "nightly", "client_secret", "test-secret-of-nightly"), 400, oauth.CodeUnauthorizedClient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			postForm(t, idp, "/token", c.form).wantError(t, c.status, c.code)
		})
	}
}

func TestMachinesThatCouldBeMistakenAreNotRegistered(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t)
	grants := []string{"client_credentials"}
	if err := idp.AddClient(devidp.Client{ID: "user-alice", Secret: "test-secret", GrantTypes: grants}); err == nil {
		t.Error("a machine may have the subject of a user")
	}
	if err := idp.AddClient(devidp.Client{ID: "public", GrantTypes: grants}); err == nil {
		t.Error("a machine needs no secret")
	}
}

func TestAMachinesTokenWithoutARequest(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t)
	_, claims := verified(t, idp, idp.Token(devidp.TokenRequest{ClientID: "nightly", Audience: []string{testResource}}))
	if claims.String("sub") != "nightly" || claims.Has("auth_time") {
		t.Errorf("claims %v", claims)
	}
	if _, err := idp.Mint(devidp.TokenRequest{}); err == nil {
		t.Error("a token needs neither user nor machine")
	}
}
