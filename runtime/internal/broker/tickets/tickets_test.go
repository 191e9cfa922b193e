package tickets

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
)

var (
	now     = time.Unix(1_800_000_000, 0)
	expires = now.Add(time.Minute)
	binding = seal.Binding{
		Issuer: "https://idp.example.com", Resource: "https://mcp.example.com/mcp", Provider: "example", Client: "client-1",
	}
)

func testRing(t testing.TB) *seal.Ring {
	t.Helper()
	ring, err := seal.NewRing(seal.Config{Keys: []oauth.Secret{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}) // bytes 0 to 31
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// ticket is one format with a value of it, for tests that go through all of them.
type ticket interface {
	// name returns what the format is for, and its version.
	name() (purpose string, version uint64)
	// seal seals the value as it is written now, and sealNext as the next version would that adds a
	// field and may be read by readers of version least.
	seal(t testing.TB) string
	sealNext(t testing.TB, least uint64) string
	// open returns the error of opening a sealed value, and complains of one that opens as another
	// value.
	open(t testing.TB, sealed string) error
	// read reads a record that only somebody with the key could have sealed.
	read(record []byte)
}

type ticketOf[T any] struct {
	format format[T]
	value  T
}

func (k ticketOf[T]) name() (string, uint64) { return k.format.purpose, k.format.version }

func (k ticketOf[T]) box(t testing.TB) *Box[T] {
	t.Helper()
	return newBox(k.format, testRing(t), binding, func() time.Time { return now })
}

func (k ticketOf[T]) seal(t testing.TB) string {
	t.Helper()
	return k.box(t).Seal(k.value, expires)
}

func (k ticketOf[T]) sealNext(t testing.TB, least uint64) string {
	t.Helper()
	next := k
	next.format.version, next.format.least = k.format.version+1, least
	next.format.write = func(w writer, value T) []byte {
		w.b = k.format.write(w, value)
		w.text("a further field")
		return w.b
	}
	return next.seal(t)
}

func (k ticketOf[T]) open(t testing.TB, sealed string) error {
	t.Helper()
	got, until, err := k.box(t).Open(sealed)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(got, k.value) || !until.Equal(expires) {
		t.Errorf("%s opens as\n%+v until %v, want\n%+v", k.format.purpose, got, until, k.value)
	}
	return nil
}

func (k ticketOf[T]) read(record []byte) { _, _ = k.format.parse(record) }

// allTickets are a value of each format. The golden values of the current version have them inside.
func allTickets(t testing.TB) []ticket {
	t.Helper()
	extra, err := oauth.ParseClaims(`{"org":"example"}`)
	if err != nil {
		t.Fatal(err)
	}
	challenge, secret := [32]byte([]byte(strings.Repeat("c", 32))), [32]byte([]byte(strings.Repeat("s", 32)))
	family, client, handle := Digest("family"), Digest("client"), Digest("handle")
	lineage := Lineage{ID: Digest("token"), Turn: 2, Ancestors: []Ancestor{{1, 2}, {3, 4}}}
	return []ticket{
		ticketOf[Client]{clientFormat(), Client{
			Issued: now.Add(-time.Hour), Name: "Example Client", Redirects: []string{"https://client.example.com/callback", "http://127.0.0.1/"},
		}},
		ticketOf[Form]{formFormat(), Form{
			Browser: Digest("browser"), Client: client, Label: "client-label", Redirect: "https://client.example.com/callback",
			State: "state", Challenge: challenge, Scopes: []string{"openid", "email"}, Resource: "https://mcp.example.com/mcp",
		}},
		ticketOf[[]Consent]{consentsFormat(), []Consent{{Given: Digest("given"), Until: now.Add(time.Hour)}}},
		ticketOf[Login]{loginFormat(), Login{
			Handle: handle, Client: client, Redirect: "https://client.example.com/callback", State: "state", Challenge: challenge,
			Secret: secret, Mark: 4_000_000_000, ScopeSet: 1<<63 + 1, Resource: 1,
		}},
		ticketOf[Code]{codeFormat(), Code{
			Family: family, Client: client, Redirect: Digest("redirect"), Challenge: challenge, Secret: secret,
			Resource: "https://mcp.example.com/mcp", Scopes: []string{"openid"}, Upstream: "test-code-of-the-provider",
		}},
		ticketOf[Access]{accessFormat(), Access{
			Family: family, Upstream: "test-access-token-of-the-provider",
			Info: &oauth.AuthInfo{
				ClientID: "client-label", Resource: "https://mcp.example.com/mcp", Provider: "example", Issuer: "https://idp.example.com",
				Subject: "user-1", Permissions: []string{"read:things"}, Scopes: []string{"openid"},
				User: oauth.UserInfo{
					ID: "user-1", Email: "ada@example.com", Name: "Ada Löwe", Username: "ada", Nickname: "al",
					Picture: "https://example.com/ada.png", Roles: []string{"admin"}, Extra: extra,
				},
			},
		}},
		ticketOf[Refresh]{refreshFormat(), Refresh{
			Family: family, Lineage: lineage, Client: client, Resource: "https://mcp.example.com/mcp", Scopes: []string{"openid"},
			Subject: "user-1", Issuer: "https://idp.example.com", KeepsAccess: true, UpstreamExpires: now.Add(time.Hour),
			Upstream: "test-refresh-token-of-the-provider",
		}},
		ticketOf[CodeState]{codeStateFormat(), CodeGave},
		ticketOf[Lineage]{currentFormat(), Lineage{ID: lineage.ID, Turn: 300}},
		ticketOf[oauth.TokenResponse]{answerFormat(), oauth.TokenResponse{
			AccessToken: "test-access", TokenType: "Bearer", ExpiresIn: 3600, RefreshToken: "test-refresh", Scope: "openid",
		}},
		ticketOf[Renewed]{renewedFormat(), Renewed{
			Access: "test-access", Refresh: "test-refresh", Scopes: []string{}, Expires: now.Add(time.Hour), RefreshExpires: now.Add(2 * time.Hour),
		}},
	}
}

var seals = flag.Bool("seal", false, "seal the golden values that are missing")

// A value that one release sealed opens in the next. The values in testdata were sealed once; a
// format's new version adds a file, and the ones of the version before stay.
func TestGoldenValuesOpen(t *testing.T) {
	t.Parallel()
	for _, k := range allTickets(t) {
		purpose, version := k.name()
		t.Run(purpose, func(t *testing.T) {
			t.Parallel()
			for v := max(1, version-1); v <= version; v++ {
				file := filepath.Join("testdata", fmt.Sprintf("%s.v%d", purpose, v))
				sealed, err := os.ReadFile(file)
				if errors.Is(err, os.ErrNotExist) && v == version && *seals {
					sealed = []byte(k.seal(t) + "\n")
					err = os.WriteFile(file, sealed, 0o600)
				}
				if err != nil {
					t.Fatalf("%v (go test -seal writes the first value of a new version)", err)
				}
				if err := k.open(t, strings.TrimSpace(string(sealed))); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		})
	}
}

// During a rolling upgrade an old replica reads what a new one sealed, as far as the format
// promises.
func TestTheNextVersionIsRead(t *testing.T) {
	t.Parallel()
	for _, k := range allTickets(t) {
		purpose, version := k.name()
		t.Run(purpose+" with a field that may be ignored", func(t *testing.T) {
			t.Parallel()
			if err := k.open(t, k.sealNext(t, version)); err != nil {
				t.Error(err)
			}
		})
		t.Run(purpose+" with a field that must not be ignored", func(t *testing.T) {
			t.Parallel()
			if err := k.open(t, k.sealNext(t, version+1)); !errors.Is(err, errShape) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// covers: T-PRX-13
func TestValuesThatWereNotSealedSoAreRefused(t *testing.T) {
	t.Parallel()
	all := allTickets(t)
	for i, k := range all {
		purpose, _ := k.name()
		sealed := k.seal(t)
		other, _ := all[(i+1)%len(all)].name()
		for name, value := range map[string]string{
			"cut":                  sealed[:len(sealed)-1],
			"with one letter more": sealed + "A",
			"empty":                "",
			"of another purpose":   all[(i+1)%len(all)].seal(t),
		} {
			t.Run(purpose+" "+name, func(t *testing.T) {
				t.Parallel()
				if k.open(t, value) == nil {
					t.Errorf("opens (the other purpose is %s)", other)
				}
			})
		}
		t.Run(purpose+" flipped", func(t *testing.T) {
			t.Parallel()
			for at := range sealed {
				flipped := []byte(sealed)
				flipped[at] ^= 1
				if k.open(t, string(flipped)) == nil {
					t.Errorf("opens with another letter at %d", at)
				}
			}
		})
	}
}

// A record that says nothing of its versions, or nonsense, is none.
func TestRecordsOfNoVersionAreRefused(t *testing.T) {
	t.Parallel()
	f := clientFormat()
	fields := f.record(Client{Name: "x"})[2:]
	for name, head := range map[string][]byte{
		"version 0": {0, 0}, "readable from version 0": {1, 0}, "readable only by later ones than wrote it": {1, 2}, "no versions": {},
	} {
		if _, err := f.parse(append(head, fields...)); !errors.Is(err, errShape) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.parse(append(f.record(Client{}), 0)); !errors.Is(err, errShape) {
		t.Errorf("a record of this version with a rest: %v", err)
	}
}

func FuzzFormats(f *testing.F) {
	all := allTickets(f)
	f.Add([]byte("\x01\x01"))
	f.Add([]byte("\x02\x01\x05hello"))
	f.Add([]byte("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(_ *testing.T, record []byte) {
		for _, k := range all {
			k.read(record)
		}
	})
}

// A token of a client that must authenticate is none for a version that knows of no such clients.
func TestAFieldThatMustNotBeIgnoredBindsItsValueAlone(t *testing.T) {
	t.Parallel()
	f := accessFormat()
	for confidential, least := range map[bool]byte{false: 1, true: 2} {
		record := f.record(Access{Confidential: confidential, Info: &oauth.AuthInfo{}})
		if record[0] != 2 || record[1] != least {
			t.Errorf("confidential %t: version %d, readable from %d", confidential, record[0], record[1])
		}
		if got, err := f.parse(record); err != nil || got.Confidential != confidential {
			t.Errorf("confidential %t: reads as %t, %v", confidential, got.Confidential, err)
		}
	}
}
