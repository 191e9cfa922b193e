package jose_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
)

// encode is base64url without padding.
func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func newKey(t testing.TB, a jose.Algorithm, id string) *jose.SigningKey {
	t.Helper()
	k, err := jose.GenerateKey(a, id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, k *jose.SigningKey, header map[string]any, payload string) string {
	t.Helper()
	token, err := k.Sign(header, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// public returns the key as the receiver of a key set has it.
func public(t testing.TB, k *jose.SigningKey) *jose.Key {
	t.Helper()
	if secret := k.Secret(); secret != nil {
		key, err := jose.NewSecretKey(k.Algorithm(), string(secret))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	text, err := jose.PublicSet(k)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseSet(text)
	if err != nil {
		t.Fatal(err)
	}
	key := find(set, k.ID(), k.Algorithm())
	if key == nil {
		t.Fatal(set.Unusable())
	}
	return key
}

func TestParseReadsTheHeader(t *testing.T) {
	t.Parallel()
	var jws jose.JWS
	token := encode(`{"alg":"RS256","typ":"at+jwt","kid":"k/1","jwk":{"kty":"oct","k":"AA"},"x":1}`) + "." + encode(`{"a":1}`) + "." + encode("sig")
	if err := jws.Parse(token); err != nil {
		t.Fatal(err)
	}
	if jws.Algorithm != jose.RS256 || jws.Type != "at+jwt" || jws.KeyID != "k/1" || jws.Payload != `{"a":1}` {
		t.Errorf("got %q, %q, %q, %q", jws.Algorithm, jws.Type, jws.KeyID, jws.Payload)
	}
	if err := jws.Parse(encode(`{}`) + "." + encode(`{}`) + "." + encode("sig")); err != nil {
		t.Fatal(err)
	}
	if jws.Algorithm != "" || jws.Type != "" || jws.KeyID != "" {
		t.Errorf("a second use kept %q, %q, %q of the first", jws.Algorithm, jws.Type, jws.KeyID)
	}
}

func TestParseTakesEveryPrintableKid(t *testing.T) {
	t.Parallel()
	for _, id := range []string{" ", "~", "https://idp.example.com/keys#1", strings.Repeat("k", 256)} {
		var jws jose.JWS
		err := jws.Parse(encode(`{"alg":"RS256","kid":"`+id+`"}`) + "." + encode(`{}`) + "." + encode("sig"))
		if err != nil || jws.KeyID != id {
			t.Errorf("a kid of %d bytes: got %q, %v", len(id), jws.KeyID, err)
		}
	}
}

// covers: T-TOK-04, T-TOK-05, T-TOK-08, T-TOK-14
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	header, payload, signature := encode(`{"alg":"RS256"}`), encode(`{"a":1}`), encode("signature")
	with := func(h string) string { return encode(h) + "." + payload + "." + signature }
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"an empty text":                       {"", jose.ErrNotCompact},
		"an opaque token":                     {"gho_16C7e42F292c6912E7710c838347Ae178B4a", jose.ErrNotCompact},
		"two segments":                        {header + "." + payload, jose.ErrNotCompact},
		"four segments":                       {header + "." + payload + "." + signature + ".", jose.ErrNotCompact},
		"five segments, a JWE":                {"a.b.c.d.e", jose.ErrEncrypted},
		"six segments":                        {"a.b.c.d.e.f", jose.ErrNotCompact},
		"only dots":                           {"..", jose.ErrMalformed},
		"a megabyte of dots":                  {strings.Repeat(".", 1<<20), jose.ErrNotCompact},
		"no signature":                        {header + "." + payload + ".", jose.ErrMalformed},
		"no header":                           {"." + payload + "." + signature, jose.ErrMalformed},
		"padding":                             {header + "." + payload + "." + encode("x") + "==", jose.ErrMalformed},
		"padding in the header":               {encode(`{"alg":"RS256" }`) + "==." + payload + "." + signature, jose.ErrMalformed},
		"the standard alphabet, plus":         {header + "." + payload + ".ab+d", jose.ErrMalformed},
		"the standard alphabet, slash":        {header + "." + payload + ".ab/d", jose.ErrMalformed},
		"spare bits in the signature":         {header + "." + payload + ".QR", jose.ErrMalformed},
		"spare bits in the payload":           {header + ".e31." + signature, jose.ErrMalformed},
		"a length that base64 cannot have":    {header + "." + payload + ".abcde", jose.ErrMalformed},
		"a line feed in the signature":        {header + "." + payload + "." + signature + "\n", jose.ErrMalformed},
		"a carriage return in the payload":    {header + "." + payload[:4] + "\r" + payload[4:] + "." + signature, jose.ErrMalformed},
		"a line break in the header":          {header[:4] + "\r\n" + header[4:] + "." + payload + "." + signature, jose.ErrMalformed},
		"a leading space":                     {" " + header + "." + payload + "." + signature, jose.ErrMalformed},
		"a trailing space":                    {header + "." + payload + "." + signature + " ", jose.ErrMalformed},
		"a tab":                               {header + "." + payload + "\t." + signature, jose.ErrMalformed},
		"a NUL":                               {header + "." + payload + "." + signature + "\x00", jose.ErrMalformed},
		"a character beyond ASCII":            {header + "." + payload + "." + signature + "é", jose.ErrMalformed},
		"a signature longer than any":         {header + "." + payload + "." + encode(strings.Repeat("x", 1025)), jose.ErrMalformed},
		"a header that is no JSON":            {with("alg"), jose.ErrMalformed},
		"a header that is an array":           {with(`["RS256"]`), jose.ErrMalformed},
		"a header with invalid UTF-8":         {with("{\"alg\":\"RS256\",\"x\":\"\xff\"}"), jose.ErrMalformed},
		"two objects":                         {with(`{"alg":"RS256"}{}`), jose.ErrMalformed},
		"a duplicate alg":                     {with(`{"alg":"RS256","alg":"none"}`), jose.ErrMalformed},
		"a duplicate alg behind an escape":    {with(`{"alg":"RS256","\u0061lg":"none"}`), jose.ErrMalformed},
		"a nested duplicate":                  {with(`{"alg":"RS256","x":{"y":1,"y":2}}`), jose.ErrMalformed},
		"a hundred thousand nested arrays":    {with(`{"alg":"RS256","x":` + strings.Repeat("[", 100_000)), jose.ErrMalformed},
		"an alg that is no string":            {with(`{"alg":["RS256"]}`), jose.ErrMalformed},
		"an alg of null":                      {with(`{"alg":null}`), jose.ErrMalformed},
		"a kid that is no string":             {with(`{"alg":"RS256","kid":1}`), jose.ErrMalformed},
		"a typ that is no string":             {with(`{"alg":"RS256","typ":{}}`), jose.ErrMalformed},
		"a kid of ten kilobytes":              {with(`{"alg":"RS256","kid":"` + strings.Repeat("k", 10<<10) + `"}`), jose.ErrMalformed},
		"a kid of 257 bytes":                  {with(`{"alg":"RS256","kid":"` + strings.Repeat("k", 257) + `"}`), jose.ErrMalformed},
		"a kid with DEL":                      {with(`{"alg":"RS256","kid":"a\u007fb"}`), jose.ErrMalformed},
		"a kid with a line break":             {with(`{"alg":"RS256","kid":"a\nb"}`), jose.ErrMalformed},
		"a kid with NUL":                      {with(`{"alg":"RS256","kid":"a\u0000b"}`), jose.ErrMalformed},
		"a kid beyond ASCII":                  {with(`{"alg":"RS256","kid":"ключ"}`), jose.ErrMalformed},
		"crit":                                {with(`{"alg":"RS256","crit":["exp"],"exp":1}`), jose.ErrCritical},
		"an empty crit":                       {with(`{"alg":"RS256","crit":[]}`), jose.ErrCritical},
		"a crit of null":                      {with(`{"alg":"RS256","crit":null}`), jose.ErrCritical},
		"crit before alg":                     {with(`{"crit":["x"],"alg":"RS256"}`), jose.ErrCritical},
		"an unencoded payload, b64":           {with(`{"alg":"RS256","b64":false,"crit":["b64"]}`), jose.ErrCritical},
		"b64 alone":                           {with(`{"alg":"RS256","b64":false}`), jose.ErrCritical},
		"b64 true, which nobody needs either": {with(`{"alg":"RS256","b64":true}`), jose.ErrCritical},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var jws jose.JWS
			if err := jws.Parse(c.token); !errors.Is(err, c.want) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
		})
	}
}

