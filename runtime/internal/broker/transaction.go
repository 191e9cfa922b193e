package broker

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// maxTransactions is how many logins one browser may have under way at a mount.
const maxTransactions = 4

// transaction is a login at the provider that is under way. It lives in a cookie, so that only the browser whose user
// consented can finish it; the provider sees a random handle to it.
type transaction struct {
	handle    tickets.ID
	client    tickets.ID
	redirect  string
	state     string
	challenge [32]byte
	scopes    []string
	resource  string
	// secret is our PKCE verifier towards the provider, or what its nonce is made of.
	secret [32]byte
}

// startTransaction sets the cookie of a new transaction and returns where the user logs in. It is called right after the
// consent, never before.
func (b *Broker) startTransaction(w http.ResponseWriter, r *http.Request, req request) string {
	t := transaction{
		handle: tickets.NewID(), client: req.client, redirect: req.redirect, state: req.state, challenge: req.challenge,
		scopes: req.scopes, resource: req.resource,
	}
	_, _ = rand.Read(t.secret[:]) // never fails: crypto/rand ends the program instead
	b.dropOldTransactions(w, r)
	b.cookies.set(w, b.transactionName(t.handle), b.sealTransaction(t), transactionLifetime)
	return b.upstream.AuthorizationURL(upstream.Login{
		State: t.handle.String(), Secret: t.secret, Scopes: t.scopes, Resource: t.resource,
	})
}

// transactionName is the name of a transaction's cookie. It does not tell the handle.
func (b *Broker) transactionName(handle tickets.ID) string {
	return b.cookies.transaction + tickets.Digest("slot", handle.String()).String()[:8]
}

// dropOldTransactions makes room for one more: what cannot be read goes first, then the oldest.
func (b *Broker) dropOldTransactions(w http.ResponseWriter, r *http.Request) {
	type aged struct {
		name    string
		expires time.Time
	}
	var live []aged
	for _, c := range b.transactionCookies(r) {
		_, expires, err := b.tickets.Login.Open(c.Value)
		if err != nil {
			b.cookies.clear(w, c.Name)
			continue
		}
		live = append(live, aged{c.Name, expires})
	}
	// Expiry is in seconds. Of the logins begun within one, browsers name the earlier cookie first (RFC 6265 section 5.4).
	slices.Reverse(live)
	slices.SortStableFunc(live, func(x, y aged) int { return y.expires.Compare(x.expires) })
	for _, c := range live[min(len(live), maxTransactions-1):] {
		b.cookies.clear(w, c.name)
	}
}

func (b *Broker) sealTransaction(t transaction) string {
	return b.tickets.Login.Seal(tickets.Login{
		Handle: t.handle, Client: t.client, Redirect: t.redirect, State: t.state, Challenge: t.challenge, Secret: t.secret,
		Mark: uint64(b.scopesMark), ScopeSet: b.scopeSet(t.scopes),
		Resource: uint64(max(0, 1+slices.Index(b.config.Subresources, t.resource))), // 0 is the mount's own
	}, b.now().Add(transactionLifetime))
}

// openTransaction returns the transaction of a handle that this browser may finish.
func (b *Broker) openTransaction(r *http.Request, handle tickets.ID) (transaction, error) {
	l, _, err := b.tickets.Login.Open(get(r, b.transactionName(handle)))
	switch {
	case err != nil:
		return transaction{}, err
	case subtle.ConstantTimeCompare(l.Handle[:], handle[:]) != 1:
		return transaction{}, errors.New("the cookie is of another login")
	case l.Mark != uint64(b.scopesMark) || l.Resource > uint64(len(b.config.Subresources)):
		return transaction{}, errors.New("the login began under another configuration")
	}
	t := transaction{
		handle: l.Handle, client: l.Client, redirect: l.Redirect, state: l.State, challenge: l.Challenge, secret: l.Secret,
		scopes: b.scopesOf(l.ScopeSet), resource: b.resource,
	}
	if l.Resource > 0 {
		t.resource = b.config.Subresources[l.Resource-1]
	}
	return t, nil
}

// scopeSet packs scopes into a bit per configured scope. The mark of the list goes with it: after a change of the
// configuration the bits mean something else.
func (b *Broker) scopeSet(scopes []string) (set uint64) {
	for i, s := range b.config.Scopes {
		if slices.Contains(scopes, s) {
			set |= 1 << i
		}
	}
	return set
}

func (b *Broker) scopesOf(set uint64) []string {
	var scopes []string
	for i, s := range b.config.Scopes {
		if set&(1<<i) != 0 {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// unknownTransaction is the refusal of a callback that no login of this browser is waiting for.
func unknownTransaction(cause error) *oauth.Error {
	return refusal.Caused(oauth.CodeInvalidRequest, refusal.ReasonTransaction,
		"No login is waiting for this answer in this browser. Go back to the application and start again", cause)
}
