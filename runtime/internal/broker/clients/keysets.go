package clients

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/internal/recent"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/keys"
)

// maxKeySets is how many key sets of clients are kept. The clients of one maker share one.
const maxKeySets = 128

// clientKeys says with which keys a client signs: those of a set, or those at an address.
type clientKeys struct {
	set *jose.Set
	uri string
	// algorithm is the one that the client signs with, where its document says so.
	algorithm jose.Algorithm
}

// readKeys reads the keys of the document at an address. The key set must have the document's
// origin: whoever controls that controls the client.
func readKeys(document oauth.Claims, id string) (clientKeys, error) {
	k := clientKeys{algorithm: jose.Algorithm(document.String("token_endpoint_auth_signing_alg")), uri: document.String("jwks_uri")}
	if document.Has("jwks") == document.Has("jwks_uri") {
		return clientKeys{}, errors.New("a document of a client that signs must have jwks or jwks_uri, and not both (RFC 7591 section 2)")
	}
	if document.Has("jwks") {
		set, err := jose.ParseSet(document.Raw("jwks"))
		if err == nil && set.Len() == 0 {
			err = errors.New("it has no key that can be used")
		}
		if err != nil {
			return clientKeys{}, fmt.Errorf("the document's jwks: %w", err)
		}
		k.set = set
		return k, nil
	}
	home, err := url.Parse(id)
	if err != nil || !strings.HasPrefix(k.uri, "https://"+home.Host+"/") || checkDocumentURL(k.uri) != nil {
		return clientKeys{}, errors.New("the document's jwks_uri must be an https URL of the document's own origin")
	}
	return k, nil
}

// keySets are the key sets of clients, fetched and kept as those of a provider are.
type keySets struct {
	http     *http.Client
	mayFetch func(address string, now time.Time) bool
	now      func() time.Time

	mu   sync.Mutex
	sets *recent.Table[string, *keys.Remote]
}

func newKeySets(c Config, client *http.Client) *keySets {
	return &keySets{http: client, mayFetch: c.MayFetch, now: c.Now, sets: recent.New[string, *keys.Remote](maxKeySets, nil)}
}

// at returns the key set at an address.
func (k *keySets) at(uri string) *keys.Remote {
	k.mu.Lock()
	defer k.mu.Unlock()
	set, ok := k.sets.Get(uri)
	if !ok {
		set = keys.NewRemote(keys.Config{URL: uri, Client: k.http, Now: k.now})
		k.sets.Put(uri, set)
	}
	return set
}

// verify checks a signature with the key set at an address. A fetch that this causes counts against
// the client's address.
func (k *keySets) verify(ctx context.Context, jws *jose.JWS, uri, address string, arrived time.Time) error {
	set := k.at(uri)
	if !set.Ready(jws.KeyID, jws.Algorithm) && !k.mayFetch(address, arrived) {
		return refusal.TooMany()
	}
	found, err := set.Keys(ctx, jws.KeyID, jws.Algorithm, arrived)
	if err != nil || jws.VerifyAny(&found) != nil {
		return err
	}
	if !k.mayFetch(address, arrived) {
		return refusal.TooMany()
	}
	others, err := set.Replaced(ctx, jws.KeyID, jws.Algorithm, arrived, &found)
	if err == nil && jws.VerifyAny(&others) == nil {
		err = jose.ErrSignature
	}
	return err
}