// TestPayloadsOfEveryLength crosses the borders of the decoder's pieces.
func TestPayloadsOfEveryLength(t *testing.T) {
	t.Parallel()
	for length := range 2400 {
		payload := strings.Repeat("pay", length/3+1)[:length]
		var jws jose.JWS
		if err := jws.Parse(encode(`{"alg":"RS256"}`) + "." + encode(payload) + ".c2ln"); err != nil || jws.Payload != payload {
			t.Fatalf("length %d: error %v, or another payload", length, err)
		}
	}
}

// covers: T-OPS-03
func TestErrorsHoldNothingOfTheToken(t *testing.T) {
	t.Parallel()
	for _, token := range []string{
		encode(`{"alg":"RS256","kid":"s3cr3t\n"}`) + ".e30.c2ln", "s3cr3t", "s3cr3t.s3cr3t.s3cr3t", encode(`{"s3cr3t":1,"s3cr3t":2}`) + ".e30.c2ln",
	} {
		var jws jose.JWS
		if err := jws.Parse(token); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: got error %v", token, err)
		}
	}
}

// FuzzParse holds the parser to one spelling: what it accepts is, segment by segment, the encoding
// of what it read.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "..", "a.b.c", "a.b.c.d.e", encode(`{"alg":"RS256","kid":"1","typ":"JWT"}`) + "." + encode(`{"sub":"a"}`) + "." + encode("sig"),
		encode(`{"alg":"none"}`) + ".e30.c2ln", encode(`{"alg":"RS256","crit":["b64"]}`) + ".e30.c2ln", "e30.e30.QR", "e30.e30.QQ==", "e30.e30.Q\nQ",
		"e30." + strings.Repeat("YWFh", 400) + ".c2ln",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		var jws jose.JWS
		if err := jws.Parse(token); err != nil {
			return
		}
		segments := strings.Split(token, ".")
		if len(segments) != 3 || segments[1] != encode(jws.Payload) {
			t.Fatalf("accepted %q as payload %q", token, jws.Payload)
		}
		for _, segment := range segments {
			decoded, err := base64.RawURLEncoding.DecodeString(segment)
			if err != nil || base64.RawURLEncoding.EncodeToString(decoded) != segment {
				t.Fatalf("accepted the non-canonical segment %q", segment)
			}
		}
	})
}

