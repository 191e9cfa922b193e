package e2e

import (
	"context"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/keycloak"
	"github.com/latchkey-auth/latchkey/oauth"
)

const (
	titleKeycloakTerm = "Keycloak is stopped (SIGTERM) and started"
	titleKeycloakKill = "Keycloak is killed (SIGKILL) and started"
)

// tokenLife is long enough for the whole of a fault, also where the clock is moved.
const tokenLife = 2 * time.Hour

// keycloakRestarts ends and starts a Keycloak of its own, which keeps its database in a file.
func keycloakRestarts(t *testing.T, report *faultReport) {
	home := needed(t, "E2E_KEYCLOAK_HOME", "Keycloak needs Java 17 or newer and Maven")
	ctx := faultContext(t)
	instance, err := keycloak.Start(ctx, keycloak.Config{
		Home: home, LogDir: logDir(t), Port: port(ctx, t), Database: filepath.Join(t.TempDir(), "keycloak"),
	})
	must(t, err)
	t.Cleanup(instance.Stop)
	s := newSite(ctx, t, keycloakScope, func(resource string) harness.Server {
		realm, err := instance.NewRealm(ctx, keycloak.RealmConfig{Audience: resource, TokenLife: tokenLife})
		must(t, err)
		return realm
	})
	s.serve(ctx, t)
	keycloakEnds(ctx, t, report, s, instance, titleKeycloakTerm, syscall.SIGTERM)
	keycloakEnds(ctx, t, report, s, instance, titleKeycloakKill, syscall.SIGKILL)
}

func keycloakEnds(ctx context.Context, t *testing.T, report *faultReport, s *site, instance *keycloak.Instance, title string, signal syscall.Signal) {
	t.Helper()
	tokens := s.tokens(ctx, t, 2*callers)
	traffic := s.traffic(ctx, t, tokens[:callers])
	for range 2 {
		traffic.Add(metadata, func(ctx context.Context) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, s.resource.Origin()+"/.well-known/"+oauth.WellKnownAuthorizationServer, nil)
		})
	}
	must(t, traffic.Rounds(ctx, 5))
	s.coolDown(ctx, t)

	traffic.Phase(whileDown)
	must(t, instance.End(ctx, signal))
	s.askWhileDown(ctx, t, traffic, tokens)

	must(t, instance.StartAgain(ctx))
	traffic.Phase(upAgain)
	s.untilAnswer(ctx, t, traffic, newToken, s.tryLogin(ctx, traffic), "200")
	s.untilAnswer(ctx, t, traffic, prober, strangers(t, tokens[0], 1)[0], "401")
	s.inVain = time.Now()
	must(t, traffic.Rounds(ctx, 5))

	report.check(t, title, traffic.Stop(), []expected{
		{beforeStop, known, []string{"200"}, atOnce()},
		{beforeStop, metadata, []string{"200"}, oneFetch()},
		{whileDown, known, []string{"200"}, atOnce()},
		{whileDown, firstUse, []string{"200"}, atOnce()},
		{whileDown, stranger, []string{"503"}, oneFetch()},
		{whileDown, metadata, []string{"200"}, atOnce()},
		{whileDown, newLogin, []string{harness.Refused}, atOnce()},
		{upAgain, known, []string{"200"}, atOnce()},
		{upAgain, metadata, []string{"200"}, atOnce()},
		{upAgain, newLogin, []string{loggedIn}, oneLogin()},
		{upAgain, newToken, []string{"200"}, atOnce()},
		{upAgain, prober, []string{"503", "401"}, oneFetch()},
	})
}
