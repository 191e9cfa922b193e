package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

var (
	now   = time.Unix(1_800_000_000, 0)
	later = now.Add(time.Minute)
)

func newRing(tb testing.TB, config Config) *Ring {
	tb.Helper()
	ring, err := NewRing(config)
	if err != nil {
		tb.Fatal(err)
	}
	return ring
}

// testKey is a key of 32 different bytes that start with first: a test value.
func testKey(first byte) oauth.Secret {
	b := make([]byte, KeySize)
	for i := range b {
		b[i] = first + byte(i)
	}
	return oauth.Secret(base64.StdEncoding.EncodeToString(b))
}

func testBox(tb testing.TB) *Box {
	tb.Helper()
	return newRing(tb, Config{Keys: []oauth.Secret{testKey(1)}}).Box("code", exampleBinding)
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	t.Parallel()
	box := testBox(t)
	for _, payload := range []string{"", "x", strings.Repeat("long ", 1000)} {
		got, expires, err := box.Open(box.Seal([]byte(payload), later), now)
		if err != nil || string(got) != payload || !expires.Equal(later) {
			t.Errorf("%d bytes: got %d, %v, %v", len(payload), len(got), expires, err)
		}
	}
	if first, second := box.Seal(nil, later), box.Seal(nil, later); first == second {
		t.Error("the same payload gives the same sealed value twice: a nonce is reused")
	}
}

func TestBytesAreSealedLikeText(t *testing.T) {
	t.Parallel()
	box := testBox(t)
	for size := range 2000 { // past the parts in which texts are made
		payload := strings.Repeat("x", size)
		got, _, err := box.Open(box.Seal([]byte(payload), later), now)
		if err != nil || string(got) != payload {
			t.Fatalf("text of %d bytes: %d, %v", size, len(got), err)
		}
	}
	sealed := box.SealBytes("", []byte("payload"), later)
	if got, expires, err := box.OpenBytes("", sealed, now); err != nil || string(got) != "payload" || !expires.Equal(later) {
		t.Errorf("got %q, %v, %v", got, expires, err)
	}
	if got, _, err := box.Open(base64.RawURLEncoding.EncodeToString(sealed), now); err != nil || string(got) != "payload" {
		t.Errorf("as text: %q, %v", got, err)
	}
	if _, _, err := box.OpenBytes("", sealed, later); !errors.Is(err, ErrExpired) {
		t.Errorf("too late: %v", err)
	}
	for i := range sealed {
		if _, _, err := box.OpenBytes("", sealed[:i], now); err == nil {
			t.Errorf("cut to %d bytes: opened", i)
		}
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		if _, _, err := box.OpenBytes("", flipped, now); err == nil {
			t.Errorf("byte %d flipped: opened", i)
		}
	}
}

