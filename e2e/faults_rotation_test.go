package e2e

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/keycloak"
	"github.com/latchkey-auth/latchkey/oauth"
	provider "github.com/latchkey-auth/latchkey/providers_gen/keycloak"
	"github.com/latchkey-auth/latchkey/runtime"
)

// The times after which latchkey fetches a key set again, and after which it waits for that, as
// docs/faults.md states them.
const (
	softExpiry = 10 * time.Minute
	hardExpiry = 30 * time.Minute
	// unknownKeyPause is how long a key that was not in the set is not asked for again.
	unknownKeyPause = 30 * time.Second
)

const titleRotation = "Keycloak rotates a realm's keys"

// The phases and callers of a rotation.
const (
	newKeySigns    = "a new key signs"
	oldKeyPassive  = "the old key is passive: published, and signs nothing"
	oldKeyRemoved  = "the old key is removed"
	removalFetched = "the key set is fetched again, since somebody names an unknown key"
	afterRemoval   = "after that fetch"
	thirdKeySigns  = "a third key signs, less than 30 s after that fetch in vain"
	tenMinutes     = "without such a fetch: 10 minutes after the removal"
	halfAnHour     = "without such a fetch: 30 minutes after the removal, without a request in between"

	renewing  = "20 who refresh or log in all the time"
	oldTokens = "20 with tokens of the old key"
	thirdKey  = "one with a token of the third key"
	oldToken  = "one with a token of the old key (the test moves the clock)"
)

// keycloakRotates replaces a realm's signing key while 20 callers renew their tokens, and 20 do
// not.
func keycloakRotates(t *testing.T, report *faultReport) {
	ctx := faultContext(t)
	var realm *keycloak.Realm
	s := newSite(ctx, t, keycloakScope, func(resource string) harness.Server {
		realm = newRealm(ctx, t, keycloak.RealmConfig{Audience: resource, TokenLife: tokenLife})
		return realm
	})
	s.serve(ctx, t)
	r := &rotation{site: s, realm: realm}
	r.start(ctx, t)
	r.rotate(ctx, t)
	clocked := r.moveTheClock(ctx, t)

	report.check(t, titleRotation, append(r.traffic.Stop(), clocked...), []expected{
		{beforeStop, renewing, []string{"200"}, atOnce()},
		{beforeStop, oldTokens, []string{"200"}, atOnce()},
		{newKeySigns, renewing, []string{"200"}, atOnce()},
		{newKeySigns, oldTokens, []string{"200"}, atOnce()},
		{oldKeyPassive, renewing, []string{"200"}, atOnce()},
		{oldKeyPassive, oldTokens, []string{"200"}, atOnce()},
		{oldKeyRemoved, renewing, []string{"200"}, atOnce()},
		{oldKeyRemoved, oldTokens, []string{"200"}, atOnce()},
		{removalFetched, renewing, []string{"200"}, atOnce()},
		{removalFetched, oldTokens, []string{"200", "401"}, atOnce()},
		{removalFetched, prober, []string{"401"}, oneFetch()},
		{afterRemoval, renewing, []string{"200"}, atOnce()},
		{afterRemoval, oldTokens, []string{"401"}, atOnce()},
		{thirdKeySigns, renewing, []string{"200"}, atOnce()},
		{thirdKeySigns, oldTokens, []string{"401"}, atOnce()},
		{thirdKeySigns, thirdKey, []string{"503", "200"}, oneFetch()},
		{tenMinutes, oldToken, []string{"200", "401"}, atOnce()},
		{halfAnHour, oldToken, []string{"401"}, atOnce()},
	})
}

// rotation is a realm whose keys are rotated, and those who watch.
type rotation struct {
	*site

	realm   *keycloak.Realm
	oldKey  *keycloak.SigningKey
	traffic *harness.Traffic
	callers []*renewer
	// first are the callers' first tokens.
	first []string
	// busy keeps their first key known for some minutes more, idle for half an hour.
	busy, idle *clockedProvider
}

// start logs 20 callers in and has them ask.
func (r *rotation) start(ctx context.Context, t *testing.T) {
	t.Helper()
	var err error
	r.oldKey, err = r.realm.CurrentKey(ctx)
	must(t, err)
	for i := range callers {
		tokens, err := r.login(ctx)
		must(t, err)
		caller := &renewer{site: r.site, tokens: tokens, byLogin: i == 0}
		r.callers, r.first = append(r.callers, caller), append(r.first, tokens.AccessToken)
	}
	r.traffic = harness.NewTraffic(ctx, beforeStop)
	t.Cleanup(func() { r.traffic.Stop() })
	for i, caller := range r.callers {
		r.traffic.Add(renewing, caller.prepare)
		r.traffic.Add(oldTokens, r.ask(i, r.first[i]))
	}
	must(t, r.traffic.Rounds(ctx, 2))
}

