package broker

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

const (
	// maxRedirectURIs and maxClientMetadata bound what a client may register.
	maxRedirectURIs   = 12
	maxClientMetadata = 4 << 10
	// maxClientID bounds a client_id: a sealed registration of the largest metadata fits.
	maxClientID = 8 << 10
	// maxClientName is how many characters of a name are kept.
	maxClientName = 80
)

// client is an MCP client as it registered or describes itself. Nothing of it is verified, except that a document's
// client_id belongs to whoever controls its host.
type client struct {
	id        string
	name      string
	redirects []string
}

// digest identifies the client in sealed values.
func (c client) digest() tickets.ID { return clientDigest(c.id) }

func clientDigest(id string) tickets.ID { return tickets.Digest("client", id) }

// clientLabel is the client's name for logs and callers: the URL of its document, or a short form of a sealed client_id.
func clientLabel(id string) string {
	if isDocumentURL(id) {
		return id
	}
	return "client-" + clientDigest(id).String()
}

func (b *Broker) openClient(id string) (client, error) {
	registered, _, err := b.tickets.Client.Open(id)
	return client{id: id, name: registered.Name, redirects: registered.Redirects}, err
}

// client finds the client of an authorization request.
func (b *Broker) client(ctx context.Context, id, address string) (client, *oauth.Error) {
	if isDocumentURL(id) {
		return b.documents.lookUp(ctx, id, address)
	}
	if len(id) > maxClientID {
		return client{}, unknownClient(nil)
	}
	c, err := b.openClient(id)
	if err != nil {
		return client{}, unknownClient(err)
	}
	return c, nil
}

// knownClient checks the client_id of a token request without fetching anything: what was issued is bound to the client_id
// itself. An unknown or stale one is 401 invalid_client, so that the client registers again (RFC 6749 section 5.2).
func (b *Broker) knownClient(id string) *oauth.Error {
	if isDocumentURL(id) {
		if err := checkDocumentURL(id); err != nil {
			return unknownClient(err)
		}
		return nil
	}
	if len(id) > maxClientID {
		return unknownClient(nil)
	}
	if _, err := b.openClient(id); err != nil {
		return unknownClient(err)
	}
	return nil
}

func unknownClient(cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: refusal.ReasonClientUnknown, Cause: cause,
		Description: "The client is not known here, or its registration ended: register again",
	}
}

// isDocumentURL reports whether a client_id names a client ID metadata document.
func isDocumentURL(id string) bool { return strings.HasPrefix(id, "https://") }

// documentHost is the host of a client ID metadata document.
func documentHost(id string) string {
	if !isDocumentURL(id) {
		return ""
	}
	u, err := url.Parse(id)
	if err != nil {
		return ""
	}
	return u.Host
}

// cleanName makes a client's name fit for a page and a log: one line, no invisible or direction-changing characters that
// could make it look like something else, and not too long.
func cleanName(name string) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, name)
	kept = strings.Join(strings.Fields(kept), " ")
	if runes := []rune(kept); len(runes) > maxClientName {
		kept = string(runes[:maxClientName-1]) + "…"
	}
	return kept
}
