package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// Identity says how the upstream learns who calls.
type Identity string

const (
	// IdentityHeaders are the headers X-Auth-*.
	IdentityHeaders Identity = "headers"
	// IdentityNone tells the upstream nothing.
	IdentityNone Identity = "none"
)

// maxIdentity bounds the names and values of the identity headers, in bytes: Node.js takes 16 KB of
// headers, many servers 8 KB for one.
const maxIdentity = 7 << 10

// errLongIdentity refuses a caller of whom more is known than servers take in headers.
var errLongIdentity = errors.New("the identity headers would be too long")

// identify sets the headers that say who the caller is. A caller of whom something is unknown has
// no header for it. Nothing is ever cut: half a list of roles would be another list.
func identify(header http.Header, info *oauth.AuthInfo) error {
	size := 0
	set := func(name, value string) {
		if value != "" {
			header[name] = []string{value}
			size += len(name) + len(value)
		}
	}
	set("X-Auth-Issuer", encode(info.Issuer, ""))
	set("X-Auth-Subject", encode(info.Subject, ""))
	set("X-Auth-Email", encode(info.User.Email, ""))
	set("X-Auth-Name", encode(info.User.Name, ""))
	set("X-Auth-Client-Id", encode(info.ClientID, ""))
	set("X-Auth-Scopes", encodeList(info.Scopes, " "))
	set("X-Auth-Roles", encodeList(info.User.Roles, ","))
	if size > maxIdentity {
		return fmt.Errorf("%w: %d bytes, at most %d are possible", errLongIdentity, size, maxIdentity)
	}
	return nil
}

// encodeList joins members of a list, empty ones left out. The separator and all spaces within a
// member are encoded.
func encodeList(members []string, separator string) string {
	var encoded []string
	for _, member := range members {
		if member != "" {
			encoded = append(encoded, encode(member, " "+separator))
		}
	}
	return strings.Join(encoded, separator)
}

// encode writes a text so that a header carries it and every server reads the same: the per cent
// sign, the bytes that are no visible ASCII, spaces at the edges and the bytes of also become %XX.
// Decoding each %XX gives the text back, so two texts never look alike.
func encode(text, also string) string {
	plain := true
	for i := range len(text) {
		plain = plain && !mustEncode(text, i, also)
	}
	if plain {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		if mustEncode(text, i, also) {
			fmt.Fprintf(&b, "%%%02X", text[i])
		} else {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func mustEncode(text string, i int, also string) bool {
	c := text[i]
	edge := i == 0 || i == len(text)-1
	return c < ' ' || c > '~' || c == '%' || c == ' ' && edge || strings.IndexByte(also, c) >= 0
}
