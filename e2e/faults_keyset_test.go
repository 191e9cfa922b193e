package e2e

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/betterauth"
	"github.com/latchkey-auth/latchkey/e2e/servers/keycloak"
)

const (
	titleLate = "Keycloak answers its key set 6 s late"
	titleDrip = "Better Auth's key set comes a byte at a time"
)

// lateness is beyond the limit of a fetch.
const lateness = 6 * time.Second

func keySetLate(t *testing.T, report *faultReport) {
	ctx := faultContext(t)
	var realm *keycloak.Realm
	s := newSite(ctx, t, keycloakScope, func(resource string) harness.Server {
		realm = newRealm(ctx, t, keycloak.RealmConfig{Audience: resource, TokenLife: tokenLife})
		return realm
	})
	slowKeySet(ctx, t, report, titleLate, s, realm.KeySetURL(), func(p *harness.SlowProxy, slow bool) {
		p.Delay(map[bool]time.Duration{true: lateness}[slow])
	})
}

func keySetDrips(t *testing.T, report *faultReport) {
	ctx := faultContext(t)
	var server *betterauth.Server
	s := newSite(ctx, t, betterAuthScope, func(resource string) harness.Server {
		server = newBetterAuth(ctx, t, "", resource)
		return server
	})
	slowKeySet(ctx, t, report, titleDrip, s, server.KeySetURL(), (*harness.SlowProxy).Drip)
}

// slowKeySet puts a proxy in front of the key set alone, and makes it slow: while the resource
// server knows the keys, and while it knows none yet.
func slowKeySet(
	ctx context.Context, t *testing.T, report *faultReport, title string, s *site, keySet string, set func(*harness.SlowProxy, bool),
) {
	t.Helper()
	const (
		underWay  = "a fetch is under way, and slow"
		failed    = "that fetch has failed"
		coldStart = "start without any keys, the key set slow"
		fast      = "the key set is fast again"
		settled   = "after the next fetch"
		all       = "20 with good tokens"
	)
	proxy, err := harness.NewSlowProxy(keySet)
	must(t, err)
	t.Cleanup(proxy.Stop)
	s.serve(ctx, t, "--endpoint", "jwks="+proxy.URL())
	tokens := s.tokens(ctx, t, 2*callers)
	warm := s.traffic(ctx, t, tokens[:callers])

	set(proxy, true)
	warm.Phase(underWay)
	var waiting sync.WaitGroup
	waiting.Go(func() { s.once(ctx, warm, stranger, strangers(t, tokens[0], callers)) })
	must(t, harness.Until(ctx, func() bool { return proxy.Waiting() > 0 }))
	s.once(ctx, warm, firstUse, tokens[callers:])
	must(t, warm.Rounds(ctx, 2))
	if proxy.Waiting() == 0 {
		t.Error("the fetch ended before the good tokens were answered")
	}
	waiting.Wait()
	warm.Phase(failed)
	must(t, warm.Rounds(ctx, 5))
	got := warm.Stop()

	must(t, s.resource.Restart(ctx))
	cold := harness.NewTraffic(ctx, coldStart)
	t.Cleanup(func() { cold.Stop() })
	for i, token := range tokens[:callers] {
		cold.Add(all, s.ask(i, token))
	}
	must(t, cold.Rounds(ctx, 2))
	cold.Phase(fast)
	set(proxy, false)
	s.untilAnswer(ctx, t, cold, all, tokens[0], "200")
	must(t, cold.Rounds(ctx, 1))
	cold.Phase(settled)
	must(t, cold.Rounds(ctx, 5))

	report.check(t, title, append(got, cold.Stop()...), []expected{
		{beforeStop, known, []string{"200"}, atOnce()},
		{underWay, known, []string{"200"}, notForIt()},
		{underWay, firstUse, []string{"200"}, notForIt()},
		{underWay, stranger, []string{"503"}, oneFetch()},
		{failed, known, []string{"200"}, atOnce()},
		{coldStart, all, []string{"503"}, oneFetch()},
		{fast, all, []string{"503", "200"}, oneFetch()},
		{settled, all, []string{"200"}, atOnce()},
	})
}
