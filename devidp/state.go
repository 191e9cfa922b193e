package devidp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// How much is remembered, and for how long. An entry beyond its limit pushes the oldest out.
const (
	maxClients      = 1000
	maxTransactions = 1000
	maxCodes        = 1000
	maxAccess       = 20_000
	maxRefresh      = 10_000

	clientLifetime      = 30 * 24 * time.Hour
	transactionLifetime = 10 * time.Minute
	codeLifetime        = 60 * time.Second
)

// state is everything that the server remembers. Tokens and codes are filed under their digest, so
// that looking one up takes no time that depends on its text.
type state struct {
	now func() time.Time

	mu           sync.Mutex
	presets      map[string]*client
	clients      *shelf[*client]
	transactions *shelf[transaction]
	codes        *shelf[*code]
	access       *shelf[*accessToken]
	refresh      *shelf[*refreshToken]
}

func newState(now func() time.Time) *state {
	return &state{
		now:          now,
		presets:      make(map[string]*client),
		clients:      newShelf[*client](maxClients),
		transactions: newShelf[transaction](maxTransactions),
		codes:        newShelf[*code](maxCodes),
		access:       newShelf[*accessToken](maxAccess),
		refresh:      newShelf[*refreshToken](maxRefresh),
	}
}

// grant is what a user allowed a client: the family of all codes and tokens that come from one
// consent. Only revoked changes, under the state's lock.
type grant struct {
	clientID  string
	user      User
	scopes    []string
	resources []string
	nonce     string
	authTime  time.Time
	revoked   bool
}

// machineGrant is what a client has for itself. Its subject is the client (RFC 9068 section 2.2).
func machineGrant(clientID string, scopes, resources []string) *grant {
	return &grant{clientID: clientID, user: User{ID: clientID}, scopes: scopes, resources: resources}
}

// machine reports whether no user is behind the grant.
func (g *grant) machine() bool { return g.user.Username == "" }

// code is an authorization code. It stays after its use, to notice a second one.
type code struct {
	grant       *grant
	redirectURI string
	challenge   string
	used        bool
}

// accessToken is a token as introspection and userinfo see it. Its claims are never modified.
type accessToken struct {
	grant   *grant
	claims  map[string]any
	scopes  []string
	revoked bool
}

// refreshToken stays after its rotation, to notice a second use.
type refreshToken struct {
	grant *grant
	used  bool
}

// transaction is one authorization request on its way through the pages.
type transaction struct {
	request authorizationRequest
	// cookie is the digest of the value that only the browser of this transaction has.
	cookie [sha256.Size]byte
	// form is in every form of the transaction's pages.
	form string
	// user is nil until somebody logged in.
	user *User
}

func (s *state) addPreset(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.presets[c.id] = c
}

func (s *state) addClient(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients.put(c.id, c, s.now().Add(clientLifetime))
}

func (s *state) client(id string) (*client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.presets[id]; ok {
		return c, true
	}
	s.clients.keep(id)
	return s.clients.get(id, s.now())
}

func (s *state) addTransaction(id string, t transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transactions.put(id, t, s.now().Add(transactionLifetime))
}

func (s *state) transaction(id string) (transaction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transactions.get(id, s.now())
}

// logIn notes who logged in, unless the transaction has ended meanwhile.
func (s *state) logIn(id string, user User) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.transactions.get(id, s.now())
	if ok {
		t.user = &user
		s.transactions.put(id, t, s.now().Add(transactionLifetime))
	}
	return ok
}

// takeTransaction returns a transaction once.
func (s *state) takeTransaction(id string) (transaction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.transactions.get(id, s.now())
	s.transactions.remove(id)
	return t, ok
}

func (s *state) putCode(value string, c *code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes.put(digestKey(value), c, s.now().Add(codeLifetime))
}

func (s *state) putAccess(value string, t *accessToken, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access.put(digestKey(value), t, expires)
}

// activeAccess returns an access token that was issued here, has not expired and is not revoked.
func (s *state) activeAccess(value string) (*accessToken, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.access.get(digestKey(value), s.now())
	return t, ok && !t.revoked && !t.grant.revoked
}

func (s *state) putRefresh(value string, t *refreshToken, lifetime time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh.put(digestKey(value), t, s.now().Add(lifetime))
}

func digestKey(value string) string {
	digest := sha256.Sum256([]byte(value))
	return string(digest[:])
}

// randomText returns 256 random bits as text that needs no escaping anywhere.
func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