// rotate does what an administrator would do, one step after the other.
func (r *rotation) rotate(ctx context.Context, t *testing.T) {
	t.Helper()
	r.traffic.Phase(newKeySigns)
	newKey, err := r.realm.AddKey(ctx, 200)
	must(t, err)
	must(t, harness.Until(ctx, func() bool { return r.allHave(newKey.ID) }))
	must(t, r.traffic.Rounds(ctx, 5))

	r.traffic.Phase(oldKeyPassive)
	must(t, r.oldKey.MakePassive(ctx))
	must(t, r.traffic.Rounds(ctx, 5))
	r.busy, r.idle = r.knowsOldKey(ctx, t), r.knowsOldKey(ctx, t)

	r.traffic.Phase(oldKeyRemoved)
	must(t, r.oldKey.Remove(ctx))
	must(t, r.traffic.Rounds(ctx, 5))

	r.traffic.Phase(removalFetched)
	r.once(ctx, r.traffic, prober, strangers(t, r.first[0], 1))
	must(t, r.traffic.Rounds(ctx, 2))
	r.traffic.Phase(afterRemoval)
	must(t, r.traffic.Rounds(ctx, 5))

	for _, caller := range r.callers {
		caller.content.Store(true)
	}
	must(t, r.traffic.Rounds(ctx, 2))
	r.traffic.Phase(thirdKeySigns)
	_, err = r.realm.AddKey(ctx, 300)
	must(t, err)
	tokens, err := r.login(ctx)
	must(t, err)
	r.untilAnswer(ctx, t, r.traffic, thirdKey, tokens.AccessToken, "200")
}

// allHave reports whether all callers present tokens of a key.
func (r *rotation) allHave(keyID string) bool {
	for _, caller := range r.callers {
		if have, _ := caller.keyID.Load().(string); have != keyID {
			return false
		}
	}
	return true
}

// renewer is a caller who gets a new access token again and again.
type renewer struct {
	*site

	tokens  *harness.Tokens
	byLogin bool // by a login, otherwise by the refresh token
	asked   int
	keyID   atomic.Value // of the token that was presented last
	content atomic.Bool  // whether the tokens will do from now on
}

// renewEvery is how many requests a caller makes with one token.
const renewEvery = 30

func (r *renewer) prepare(ctx context.Context) (*http.Request, error) {
	if r.asked++; r.asked%renewEvery == 0 && !r.content.Load() {
		var err error
		if r.byLogin {
			r.tokens, err = r.login(ctx)
		} else {
			r.tokens, err = r.client.Refresh(ctx, r.tokens.RefreshToken, r.resource.MCPURL())
		}
		if err != nil {
			return nil, err
		}
	}
	id, err := keyID(r.tokens.AccessToken)
	if err != nil {
		return nil, err
	}
	r.keyID.Store(id)
	return r.ask(r.asked, r.tokens.AccessToken)(ctx)
}

// clockedProvider is latchkey's provider for the realm in this process, with a clock that the test
// moves.
type clockedProvider struct {
	*runtime.Provider

	ahead atomic.Int64
}

// knowsOldKey makes a provider that has fetched the key set now.
func (r *rotation) knowsOldKey(ctx context.Context, t *testing.T) *clockedProvider {
	t.Helper()
	variables := map[string]string{}
	for _, entry := range r.realm.Environment() {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	c := &clockedProvider{}
	var err error
	c.Provider, err = provider.New(provider.Config{},
		runtime.WithLookupEnv(func(name string) (string, bool) { value, ok := variables[name]; return value, ok }),
		runtime.WithClock(func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }),
		runtime.WithLogger(slog.New(slog.DiscardHandler)))
	must(t, err)
	if answer := r.verify(ctx, c); answer != "200" {
		t.Fatalf("a token of the old key is answered %s before the key is removed", answer)
	}
	return c
}

// verify is the status that a token of the old key gets.
func (r *rotation) verify(ctx context.Context, c *clockedProvider) string {
	_, err := c.Verify(ctx, presented(r.first[0], r.resource.MCPURL()))
	if err == nil {
		return "200"
	}
	return strconv.Itoa(oauth.AsError(err).Status)
}

// moveTheClock shows how long a removed key is accepted at most where nothing else has the key set
// fetched.
func (r *rotation) moveTheClock(ctx context.Context, t *testing.T) []harness.Outcomes {
	t.Helper()
	counts := harness.NewTraffic(ctx, tenMinutes)
	r.busy.ahead.Store(int64(softExpiry))
	must(t, harness.Until(ctx, func() bool {
		began := time.Now()
		answer := r.verify(ctx, r.busy)
		counts.Count(oldToken, answer, time.Since(began))
		return answer != "200"
	}))
	counts.Phase(halfAnHour)
	r.idle.ahead.Store(int64(hardExpiry))
	began := time.Now()
	counts.Count(oldToken, r.verify(ctx, r.idle), time.Since(began))
	return counts.Stop()
}

// keyID is the kid of a token.
func keyID(token string) (string, error) {
	h, err := tokenHeader(token)
	if err != nil {
		return "", err
	}
	id, ok := h["kid"].(string)
	if !ok {
		return "", errors.New("the token names no key")
	}
	return id, nil
}