func TestOpenHonoursTheExpiry(t *testing.T) {
	t.Parallel()
	box := testBox(t)
	for _, c := range []struct {
		name    string
		expires time.Time
		at      time.Time
		want    error
	}{
		{"a second before it expires", later, later.Add(-time.Second), nil},
		{"at the very second", later, later, ErrExpired},
		{"long after", later, later.Add(24 * time.Hour), ErrExpired},
		{"never expires", time.Time{}, later.Add(100 * 365 * 24 * time.Hour), nil},
		{"before 1970 is expired, not eternal", time.Unix(-5, 0), now, ErrExpired},
		{"at 1970 is expired, not eternal", time.Unix(0, 0), now, ErrExpired},
	} {
		if _, _, err := box.Open(box.Seal([]byte("p"), c.expires), c.at); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// Threats, proxy mode: sealed value cut, flipped.
// covers: T-PRX-13
func TestOpenRefusesEveryOtherSpelling(t *testing.T) {
	t.Parallel()
	box := testBox(t)
	sealed := box.Seal([]byte("payload"), later)
	for i := range len(sealed) {
		if _, _, err := box.Open(sealed[:i], now); err == nil {
			t.Errorf("cut to %d characters: opened", i)
		}
		for _, c := range []byte("A-_9\n=+/. ") {
			if sealed[i] == c {
				continue
			}
			if _, _, err := box.Open(sealed[:i]+string(c)+sealed[i+1:], now); err == nil {
				t.Errorf("character %d changed to %q: opened", i, c)
			}
		}
		for _, extra := range []string{"\n", "\r", "\r\n", "=", " ", "A"} {
			if _, _, err := box.Open(sealed[:i]+extra+sealed[i:], now); err == nil {
				t.Errorf("%q inserted at %d: opened", extra, i)
			}
		}
	}
	// The last character carries spare bits for two of three lengths: none of its siblings may
	// open.
	for n := range 3 {
		sealed := box.Seal([]byte("payload")[:5+n], later)
		opened := 0
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
			if _, _, err := box.Open(sealed[:len(sealed)-1]+string(c), now); err == nil {
				opened++
			}
		}
		if opened != 1 {
			t.Errorf("length %d: %d spellings of the last character open, want 1", len(sealed), opened)
		}
	}
	for name, text := range map[string]string{
		"padded":            sealed + strings.Repeat("=", (4-len(sealed)%4)%4),
		"empty":             "",
		"a JWT":             "eyJhbGciOiJub25lIn0.e30.",
		"longer than ever":  strings.Repeat("A", MaxLength+1),
		"another version":   "Ag" + sealed[2:],
		"twice":             sealed + sealed,
		"not ASCII":         "é" + sealed,
		"the standard form": strings.NewReplacer("-", "+", "_", "/").Replace(sealed) + "=",
	} {
		if text == sealed {
			continue
		}
		if _, _, err := box.Open(text, now); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// Threats, proxy mode: sealed value of another purpose.
// covers: T-PRX-13
func TestOpenRefusesAnotherPurposeOrServer(t *testing.T) {
	t.Parallel()
	ring := newRing(t, Config{Keys: []oauth.Secret{testKey(1)}})
	sealed := ring.Box("access", exampleBinding).Seal([]byte("payload"), later)
	with := func(change func(*Binding)) Binding {
		b := exampleBinding
		change(&b)
		return b
	}
	for name, box := range map[string]*Box{
		"another purpose":  ring.Box("refresh", exampleBinding),
		"another issuer":   ring.Box("access", with(func(b *Binding) { b.Issuer += "/" })),
		"another resource": ring.Box("access", with(func(b *Binding) { b.Resource += "2" })),
		"another provider": ring.Box("access", with(func(b *Binding) { b.Provider = "other" })),
		"another client":   ring.Box("access", with(func(b *Binding) { b.Client = "other" })),
		"fields that run together the same way": ring.Box("access", with(func(b *Binding) {
			b.Provider, b.Client = b.Provider+b.Client[:1], b.Client[1:]
		})),
		"another key": newRing(t, Config{Keys: []oauth.Secret{testKey(2)}}).Box("access", exampleBinding),
		"the same bytes as a client secret": newRing(t, Config{
			Secret: testKey(1), PreviousSecrets: []oauth.Secret{testKey(1)},
		}).Box("access", exampleBinding),
	} {
		if _, _, err := box.Open(sealed, now); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, _, err := ring.Box("access", exampleBinding).Open(sealed, now); err != nil {
		t.Errorf("the very same box: %v", err)
	}
}

// The purpose inside is a second lock behind the key: it holds even if two purposes had one key.
func TestOpenChecksThePurposeInside(t *testing.T) {
	t.Parallel()
	box := testBox(t)
	other := *box
	other.purpose = "form"
	if _, _, err := box.Open(other.Seal([]byte("p"), later), now); !errors.Is(err, ErrForged) {
		t.Errorf("got %v, want %v", err, ErrForged)
	}
}

// Threats, proxy mode: a sealed value of an old key after rotation; old keys of the ring accepted
// until removed.
// covers: T-PRX-13
func TestRotation(t *testing.T) {
	t.Parallel()
	const oldSecret, newSecret = "test-secret-of-last-year-0123456789", "test-secret-of-this-year-0123456789"
	open := func(config Config, sealed string) error {
		_, _, err := newRing(t, config).Box("refresh", exampleBinding).Open(sealed, now)
		return err
	}
	sealed := func(config Config) string {
		return newRing(t, config).Box("refresh", exampleBinding).Seal([]byte("p"), later)
	}
	a, b, c := testKey(1), testKey(2), testKey(3)
	for _, test := range []struct {
		name     string
		from, to Config
		want     error
	}{
		{"an older key of the ring opens", Config{Keys: []oauth.Secret{a}}, Config{Keys: []oauth.Secret{c, b, a}}, nil},
		{"only the newest seals", Config{Keys: []oauth.Secret{b, a}}, Config{Keys: []oauth.Secret{a}}, ErrUnknownKey},
		{"a removed key opens no more", Config{Keys: []oauth.Secret{a}}, Config{Keys: []oauth.Secret{b}}, ErrUnknownKey},
		{"a changed client secret alone loses", Config{Secret: oldSecret}, Config{Secret: newSecret}, ErrUnknownKey},
		{
			"a listed previous client secret opens", Config{Secret: oldSecret},
			Config{Secret: newSecret, PreviousSecrets: []oauth.Secret{oldSecret}}, nil,
		},
		{
			"moving from a client secret to keys", Config{Secret: oldSecret},
			Config{Keys: []oauth.Secret{a}, Secret: newSecret, PreviousSecrets: []oauth.Secret{oldSecret}}, nil,
		},
		{
			"keys make the client secret a bystander", Config{Secret: oldSecret},
			Config{Keys: []oauth.Secret{a}, Secret: oldSecret}, ErrUnknownKey,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if err := open(test.to, sealed(test.from)); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// Key ids have two bytes, so two keys of a ring share one now and then.
func TestOpenTriesAllKeysOfAnID(t *testing.T) {
	t.Parallel()
	ring := newRing(t, Config{Keys: []oauth.Secret{testKey(2), testKey(1)}})
	box := ring.Box("code", exampleBinding)
	old := testBox(t)
	box.keys[0].id = old.keys[0].id
	if _, _, err := box.Open(old.Seal([]byte("p"), later), now); err != nil {
		t.Errorf("the older key does not open: %v", err)
	}
}

func TestNewRingSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"nothing configured", Config{}, "no sealing key is configured and there is no client secret"},
		{"a short client secret", Config{Secret: "test-secret"}, "the client secret has 11 characters"},
		{
			"a short previous secret",
			Config{Keys: []oauth.Secret{testKey(1)}, PreviousSecrets: []oauth.Secret{"test-secret"}},
			"previous client secret 1 has 11 characters",
		},
		{"a key that is no base64", Config{Keys: []oauth.Secret{testKey(1), "not base64!"}}, "sealing key 2 is not base64"},
		{"a short key", Config{Keys: []oauth.Secret{"c2hvcnQ="}}, "sealing key 1 has 5 bytes, it needs 32"},
		{
			"a key of zeros", Config{Keys: []oauth.Secret{oauth.Secret(base64.StdEncoding.EncodeToString(make([]byte, 32)))}},
			"sealing key 1 is one byte repeated",
		},
		{
			"too many keys", Config{Keys: make17Keys()}, "there are 17 sealing keys, at most 16",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewRing(c.config)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want it to contain %q", err, c.want)
			}
			if c.name != "too many keys" && !strings.Contains(err.Error(), "openssl rand -base64 32") {
				t.Errorf("the message does not tell how to make a key: %v", err)
			}
			for _, secret := range append(append(c.config.Keys, c.config.PreviousSecrets...), c.config.Secret) {
				if secret != "" && strings.Contains(err.Error(), secret.Reveal()) {
					t.Errorf("the message shows a secret: %v", err)
				}
			}
		})
	}
}

func make17Keys() []oauth.Secret {
	keys := make([]oauth.Secret, 17)
	for i := range keys {
		keys[i] = testKey(byte(i))
	}
	return keys
}

func TestKeysMayBeInAnyBase64(t *testing.T) {
	t.Parallel()
	raw := make([]byte, KeySize)
	for i := range raw {
		raw[i] = byte(255 - i) // uses the characters that the alphabets differ in
	}
	sealed := newRing(t, Config{Keys: []oauth.Secret{oauth.Secret(base64.StdEncoding.EncodeToString(raw))}}).
		Box("code", exampleBinding).Seal([]byte("p"), later)
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		ring := newRing(t, Config{Keys: []oauth.Secret{oauth.Secret(" " + encoding.EncodeToString(raw) + "\n")}})
		if _, _, err := ring.Box("code", exampleBinding).Open(sealed, now); err != nil {
			t.Error(err)
		}
	}
}

// covers: T-OPS-03
func TestNothingPrintsAKey(t *testing.T) {
	t.Parallel()
	ring := newRing(t, Config{Secret: "test-secret-0123456789-0123456789"})
	text := fmt.Sprintf("%v %+v %#v %s %x", ring, ring, ring, ring, ring) +
		fmt.Sprintf("%v %+v %#v", testBox(t), testBox(t), Config{Secret: "test-secret-0123456789-0123456789"})
	if strings.Contains(text, "test-secret") || strings.Contains(text, "0x") || len(text) > 600 {
		t.Errorf("printed %s", text)
	}
}

func TestAPurposeIsRequired(t *testing.T) {
	t.Parallel()
	ring := newRing(t, Config{Keys: []oauth.Secret{testKey(1)}})
	for _, purpose := range []string{"", strings.Repeat("x", 33)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("purpose %q makes a box", purpose)
				}
			}()
			ring.Box(purpose, exampleBinding)
		}()
	}
}

