package devidp_test

import (
	"context"
	"net/http"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
)

func TestDocumentedConfiguration(t *testing.T) {
	idp := devidp.Start(t, func(c *devidp.Config) {
		c.Issuer += "/realms/dev" // the host and port are set already
		c.Algorithm = devidp.RS256
		c.Scopes = []string{"openid", "profile", "email", "reports:read"}
		c.Resources = []string{resource}
		c.Users = append(devidp.DefaultUsers(), devidp.User{
			Username: "erin", Name: "Erin Eames", Roles: []string{"auditor"}, Claims: map[string]any{"tenant": "blue"},
		})
	})
	if _, claims := verified(t, idp, idp.Token(devidp.TokenRequest{User: "erin"})); claims.String("tenant") != "blue" {
		t.Errorf("claims %v", claims)
	}
}

func TestDocumentedTokens(t *testing.T) {
	idp := devidp.Start(t)
	elsewhere := idp.Token(devidp.TokenRequest{User: "bob", Audience: []string{"https://other.example.com"}})
	expired := idp.Token(devidp.TokenRequest{User: "bob", Audience: []string{resource}, ExpiresIn: -time.Hour})
	noExpiry := idp.Token(devidp.TokenRequest{User: "bob", Claims: map[string]any{"exp": nil}})
	wrongType := idp.Token(devidp.TokenRequest{User: "bob", Header: map[string]any{"typ": "JWT"}})
	for _, token := range []string{elsewhere, expired, noExpiry, wrongType} {
		verified(t, idp, token)
	}
}

func TestDocumentedFaults(t *testing.T) {
	idp := devidp.Start(t)
	idp.SetFaults(devidp.Faults{Down: true, Endpoints: []devidp.Endpoint{devidp.EndpointJWKS}})
	if err := idp.Rotate(); err != nil {
		t.Fatal(err)
	}
	if answer := get(t, idp, idp.URL("/jwks")); answer.status != http.StatusServiceUnavailable {
		t.Errorf("status %d", answer.status)
	}
}

func TestDocumentedServer(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = run(ended) // returns, whether or not somebody else has the port
}

func run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	idp, err := devidp.New(devidp.Config{Issuer: "http://127.0.0.1:9400"})
	if err != nil {
		return err
	}
	return idp.ListenAndServe(ctx, "")
}
