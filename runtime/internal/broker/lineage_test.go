package broker

import (
	"net/http"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// A replica that did not see some refreshes must not take their tokens for replays, however many
// there are and wherever they came from.
func TestReplicasTakeTurnsAtRefreshing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ brokers, refreshes int }{
		"two replicas, strictly in turn": {2, 40},
		"three replicas":                 {3, 40},
		"many replicas":                  {tickets.MaxAncestors + 5, 3 * (tickets.MaxAncestors + 5)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.brokers)
			clientID := w.newClient(webRedirect)
			tokens := w.login(clientID)
			for range c.refreshes {
				tokens = w.refreshed(clientID, tokens.RefreshToken)
			}
			if w.logged(oauth.ReasonRefreshTokenReused) {
				t.Error("a refresh was taken for a replay")
			}
		})
	}
}

// A replica knows enough to tell a descendant from a fork: the thief's tokens, made of an old one
// somewhere else, do not become older by being refreshed more often.
func TestAForkIsNoticedHoweverOftenItIsRefreshed(t *testing.T) {
	t.Parallel()
	for name, forks := range map[string]int{"as often": 1, "more often": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2)
			w.provider.rotates = false // the provider would not notice
			clientID := w.newClient(webRedirect)
			stolen := w.login(clientID)
			here, there := w.brokers[0], w.brokers[1]
			only := func(b *Broker) { w.brokers = []*Broker{b} }
			only(here)
			own := w.refreshed(clientID, stolen.RefreshToken)
			only(there)
			thief := stolen
			for range forks {
				thief = w.refreshed(clientID, thief.RefreshToken)
			}
			only(here)
			wantError(t, w.post("/token", refreshForm(clientID, thief.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
			if !w.logged(oauth.ReasonRefreshTokenReused) {
				t.Error("the log does not say so")
			}
			wantError(t, w.post("/token", refreshForm(clientID, own.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
		})
	}
}

// A replica that was away for longer than tokens remember takes the newer one for what it is, and
// an older one for a replay.
func TestAReplicaThatWasAwayForLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.provider.rotates = false
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	here, there := w.brokers[0], w.brokers[1]
	w.brokers = []*Broker{here}
	tokens = w.refreshed(clientID, tokens.RefreshToken)
	w.brokers = []*Broker{there}
	middle := tokens
	for i := range 2 * tickets.MaxAncestors {
		tokens = w.refreshed(clientID, tokens.RefreshToken)
		if i == tickets.MaxAncestors {
			middle = tokens
		}
	}
	w.brokers = []*Broker{here}
	w.refreshed(clientID, tokens.RefreshToken)
	wantError(t, w.post("/token", refreshForm(clientID, middle.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
}
