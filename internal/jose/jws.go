package jose

import (
	"errors"
	"fmt"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
)

const (
	// maxKeyID is the longest accepted kid. Providers use thumbprints, UUIDs and short names.
	maxKeyID = 256
	// maxSignature is the size of the largest signature: RSA with 8192 bits.
	maxSignature = maxRSABits / 8
)

// The ways in which a text fails to be a token that can be checked.
var (
	// ErrNotCompact tells that a text is not a compact JWS at all: it has not three segments.
	ErrNotCompact = errors.New("not a signed JWT")
	// ErrEncrypted tells that a text looks like a compact JWE (RFC 7516), of five segments.
	ErrEncrypted = errors.New("an encrypted JWT (JWE)")
	// ErrMalformed tells that a text of three segments is not a correct compact JWS.
	ErrMalformed = errors.New("malformed JWT")
	// ErrCritical tells that the header demands extensions, of which none is supported (RFC 7515
	// section 4.1.11, RFC 7797).
	ErrCritical = errors.New("JWT header demands an extension")
)

// Header is what is used of a JWS header: alg, kid and typ, empty where the header has none.
// Nothing else is: jwk, jku, x5u and x5c, with which a token could bring its own key, are not even
// read.
type Header struct {
	Algorithm Algorithm
	KeyID     string
	Type      string

	segment string // as it was encoded
}

// Same reports whether two headers were spelled alike.
func (h *Header) Same(other *Header) bool { return other != nil && h.segment == other.segment }

// Keep returns the header for later, in memory that holds nothing else of its token.
func (h *Header) Keep() *Header {
	kept := *h
	kept.segment = strings.Clone(h.segment)
	return &kept
}

// JWS is a compact JWS whose signature nobody has checked yet.
type JWS struct {
	Header

	// Payload is the decoded payload. Until Verify gave its consent it is just somebody's claim.
	Payload string

	compact      string // the whole, between ParseHeader and Decode
	payload      string // the payload's segment
	signed       string // header and payload as they were signed
	signature    [maxSignature]byte
	signatureLen int
}

// Parse reads a compact JWS (RFC 7515 section 7.1). Header, payload and signature have one accepted
// spelling each: three segments of canonical base64url without padding, white space or line breaks.
// The header must be a JSON object without duplicate members. The caller limits the length of the
// text. The JWS is filled in place, since it is large.
//
// That makes no token unique. An ECDSA signature has two values that are as good, (r, s) and (r,
// n-s), so that whoever holds a token of ES256 and its kin can write a second one of the same
// content. No RFC demands one of the two, and providers give out either: nothing may rely on a
// token being the only one of its content.
//
// Errors wrap [ErrNotCompact], [ErrEncrypted], [ErrMalformed] or [ErrCritical] and hold nothing of
// the text.
func (t *JWS) Parse(compact string) error {
	if err := t.ParseHeader(compact, nil); err != nil {
		return err
	}
	return t.Decode()
}

// ParseHeader is the first half of Parse: it divides the text into its segments and reads the
// header, so that a token can be refused for it before more work is done. The JWS is not complete
// before [JWS.Decode]. A provider's tokens mostly have one header: known, if it is not nil, is one
// that was parsed before, and a token that spells it alike is not parsed again.
func (t *JWS) ParseHeader(compact string, known *Header) error {
	header, rest, ok := strings.Cut(compact, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 {
		return ErrNotCompact
	}
	if strings.IndexByte(signature, '.') >= 0 {
		if strings.Count(signature, ".") == 2 {
			return ErrEncrypted
		}
		return ErrNotCompact
	}
	t.compact, t.payload, t.signed = compact, payload, compact[:len(header)+1+len(payload)]
	if known != nil && known.segment == header {
		t.Header = *known
		return nil
	}
	t.Header = Header{segment: header}
	return t.parseHeader(header)
}

// Decode is the second half of Parse: it decodes payload and signature.
func (t *JWS) Decode() error {
	var err error
	if t.Payload, err = decodeText(t.payload); err != nil {
		return fmt.Errorf("%w: payload: %w", ErrMalformed, err)
	}
	signature := t.compact[len(t.signed)+1:]
	if signature == "" {
		return fmt.Errorf("%w: no signature", ErrMalformed)
	}
	if t.signatureLen, err = decodeInto(t.signature[:], signature); err != nil {
		return fmt.Errorf("%w: signature: %w", ErrMalformed, err)
	}
	return nil
}

func (t *JWS) parseHeader(segment string) error {
	text, err := decodeText(segment)
	if err != nil {
		return fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	var few [8]strictjson.Member
	members, err := strictjson.ParseObject(text, few[:0])
	if err != nil {
		return fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	for i := range members {
		value, isString := strictjson.Unquote(members[i].Value)
		switch members[i].Name {
		case "crit", "b64":
			return ErrCritical
		case "alg":
			t.Algorithm = Algorithm(value)
		case "kid":
			t.KeyID = value
		case "typ":
			t.Type = value
		default:
			continue
		}
		if !isString {
			return fmt.Errorf("%w: header member %s is no string", ErrMalformed, members[i].Name)
		}
	}
	if !validKeyID(t.KeyID) {
		return fmt.Errorf("%w: kid is too long or has unusual characters", ErrMalformed)
	}
	return nil
}

// validKeyID reports whether a kid is of printable ASCII and not too long. It may be empty.
func validKeyID(id string) bool {
	if len(id) > maxKeyID {
		return false
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}
