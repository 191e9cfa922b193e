package jose

import (
	"encoding/base64"
	"errors"
	"strings"
)

// base64url is RFC 7515's alphabet without padding. Strict refuses spare bits, which would be a
// second spelling.
var base64url = base64.RawURLEncoding.Strict()

// errBase64 tells that a segment is not canonical base64url.
var errBase64 = errors.New("not canonical base64url")

// The decoder works in pieces: whole quanta of text, so that a piece decodes by itself.
const (
	pieceText  = 1024
	pieceBytes = pieceText / 4 * 3
)

// decodeText returns the decoded segment as a string, with one allocation.
func decodeText(segment string) (string, error) {
	var b strings.Builder
	b.Grow(base64url.DecodedLen(len(segment)))
	var piece [pieceBytes]byte
	for len(segment) > 0 {
		text := segment[:min(len(segment), pieceText)]
		segment = segment[len(text):]
		n, err := decodeInto(piece[:], text)
		if err != nil {
			return "", err
		}
		b.Write(piece[:n])
	}
	return b.String(), nil
}

// decodeInto decodes a segment into dst and returns the number of bytes. It refuses what dst cannot
// hold.
func decodeInto(dst []byte, segment string) (int, error) {
	if base64url.DecodedLen(len(segment)) > len(dst) {
		return 0, errBase64
	}
	// Go's decoder skips line breaks in strict mode too.
	if strings.IndexByte(segment, '\r') >= 0 || strings.IndexByte(segment, '\n') >= 0 {
		return 0, errBase64
	}
	n, err := base64url.Decode(dst, []byte(segment))
	if err != nil {
		return 0, errBase64
	}
	return n, nil
}
