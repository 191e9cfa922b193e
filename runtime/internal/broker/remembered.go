package broker

import (
	"net/http"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// consentDigest stands for everything that a consent is for. A change of any of it asks again.
func (b *Broker) consentDigest(req request) tickets.ID {
	return tickets.Digest("consent", b.resource, req.client.String(), req.redirect, strings.Join(req.scopes, " "), req.resource)
}

// remembers reports whether the user agreed to this very request before and asked not to be asked again. That counts only
// when the browser says that the user opened the page, or came from a page of this origin: another site must not be able to
// ride on it. The broker's own pages send no Referer, and lead where clients say, so that they do not count as such. For a
// redirect to the user's own device it never counts, since any application there may be waiting.
func (b *Broker) remembers(r *http.Request, req request) bool {
	if req.native || r.Method != http.MethodGet {
		return false
	}
	site, dest := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Dest")
	fromHere := site == "same-origin" && strings.HasPrefix(r.Header.Get("Referer"), b.origin+"/")
	if site != "none" && !fromHere || dest != "" && dest != "document" {
		return false
	}
	if r.Header.Get("Sec-Purpose") != "" { // a prefetch is nobody's decision
		return false
	}
	given := b.consentDigest(req)
	return slices.ContainsFunc(b.remembered(r), func(c tickets.Consent) bool { return c.Given == given })
}

// remembered returns the consents in a browser's cookie that still count, newest first.
func (b *Broker) remembered(r *http.Request) []tickets.Consent {
	list, _, err := b.tickets.Consents.Open(get(r, b.cookies.consent))
	if err != nil {
		return nil
	}
	now := b.now()
	return slices.DeleteFunc(list, func(c tickets.Consent) bool { return !now.Before(c.Until) })
}

// remember adds a consent to the browser's cookie; the oldest make room.
func (b *Broker) remember(w http.ResponseWriter, r *http.Request, req request) {
	fresh := tickets.Consent{Given: b.consentDigest(req), Until: b.now().Add(rememberLifetime)}
	list := append([]tickets.Consent{fresh},
		slices.DeleteFunc(b.remembered(r), func(c tickets.Consent) bool { return c.Given == fresh.Given })...)
	list = list[:min(len(list), tickets.MaxConsents)]
	b.cookies.set(w, b.cookies.consent, b.tickets.Consents.Seal(list, fresh.Until), rememberLifetime)
}