// A header that was parsed before stands for those that are spelled alike, and for no others.
func TestAKnownHeaderStandsForItsOwnSpellingOnly(t *testing.T) {
	t.Parallel()
	rest := "." + encode(`{}`) + "." + encode("sig")
	var first jose.JWS
	if err := first.ParseHeader(encode(`{"alg":"RS256","kid":"a"}`)+rest, nil); err != nil {
		t.Fatal(err)
	}
	known := first.Keep()
	for name, c := range map[string]struct {
		header    string
		algorithm jose.Algorithm
		id        string
		same      bool
	}{
		"the same":            {`{"alg":"RS256","kid":"a"}`, jose.RS256, "a", true},
		"another key":         {`{"alg":"RS256","kid":"b"}`, jose.RS256, "b", false},
		"another algorithm":   {`{"alg":"ES256","kid":"a"}`, jose.ES256, "a", false},
		"neither":             {`{}`, "", "", false},
		"other white space":   {`{"alg":"RS256", "kid":"a"}`, jose.RS256, "a", false},
		"the same and longer": {`{"alg":"RS256","kid":"a","typ":"at+jwt"}`, jose.RS256, "a", false},
	} {
		var jws jose.JWS
		if err := jws.ParseHeader(encode(c.header)+rest, known); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if jws.Algorithm != c.algorithm || jws.KeyID != c.id || jws.Same(known) != c.same {
			t.Errorf("%s: got %s, kid %q, same %t", name, jws.Algorithm, jws.KeyID, jws.Same(known))
		}
	}
	if first.Same(nil) {
		t.Error("a header is the same as none")
	}
	var jws jose.JWS
	if err := jws.ParseHeader(encode(`{"alg":"RS256","kid":"a","crit":[]}`)+rest, known); !errors.Is(err, jose.ErrCritical) {
		t.Errorf("got %v", err)
	}
}
