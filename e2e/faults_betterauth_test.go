package e2e

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/betterauth"
)

const (
	titleBetterAuthKept = "Better Auth is stopped (SIGTERM) and started, with its keys in a database"
	titleBetterAuthLost = "Better Auth is killed (SIGKILL) and started, with its keys in memory"
)

// The phases of a restart.
const (
	beforeStop = "before"
	whileDown  = "while nobody listens"
	upAgain    = "it listens again"
)

// betterAuthRestarts stops and starts a server that keeps what it knows.
func betterAuthRestarts(t *testing.T, report *faultReport) {
	ctx := faultContext(t)
	var server *betterauth.Server
	s := newSite(ctx, t, betterAuthScope, func(resource string) harness.Server {
		server = startBetterAuthWith(ctx, t, betterauth.Config{
			Resources: []string{resource}, State: filepath.Join(t.TempDir(), "state"),
		})
		return server
	})
	s.serve(ctx, t)
	tokens := s.tokens(ctx, t, 2*callers)
	traffic := s.traffic(ctx, t, tokens[:callers])

	traffic.Phase(whileDown)
	must(t, server.End(ctx, syscall.SIGTERM))
	s.askWhileDown(ctx, t, traffic, tokens)

	must(t, server.StartAgain(ctx))
	traffic.Phase(upAgain)
	s.untilAnswer(ctx, t, traffic, newToken, s.tryLogin(ctx, traffic), "200")
	s.untilAnswer(ctx, t, traffic, prober, strangers(t, tokens[0], 1)[0], "401")
	must(t, traffic.Rounds(ctx, 5))

	report.check(t, titleBetterAuthKept, traffic.Stop(), []expected{
		{beforeStop, known, []string{"200"}, atOnce()},
		{whileDown, known, []string{"200"}, atOnce()},
		{whileDown, firstUse, []string{"200"}, atOnce()},
		{whileDown, stranger, []string{"503"}, oneFetch()},
		{whileDown, newLogin, []string{harness.Refused}, atOnce()},
		{upAgain, known, []string{"200"}, atOnce()},
		{upAgain, newLogin, []string{loggedIn}, oneLogin()},
		{upAgain, newToken, []string{"200"}, atOnce()},
		{upAgain, prober, []string{"503", "401"}, oneFetch()},
	})
}

// betterAuthForgets kills a server that keeps everything in memory: it comes back as the same
// issuer with other keys, and without the clients that had registered.
func betterAuthForgets(t *testing.T, report *faultReport) {
	const (
		newKeys      = "it listens again, with other keys"
		presented    = "a token of the new keys is presented"
		fetched      = "the new key set is fetched"
		forgotten    = "one whose client registered before"
		refusedLogin = "the login refused by Better Auth"
		newTokens    = "20 who logged in again"
	)
	ctx := faultContext(t)
	var server *betterauth.Server
	s := newSite(ctx, t, betterAuthScope, func(resource string) harness.Server {
		server = startBetterAuthWith(ctx, t, betterauth.Config{Resources: []string{resource}})
		return server
	})
	s.serve(ctx, t)
	tokens := s.tokens(ctx, t, 2*callers)
	traffic := s.traffic(ctx, t, tokens[:callers])

	traffic.Phase(whileDown)
	must(t, server.End(ctx, syscall.SIGKILL))
	s.askWhileDown(ctx, t, traffic, tokens)

	must(t, server.StartAgain(ctx))
	traffic.Phase(newKeys)
	began := time.Now()
	if _, err := s.login(ctx); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a client that Better Auth has forgotten logs in with error %v", err)
	}
	traffic.Count(forgotten, refusedLogin, time.Since(began))
	s.register(ctx, t)
	token := s.tryLogin(ctx, traffic)
	must(t, traffic.Rounds(ctx, 5))

	traffic.Phase(presented)
	s.untilAnswer(ctx, t, traffic, newToken, token, "200")
	must(t, traffic.Rounds(ctx, 2))
	traffic.Phase(fetched)
	must(t, traffic.Rounds(ctx, 5))
	s.once(ctx, traffic, newTokens, s.tokens(ctx, t, callers))

	report.check(t, titleBetterAuthLost, traffic.Stop(), []expected{
		{beforeStop, known, []string{"200"}, atOnce()},
		{whileDown, known, []string{"200"}, atOnce()},
		{whileDown, firstUse, []string{"200"}, atOnce()},
		{whileDown, stranger, []string{"503"}, oneFetch()},
		{whileDown, newLogin, []string{harness.Refused}, atOnce()},
		{newKeys, known, []string{"200"}, atOnce()},
		{newKeys, forgotten, []string{refusedLogin}, oneLogin()},
		{newKeys, newLogin, []string{loggedIn}, oneLogin()},
		{presented, known, []string{"200", "401"}, atOnce()},
		{presented, newToken, []string{"503", "200"}, oneFetch()},
		{fetched, known, []string{"401"}, atOnce()},
		{fetched, newTokens, []string{"200"}, atOnce()},
	})
}

// askWhileDown asks what an outage must answer, while 20 callers go on. tokens are theirs, and 20
// that were never seen.
func (s *site) askWhileDown(ctx context.Context, t *testing.T, traffic *harness.Traffic, tokens []string) {
	t.Helper()
	s.once(ctx, traffic, firstUse, tokens[callers:])
	s.once(ctx, traffic, stranger, strangers(t, tokens[0], callers))
	s.tryLogin(ctx, traffic)
	must(t, traffic.Rounds(ctx, 10))
}
