package clients

import (
	"net/url"
	"strings"
	"unicode"

	"github.com/latchkey-auth/latchkey/internal/visible"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

const (
	// maxClientName is how many characters of a name are kept.
	maxClientName = 80
	// maxMarks is how many combining marks one character of a name keeps: no language needs more
	// (Unicode Technical Standard 39 section 5.4).
	maxMarks = 4
)

// Client is an MCP client as it registered or describes itself. Nothing of it is verified, except
// that a document's client_id belongs to whoever controls its host.
type Client struct {
	ID string
	// Name is for people, and harmless to show.
	Name string
	// Redirects are the registered redirect URIs.
	Redirects []string
	// Confidential says that the client must sign assertions wherever it says who it is (RFC 7523
	// section 2.2).
	Confidential bool

	keys clientKeys
}

// Digest stands for the client in sealed values, together with how it has to authenticate: what was
// sealed for a client that must sign is never good for one that does not, whatever its document
// says later.
func (c Client) Digest() tickets.ID {
	if c.Confidential {
		return ConfidentialDigest(c.ID)
	}
	return PublicDigest(c.ID)
}

// PublicDigest stands for a client that need not authenticate.
func PublicDigest(id string) tickets.ID { return tickets.Digest("client", id) }

// ConfidentialDigest stands for a client that must authenticate.
func ConfidentialDigest(id string) tickets.ID { return tickets.Digest("confidential client", id) }

// Label is the client's name for logs and callers: the URL of its document, or a short form of a
// sealed client_id.
func Label(id string) string {
	if isDocumentURL(id) {
		return id
	}
	return "client-" + PublicDigest(id).String()
}

// isDocumentURL reports whether a client_id names a client ID metadata document.
func isDocumentURL(id string) bool { return strings.HasPrefix(id, "https://") }

// DocumentHost is the host of a client ID metadata document.
func DocumentHost(id string) string {
	if !isDocumentURL(id) {
		return ""
	}
	u, err := url.Parse(id)
	if err != nil {
		return ""
	}
	return u.Host
}

// cleanName makes a client's name fit for a page and a log: one line of characters that show what
// they are, and not too long. A character that shows nothing, or changes the direction of text,
// could make the name look like another's or leave an empty place; a stack of marks would cover
// what is around it. A name of which nothing is left that shows anything is empty.
func cleanName(name string) string {
	var kept []rune
	shows, marks := false, 0
	for _, r := range name {
		_, hidden := visible.Hidden(string(r))
		switch {
		case unicode.IsSpace(r):
			kept, marks = append(kept, ' '), maxMarks // a mark needs a character to stand on
		case hidden, unicode.Is(unicode.Co, r), r == unicode.ReplacementChar:
		case !unicode.IsMark(r):
			kept, marks, shows = append(kept, r), 0, true
		case shows && marks < maxMarks:
			kept, marks = append(kept, r), marks+1
		}
	}
	if !shows {
		return ""
	}
	kept = []rune(strings.Join(strings.Fields(string(kept)), " "))
	if len(kept) > maxClientName {
		kept = append(kept[:maxClientName-1], '…')
	}
	return string(kept)
}
