package broker

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxRemembered is how many consents one browser's cookie holds; the oldest go first.
const maxRemembered = 16

// consentDigest stands for everything that a consent is for. A change of any of it asks again.
func (b *Broker) consentDigest(req request) identifier {
	return digest("consent", b.resource, req.client.String(), req.redirect, strings.Join(req.scopes, " "), req.resource)
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
	return slices.ContainsFunc(b.remembered(r), func(c rememberedConsent) bool { return c.given == given })
}

// rememberedConsent is a consent that the user asked us to remember.
type rememberedConsent struct {
	given identifier
	until time.Time
}

// remembered returns the consents in a browser's cookie that still count, newest first.
func (b *Broker) remembered(r *http.Request) []rememberedConsent {
	payload, _, err := b.boxes.consent.Open(get(r, b.cookies.consent), b.now())
	if err != nil {
		return nil
	}
	record := recordReader{rest: string(payload)}
	n := record.number()
	if n > maxRemembered {
		return nil
	}
	list := make([]rememberedConsent, n)
	for i := range list {
		list[i] = rememberedConsent{given: record.id(), until: record.time()}
	}
	if record.end() != nil {
		return nil
	}
	now := b.now()
	return slices.DeleteFunc(list, func(c rememberedConsent) bool { return !now.Before(c.until) })
}

func (b *Broker) remember(w http.ResponseWriter, r *http.Request, req request) {
	fresh := rememberedConsent{given: b.consentDigest(req), until: b.now().Add(rememberLifetime)}
	list := append([]rememberedConsent{fresh},
		slices.DeleteFunc(b.remembered(r), func(c rememberedConsent) bool { return c.given == fresh.given })...)
	list = list[:min(len(list), maxRemembered)]
	var record recordWriter
	record.number(uint64(len(list)))
	for _, c := range list {
		record.id(c.given)
		record.time(c.until)
	}
	b.cookies.set(w, b.cookies.consent, b.boxes.consent.Seal(record.b, fresh.until), rememberLifetime)
}
