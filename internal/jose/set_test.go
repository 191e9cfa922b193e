package jose_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
)

func jwkMembers(t testing.TB, k *jose.SigningKey) map[string]any {
	t.Helper()
	text, err := k.PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func setText(t testing.TB, keys ...any) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parseSet(t testing.TB, text []byte) *jose.Set {
	t.Helper()
	set, err := jose.ParseSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// find returns the one key for a token, nil if there is none or there are several.
func find(set *jose.Set, id string, a jose.Algorithm) *jose.Key {
	found := set.Find(id, a)
	if found.Len() != 1 {
		return nil
	}
	return found.All()[0]
}

func onlyKey(t testing.TB, members map[string]any) *jose.Key {
	t.Helper()
	set := parseSet(t, setText(t, members))
	for _, a := range algorithms {
		if key := find(set, "", a); key != nil {
			return key
		}
	}
	t.Fatal("no usable key: ", set.Unusable())
	return nil
}

// covers: T-TOK-06, T-TOK-07
func TestUnusableKeysDoNotHarmTheOthers(t *testing.T) {
	t.Parallel()
	rsa, p256, ed := jwkMembers(t, newKey(t, jose.RS256, "bad")), jwkMembers(t, newKey(t, jose.ES256, "bad")), jwkMembers(t, newKey(t, jose.EdDSA, "bad"))
	with := func(base map[string]any, changes map[string]any) map[string]any {
		members := maps.Clone(base)
		maps.Copy(members, changes)
		maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
		return members
	}
	number := func(bits int, last byte) string { // a number of that many bits, ending with the given byte
		n := make([]byte, bits/8)
		n[0], n[len(n)-1] = 0x80, last
		return base64.RawURLEncoding.EncodeToString(n)
	}
	for name, bad := range map[string]any{
		"is for encryption":                     with(rsa, map[string]any{"use": "enc"}),
		"has an unknown use":                    with(rsa, map[string]any{"use": "tls"}),
		"may not verify":                        with(rsa, map[string]any{"key_ops": []string{"encrypt", "wrapKey"}}),
		"may only sign":                         with(rsa, map[string]any{"key_ops": []string{"sign"}}),
		"has an algorithm for encryption":       with(rsa, map[string]any{"alg": "RSA-OAEP"}),
		"has an algorithm of another kind":      with(rsa, map[string]any{"alg": "ES256"}),
		"has an HMAC algorithm":                 with(rsa, map[string]any{"alg": "HS256"}),
		"has the algorithm none":                with(rsa, map[string]any{"alg": "none"}),
		"has the algorithm of another curve":    with(p256, map[string]any{"alg": "ES384"}),
		"has an unknown type":                   with(rsa, map[string]any{"kty": "XYZ"}),
		"has no type":                           with(rsa, map[string]any{"kty": nil}),
		"has the type of another":               with(rsa, map[string]any{"kty": "EC"}),
		"lacks its modulus":                     with(rsa, map[string]any{"n": nil}),
		"has a modulus that is no base64":       with(rsa, map[string]any{"n": "%%%"}),
		"is RSA with 1024 bits":                 with(rsa, map[string]any{"n": number(1024, 1)}),
		"is RSA with 2040 bits":                 with(rsa, map[string]any{"n": number(2040, 1)}),
		"is RSA with 8200 bits":                 with(rsa, map[string]any{"n": number(8200, 1)}),
		"has an even modulus":                   with(rsa, map[string]any{"n": number(2048, 2)}),
		"has the exponent one":                  with(rsa, map[string]any{"e": "AQ"}),
		"has the exponent zero":                 with(rsa, map[string]any{"e": "AA"}),
		"has an even exponent":                  with(rsa, map[string]any{"e": "AQAA"}),
		"has an exponent of 33 bits":            with(rsa, map[string]any{"e": "AQAAAAE"}),
		"has an exponent that wraps around":     with(rsa, map[string]any{"e": "AQAAAAAAAAAAAAAD"}),
		"is on an unknown curve":                with(p256, map[string]any{"crv": "P-224"}),
		"is on secp256k1":                       with(p256, map[string]any{"crv": "secp256k1", "alg": nil}),
		"is on another curve":                   with(p256, map[string]any{"crv": "P-384", "alg": nil}),
		"has a point off its curve":             with(p256, map[string]any{"x": number(256, 1)}),
		"is the point at infinity":              with(p256, map[string]any{"x": "AA", "y": "AA"}),
		"has too long a coordinate":             with(p256, map[string]any{"x": number(512, 1)}),
		"is Ed448":                              with(ed, map[string]any{"crv": "Ed448"}),
		"is X25519":                             with(ed, map[string]any{"crv": "X25519", "alg": nil}),
		"has a short Ed25519 point":             with(ed, map[string]any{"x": number(248, 1)}),
		"is a shared secret":                    map[string]any{"kty": "oct", "k": number(256, 1), "kid": "bad", "alg": "HS256"},
		"is a shared secret without algorithm":  map[string]any{"kty": "oct", "k": number(256, 1), "kid": "bad"},
		"has a kid of ten kilobytes":            with(rsa, map[string]any{"kid": strings.Repeat("k", 10<<10)}),
		"has a kid with a control character":    with(rsa, map[string]any{"kid": "a\x07"}),
		"has a kid that is a number":            with(rsa, map[string]any{"kid": 7}),
		"is null":                               nil,
		"is a string":                           "key",
		"is an array":                           []any{},
		"is empty":                              map[string]any{},
		"has a duplicate member":                twice(t, p256),
		"has an escaped NUL":                    json.RawMessage(`{"kty":"RSA","kid":"\u0000"}`),
		"nests too deep":                        json.RawMessage(`{"kty":"RSA","x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`),
		"is private with broken private parts":  with(rsa, map[string]any{"d": "%"}),
		"has members of the types of something": with(rsa, map[string]any{"n": 1, "e": true}),
	} {
		t.Run("a key that "+name, func(t *testing.T) {
			t.Parallel()
			good := make([]any, 9)
			for i := range good {
				good[i] = with(p256, map[string]any{"kid": fmt.Sprint("good", i)})
			}
			set := parseSet(t, setText(t, append(good[:4:4], append([]any{bad}, good[4:]...)...)...))
			if set.Len() != 9 || len(set.Unusable()) != 1 {
				t.Errorf("%d keys are used, want 9; unusable: %v", set.Len(), set.Unusable())
			}
			for i := range good {
				if find(set, fmt.Sprint("good", i), jose.ES256) == nil {
					t.Errorf("good key %d is not found", i)
				}
			}
			for _, a := range algorithms {
				if find(set, "bad", a) != nil {
					t.Errorf("the bad key is found for %s", a)
				}
			}
		})
	}
}

// Only a key that itself says that it is for encryption is nothing to worry about.
func TestKeysForEncryptionAreToldFromBrokenOnes(t *testing.T) {
	t.Parallel()
	rsa := jwkMembers(t, newKey(t, jose.RS256, "k"))
	for name, c := range map[string]struct {
		changes       map[string]any
		forEncryption bool
	}{
		"use enc":            {map[string]any{"use": "enc", "alg": "RSA-OAEP"}, true},
		"use enc and no alg": {map[string]any{"use": "enc", "alg": nil}, true},
		"use enc and a type that is not known here":  {map[string]any{"use": "enc", "kty": "XYZ"}, true},
		"use enc and a curve that is not known here": {map[string]any{"use": "enc", "kty": "OKP", "crv": "X448"}, true},
		"key_ops of encryption":                      {map[string]any{"use": nil, "alg": nil, "key_ops": []string{"encrypt", "wrapKey"}}, true},
		"an alg of encryption":                       {map[string]any{"use": nil, "alg": "RSA-OAEP-256"}, true},
		"use sig and an alg of encryption":           {map[string]any{"alg": "RSA-OAEP"}, false},
		"use sig and key_ops of encryption":          {map[string]any{"key_ops": []string{"encrypt"}}, false},
		"an unknown use":                             {map[string]any{"use": "tls"}, false},
		"use ENC":                                    {map[string]any{"use": "ENC"}, false},
		"a use that is a list":                       {map[string]any{"use": []string{"enc"}}, false},
		"key_ops of signing alone":                   {map[string]any{"use": nil, "key_ops": []string{"sign"}}, false},
		"an alg that is not known here":              {map[string]any{"use": nil, "alg": "XYZ"}, false},
		"no modulus":                                 {map[string]any{"n": nil}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			members := maps.Clone(rsa)
			maps.Copy(members, c.changes)
			maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
			set := parseSet(t, setText(t, members))
			if set.Len() != 0 || len(set.Unusable()) != 1 {
				t.Fatalf("%d keys are used; unusable: %v", set.Len(), set.Unusable())
			}
			if err := set.Unusable()[0]; errors.Is(err, jose.ErrForEncryption) != c.forEncryption {
				t.Errorf("for encryption: %v, want %v (%v)", !c.forEncryption, c.forEncryption, err)
			}
		})
	}
}

// twice is a good JWK but for its kty, which it has twice.
func twice(t *testing.T, members map[string]any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(strings.Replace(string(text), "{", `{"kty":"EC",`, 1))
}

func TestPrivateKeysAreReducedToTheirPublicPart(t *testing.T) {
	t.Parallel()
	// The example of RFC 8037 appendix A.1, as public as a private key can be.
	text := `{"keys":[{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	key := find(parseSet(t, []byte(text)), "", jose.EdDSA)
	if key == nil {
		t.Fatal("the key is not used")
	}
	// RFC 8037 appendix A.4.
	token := "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	if err := check(token, key); err != nil {
		t.Errorf("the RFC's signature: %v", err)
	}
	if s := fmt.Sprintf("%v %+v %#v %x", key, key, key, key); strings.Contains(s, "9d61b19d") || strings.Contains(s, "11qY") {
		t.Errorf("a key prints as %s", s)
	}
}

func TestKeysInUnusualButValidForm(t *testing.T) {
	t.Parallel()
	k := newKey(t, jose.RS256, "k")
	for name, change := range map[string]func(map[string]any){
		"without alg, use and kid": func(m map[string]any) { delete(m, "alg"); delete(m, "use"); delete(m, "kid") },
		"with key_ops of verify":   func(m map[string]any) { m["key_ops"] = []string{"verify"} },
		"with unknown members":     func(m map[string]any) { m["issuer"] = "https://idp.example.com"; m["nbf"] = 1 },
		"with broken certificates": func(m map[string]any) { m["x5c"] = []string{"%"} }, // nobody reads them
	} {
		members := jwkMembers(t, k)
		change(members)
		if err := check(sign(t, k, nil, `{}`), onlyKey(t, members)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCoordinatesWithStrippedZeros takes a P-256 key whose x begins with a zero byte, which some
// providers leave out.
func TestCoordinatesWithStrippedZeros(t *testing.T) {
	t.Parallel()
	for range 20_000 {
		k := newKey(t, jose.ES256, "k")
		members := jwkMembers(t, k)
		x, err := base64.RawURLEncoding.DecodeString(members["x"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if x[0] != 0 {
			continue
		}
		members["x"] = base64.RawURLEncoding.EncodeToString(x[1:])
		if err := check(sign(t, k, nil, `{}`), onlyKey(t, members)); err != nil {
			t.Error(err)
		}
		return
	}
	t.Fatal("no such key among twenty thousand")
}

func TestParseSetRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an empty text":        "",
		"HTML":                 "<!doctype html><html></html>",
		"an array":             "[]",
		"null":                 "null",
		"no keys":              `{"jwks":[]}`,
		"KEYS in upper case":   `{"KEYS":[]}`,
		"keys that are null":   `{"keys":null}`,
		"keys of an object":    `{"keys":{}}`,
		"text behind":          `{"keys":[]} x`,
		"more keys than fit":   `{"keys":[` + strings.Repeat("{},", jose.MaxKeys) + `{}]}`,
		"a hundred thousand [": strings.Repeat("[", 100_000),
	} {
		if _, err := jose.ParseSet([]byte(text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if set := parseSet(t, []byte(`{"keys":[]}`)); set.Len() != 0 {
		t.Errorf("an empty set has %d keys", set.Len())
	}
}

// RFC 7518 section 3.3 demands 2048 bits; a modulus counts by its highest bit, not by its bytes.
// covers: T-TOK-06
func TestRSAKeysHave2048To8192Bits(t *testing.T) {
	t.Parallel()
	for bits, want := range map[uint]int{2046: 0, 2047: 0, 2048: 1, 8192: 1, 8193: 0} {
		modulus := new(big.Int).Lsh(big.NewInt(1), bits-1)
		modulus.SetBit(modulus, 0, 1)
		set := parseSet(t, setText(t, map[string]any{
			"kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(modulus.Bytes()),
		}))
		if set.Len() != want {
			t.Errorf("%d bits: %d keys are used, want %d (%v)", bits, set.Len(), want, set.Unusable())
		}
	}
}

func TestASetHoldsAThousandKeys(t *testing.T) {
	t.Parallel()
	set := parseSet(t, []byte(`{"keys":[`+strings.Repeat("{},", jose.MaxKeys-1)+`{}]}`))
	if read := len(set.Unusable()); read != jose.MaxKeys {
		t.Errorf("%d keys were read, want %d", read, jose.MaxKeys)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	rsa, p256, ed := newKey(t, jose.RS256, "same"), newKey(t, jose.ES256, "same"), newKey(t, jose.EdDSA, "ed")
	secondRSA := newKey(t, jose.RS256, "other")
	set := parseSet(t, setText(t, jwkMembers(t, rsa), jwkMembers(t, p256), jwkMembers(t, ed), jwkMembers(t, secondRSA), jwkMembers(t, rsa)))
	if set.Len() != 4 {
		t.Errorf("%d keys, want 4: the repeated key counts once", set.Len())
	}
	for name, c := range map[string]struct {
		id   string
		a    jose.Algorithm
		want int
	}{
		"finds by kid": {"other", jose.RS256, 1},
		"tells apart keys of one kid by algorithm":      {"same", jose.ES256, 1},
		"finds the only key that fits without kid":      {"", jose.EdDSA, 1},
		"R13 finds all that fit without kid":            {"", jose.RS256, 2},
		"refuses an unknown kid":                        {"nobody", jose.RS256, 0},
		"refuses a kid of another algorithm":            {"ed", jose.RS256, 0},
		"refuses a kid in another case":                 {"OTHER", jose.RS256, 0},
		"refuses a prefix of a kid":                     {"oth", jose.RS256, 0},
		"refuses an algorithm that no key has":          {"", jose.ES512, 0},
		"refuses an algorithm that nobody knows":        {"same", "none", 0},
		"refuses kids with a path, a URL, SQL, a quote": {"../../etc/passwd", jose.RS256, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if found := set.Find(c.id, c.a); found.Len() != c.want || found.Fitting() != c.want {
				t.Errorf("got %v of %d, want %d", found.All(), found.Fitting(), c.want)
			}
		})
	}
	nameless := parseSet(t, setText(t, jwkMembers(t, newKey(t, jose.ES256, ""))))
	if key := find(nameless, "x", jose.ES256); key != nil {
		t.Errorf("a key without kid gives %v for a kid that the provider never published", key)
	}
	if find(nameless, "", jose.ES256) == nil {
		t.Error("a key without kid is not found without one")
	}
}

// covers: R13
func TestEveryKeyThatFitsIsACandidate(t *testing.T) {
	t.Parallel()
	key := func(id string) map[string]any { return jwkMembers(t, newKey(t, jose.ES256, id)) }
	changed := func(members map[string]any, name string, value any) map[string]any {
		other := maps.Clone(members)
		if other[name] = value; value == nil {
			delete(other, name)
		}
		return other
	}
	one := key("one")
	for name, c := range map[string]struct {
		keys          []any
		id            string
		tried, fitted int
	}{
		"two keys of one kid":                         {[]any{key("twin"), key("twin"), key("other")}, "twin", 2, 2},
		"no kid and four keys":                        {[]any{key("a"), key("b"), key("c"), key("d")}, "", 4, 4},
		"no kid and six keys":                         {[]any{key("a"), key("b"), key("c"), key("d"), key("e"), key("f")}, "", 4, 6},
		"one key with and without alg":                {[]any{one, changed(one, "alg", nil)}, "one", 1, 1},
		"one key under two names, and no kid":         {[]any{one, changed(one, "kid", "two")}, "", 1, 1},
		"one key with and without a name, and no kid": {[]any{one, changed(one, "kid", nil)}, "", 1, 1},
		"one key for two issuers":                     {[]any{one, changed(one, "issuer", "https://idp.example.com")}, "one", 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := parseSet(t, setText(t, c.keys...)).Find(c.id, jose.ES256)
			if found.Len() != c.tried || found.Fitting() != c.fitted {
				t.Errorf("got %d candidates of %d, want %d of %d", found.Len(), found.Fitting(), c.tried, c.fitted)
			}
		})
	}
}

// covers: R13
func TestASignatureIsCheckedWithOneCandidateAfterTheOther(t *testing.T) {
	t.Parallel()
	first, second, foreign := newKey(t, jose.ES256, "twin"), newKey(t, jose.ES256, "twin"), newKey(t, jose.ES256, "twin")
	found := parseSet(t, setText(t, jwkMembers(t, first), jwkMembers(t, second))).Find("twin", jose.ES256)
	for signer, want := range map[*jose.SigningKey]bool{first: true, second: true, foreign: false} {
		var jws jose.JWS
		if err := jws.Parse(sign(t, signer, nil, `{}`)); err != nil {
			t.Fatal(err)
		}
		if key := jws.VerifyAny(&found); (key != nil) != want {
			t.Errorf("got %v, want a key: %t", key, want)
		}
	}
	left := found.Without(&jose.Candidates{})
	if left.Len() != 2 || left.All()[1] != found.All()[1] {
		t.Errorf("without none of them, %d are left", left.Len())
	}
	if left = found.Without(&found); left.Len() != 0 {
		t.Errorf("without all of them, %d are left", left.Len())
	}
}

// covers: R21
func TestOddKeySetsAreRead(t *testing.T) {
	t.Parallel()
	good := jwkMembers(t, newKey(t, jose.ES256, "k"))
	with := func(changes map[string]any) []byte {
		members := maps.Clone(good)
		maps.Copy(members, changes)
		return setText(t, members)
	}
	many := make([]any, 120)
	for i := range many {
		many[i] = jwkMembers(t, newKey(t, jose.ES256, fmt.Sprint("key-", i)))
	}
	for name, c := range map[string]struct {
		text []byte
		want int
	}{
		"a byte order mark":   {append([]byte("\ufeff"), with(nil)...), 1},
		"an issuer of null":   {with(map[string]any{"issuer": nil}), 1},
		"other nulls":         {with(map[string]any{"x5c": nil, "x5t": nil, "use": nil, "alg": nil, "key_ops": nil, "ext": nil}), 1},
		"a kid of null":       {with(map[string]any{"kid": nil}), 1},
		"coordinates of null": {with(map[string]any{"x": nil}), 0},
		"120 keys":            {setText(t, many...), 120},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if set := parseSet(t, c.text); set.Len() != c.want {
				t.Errorf("%d keys are used, want %d; unusable: %v", set.Len(), c.want, set.Unusable())
			}
		})
	}
}

func TestRenewKeepsTheIdentityOfUnchangedKeys(t *testing.T) {
	t.Parallel()
	a, b, c := newKey(t, jose.ES256, "a"), newKey(t, jose.EdDSA, "b"), newKey(t, jose.ES256, "c")
	text := func(keys ...*jose.SigningKey) []byte {
		text, err := jose.PublicSet(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	find := func(s *jose.Set, k *jose.SigningKey) *jose.Key {
		key := find(s, k.ID(), k.Algorithm())
		if key == nil {
			t.Fatalf("there is not one key for %s", k.ID())
		}
		return key
	}
	old := parseSet(t, text(a, b))
	same, changed := parseSet(t, text(b, a)).Renew(old)
	if changed || find(same, a) != find(old, a) || find(same, b) != find(old, b) {
		t.Errorf("the same keys in another order: changed is %v, or a pointer is new", changed)
	}
	rotated, changed := parseSet(t, text(b, c)).Renew(old)
	if !changed || find(rotated, b) != find(old, b) {
		t.Errorf("after a rotation changed is %v, or the pointer of the key that stayed is new", changed)
	}
	if fewer, changed := parseSet(t, text(a)).Renew(old); !changed || fewer.Len() != 1 {
		t.Errorf("a removed key: changed is %v, %d keys", changed, fewer.Len())
	}
	impostor := newKey(t, jose.ES256, "a")
	if replaced, changed := parseSet(t, text(impostor, b)).Renew(old); !changed || find(replaced, impostor) == find(old, a) {
		t.Errorf("another key of the same name: changed is %v, or it has the old one's pointer", changed)
	}
	otherUse := jwkMembers(t, a)
	delete(otherUse, "alg")
	if _, changed := parseSet(t, setText(t, otherUse, jwkMembers(t, b))).Renew(old); !changed {
		t.Error("a key that lost its alg counts as unchanged")
	}
}

// FuzzParseSet holds the reader of key sets to its limits, whatever the text.
func FuzzParseSet(f *testing.F) {
	rsa, p256, ed := newKey(f, jose.RS256, "r"), newKey(f, jose.ES256, "e"), newKey(f, jose.EdDSA, "d")
	text, err := jose.PublicSet(rsa, p256, ed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, seed := range []string{`{"keys":[]}`, `{"keys":[{}]}`, `{"keys":[{"kty":"oct","k":"AA"}]}`, `{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}`, `{}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := jose.ParseSet(text)
		if err != nil {
			return
		}
		if set.Len() > jose.MaxKeys {
			t.Fatalf("%d keys", set.Len())
		}
		for _, a := range []jose.Algorithm{jose.HS256, jose.HS384, jose.HS512, "none", ""} {
			if key := find(set, "", a); key != nil {
				t.Fatalf("a public set gave key %v for %q", key, a)
			}
		}
		if _, changed := set.Renew(set); changed {
			t.Fatal("a set differs from itself")
		}
	})
}
