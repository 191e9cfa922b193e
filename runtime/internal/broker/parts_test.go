package broker

import (
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// Parts of a server for tests that need no more of it.

func testRing(t testing.TB) *seal.Ring {
	t.Helper()
	ring, err := seal.NewRing(seal.Config{Secret: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func testBoxes(t testing.TB, resource string) *tickets.Boxes {
	t.Helper()
	return tickets.New(testRing(t), seal.Binding{Resource: resource}, tickets.ID{}, time.Now)
}

func testSite(t testing.TB, resource string) site {
	t.Helper()
	s, err := newSite(resource, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newRemembered(t testing.TB, resource string) *remembered {
	t.Helper()
	s := testSite(t, resource)
	return &remembered{cookies: newCookieJar(s.mount, s.secure()), box: testBoxes(t, resource).Consents, site: s, now: time.Now}
}

// anyProvider is a provider that every login can lead to.
type anyProvider struct{}

func (anyProvider) AuthorizationURL(l upstream.Login) string {
	return "https://idp.example.com/authorize?state=" + l.State
}