func FuzzOpen(f *testing.F) {
	box := testBox(f)
	valid := encode(box.sealWith([24]byte{}, "", []byte("payload"), later)) // the same in every process of the fuzzer
	for _, v := range vectors {
		f.Add(v.sealed)
	}
	f.Add(valid)
	f.Add(valid[:40])
	f.Add("")
	f.Add("====")
	f.Fuzz(func(t *testing.T, sealed string) {
		payload, _, err := box.Open(sealed, now)
		if (err == nil) != (sealed == valid) {
			t.Fatalf("opened %q as %q, error %v", sealed, payload, err)
		}
	})
}

// FuzzUnpack reads contents that only somebody with the key could have made.
func FuzzUnpack(f *testing.F) {
	box := testBox(f)
	f.Add([]byte("\x04code\x00payload"))
	f.Add([]byte("\x04code"))
	f.Add([]byte("\xff"))
	f.Add([]byte("\x04code\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(_ *testing.T, content []byte) {
		if len(content) < 2 { // Open never unpacks less
			return
		}
		_, _, _ = box.unpack(content)
	})
}

func BenchmarkOpenAccessToken(b *testing.B) {
	box := testBox(b)
	sealed := box.Seal(make([]byte, 2000), later)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := box.Open(sealed, now); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAValueOpensAtItsPlaceAlone(t *testing.T) {
	t.Parallel()
	box := testBox(t)
	sealed := box.SealBytes("answer of one login", []byte("payload"), later)
	for name, place := range map[string]string{"another place": "answer of another login", "no place": "", "a longer place": "answer of one login."} {
		t.Run("A6: "+name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := box.OpenBytes(place, sealed, now); !errors.Is(err, ErrForged) {
				t.Errorf("got %v", err)
			}
		})
	}
}
