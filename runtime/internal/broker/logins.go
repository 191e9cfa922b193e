package broker

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/internal/broker/grants"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

const (
	// maxLogins is how many logins one browser may have under way at a server.
	maxLogins = 4
	// maxHostLogins is how many it may have at all servers of one host: each is a cookie of 2 KB at
	// most, and common servers take headers of 16 KB.
	maxHostLogins = 6
	// loginLifetime is how long a login at the provider may take (MCP security best practices).
	loginLifetime = 10 * time.Minute
)

// login is a login at the provider that is under way. It lives in a cookie, so that only the
// browser whose user consented can finish it; the provider sees a random handle to it.
type login struct {
	handle    tickets.ID
	client    tickets.ID
	redirect  string
	state     string
	challenge [32]byte
	scopes    []string
	resource  string
	// secret is our PKCE verifier towards the provider, or what its nonce is made of.
	secret [32]byte
	// key is the one that sealed it.
	key seal.Key
}

// logins are the logins that are under way, each in its browser.
type logins struct {
	cookies  cookieJar
	box      *tickets.Box[tickets.Login]
	entries  grants.Entries
	site     site
	scopes   scopes
	provider interface{ AuthorizationURL(l upstream.Login) string }
	now      func() time.Time
}

// start sets the cookie of a new login and returns where the user logs in. It is called right after
// the consent, never before.
func (l *logins) start(w http.ResponseWriter, r *http.Request, req request) string {
	t := login{
		handle: tickets.NewID(), client: req.client, redirect: req.redirect, state: req.state, challenge: req.challenge,
		scopes: req.scopes, resource: req.resource,
	}
	_, _ = rand.Read(t.secret[:]) // never fails: crypto/rand ends the program instead
	l.dropOld(w, r)
	l.cookies.set(w, l.cookies.loginName(t.handle), l.seal(t), loginLifetime)
	return l.provider.AuthorizationURL(upstream.Login{
		State: t.handle.String(), Secret: t.secret, Scopes: t.scopes, Resource: t.resource,
	})
}

// dropOld makes room for one more: what cannot be read goes first, then the oldest, then the oldest
// of the other servers.
func (l *logins) dropOld(w http.ResponseWriter, r *http.Request) {
	type aged struct {
		name    string
		expires time.Time
	}
	var live []aged
	for _, c := range l.cookies.logins(r) {
		_, expires, err := l.box.Open(c.Value)
		if err != nil {
			l.cookies.clear(w, c.Name)
			continue
		}
		live = append(live, aged{c.Name, expires})
	}
	// Expiry is in seconds. Of the logins begun within one, browsers name the earlier cookie first
	// (RFC 6265 section 5.4).
	slices.Reverse(live)
	slices.SortStableFunc(live, func(x, y aged) int { return y.expires.Compare(x.expires) })
	kept := min(len(live), maxLogins-1)
	for _, c := range live[kept:] {
		l.cookies.clear(w, c.name)
	}
	others := l.cookies.foreignLogins(r)
	for _, name := range others[:max(0, len(others)+kept+1-maxHostLogins)] {
		l.cookies.clear(w, name)
	}
}

func (l *logins) seal(t login) string {
	return l.box.Seal(tickets.Login{
		Handle: t.handle, Client: t.client, Redirect: t.redirect, State: t.state, Challenge: t.challenge, Secret: t.secret,
		Mark: l.scopes.mark, ScopeSet: l.scopes.set(t.scopes), Resource: uint64(max(0, slices.Index(l.site.resources, t.resource))),
	}, l.now().Add(loginLifetime))
}

// open returns the login of a handle that this browser may finish.
func (l *logins) open(r *http.Request, handle tickets.ID) (login, error) {
	t, key, _, err := l.box.OpenUnder(get(r, l.cookies.loginName(handle)))
	switch {
	case err != nil:
		return login{}, err
	case subtle.ConstantTimeCompare(t.Handle[:], handle[:]) != 1:
		return login{}, errors.New("the cookie is of another login")
	case t.Mark != l.scopes.mark || t.Resource >= uint64(len(l.site.resources)):
		return login{}, errors.New("the login began under another configuration")
	}
	return login{
		handle: t.Handle, client: t.Client, redirect: t.Redirect, state: t.State, challenge: t.Challenge, secret: t.Secret,
		scopes: l.scopes.list(t.ScopeSet), resource: l.site.resources[t.Resource], key: key,
	}, nil
}

// use ends a login: it is good for one answer. It reports whether this is the first.
func (l *logins) use(ctx context.Context, t login) (first bool, err error) {
	return l.entries.Once(ctx, "callback", t.handle, loginLifetime, t.key)
}

// clear takes a login out of its browser.
func (l *logins) clear(w http.ResponseWriter, t login) {
	l.cookies.clear(w, l.cookies.loginName(t.handle))
}
