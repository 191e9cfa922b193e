package broker

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// maxTransactions is how many logins one browser may have under way at a mount.
const maxTransactions = 4

// transaction is a login at the provider that is under way. It lives in a cookie, so that only the browser whose user
// consented can finish it; the provider sees a random handle to it.
type transaction struct {
	handle    identifier
	client    identifier
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
		handle: newIdentifier(), client: req.client, redirect: req.redirect, state: req.state, challenge: req.challenge,
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
func (b *Broker) transactionName(handle identifier) string {
	return b.cookies.transaction + digest("slot", handle.String()).String()[:8]
}

// dropOldTransactions makes room for one more: what cannot be read goes first, then the oldest.
func (b *Broker) dropOldTransactions(w http.ResponseWriter, r *http.Request) {
	type aged struct {
		name    string
		expires time.Time
	}
	var live []aged
	for _, c := range b.transactionCookies(r) {
		_, expires, err := b.boxes.transaction.Open(c.Value, b.now())
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
	var w recordWriter
	w.id(t.handle)
	w.id(t.client)
	w.text(t.redirect)
	w.text(t.state)
	w.b = append(w.b, t.challenge[:]...)
	w.b = append(w.b, t.secret[:]...)
	w.number(uint64(b.scopesMark))
	w.number(b.scopeSet(t.scopes))
	w.number(uint64(max(0, 1+slices.Index(b.config.Subresources, t.resource)))) // 0 is the mount's own
	return b.boxes.transaction.Seal(w.b, b.now().Add(transactionLifetime))
}

// openTransaction returns the transaction of a handle that this browser may finish.
func (b *Broker) openTransaction(r *http.Request, handle identifier) (transaction, error) {
	payload, _, err := b.boxes.transaction.Open(get(r, b.transactionName(handle)), b.now())
	if err != nil {
		return transaction{}, err
	}
	rec := recordReader{rest: string(payload)}
	t := transaction{handle: rec.id(), client: rec.id(), redirect: rec.text(), state: rec.text()}
	copy(t.challenge[:], rec.take(uint64(len(t.challenge))))
	copy(t.secret[:], rec.take(uint64(len(t.secret))))
	mark, set, index := rec.number(), rec.number(), rec.number()
	if err := rec.end(); err != nil {
		return transaction{}, err
	}
	if subtle.ConstantTimeCompare(t.handle[:], handle[:]) != 1 || mark != uint64(b.scopesMark) ||
		index > uint64(len(b.config.Subresources)) {
		return transaction{}, errRecord
	}
	t.scopes = b.scopesOf(set)
	t.resource = b.resource
	if index > 0 {
		t.resource = b.config.Subresources[index-1]
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
	return caused(oauth.CodeInvalidRequest, reasonTransaction,
		"No login is waiting for this answer in this browser. Go back to the application and start again", cause)
}
