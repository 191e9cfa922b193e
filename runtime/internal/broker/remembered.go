package broker

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// rememberLifetime is how long a remembered consent counts.
const rememberLifetime = 90 * 24 * time.Hour

// remembered are the consents that users asked us to remember, each in its browser.
type remembered struct {
	cookies cookieJar
	box     *tickets.Box[[]tickets.Consent]
	site    site
	now     func() time.Time
}

// digest stands for everything that a consent is for. A change of any of it asks again.
func (m *remembered) digest(req request) tickets.ID {
	return tickets.Digest("consent", m.site.resource(), req.client.String(), req.redirect, strings.Join(req.scopes, " "), req.resource)
}

// covers reports whether the user agreed to this very request before and asked not to be asked
// again. That counts only when the browser says that no page led here, or a page of this origin:
// another site must not be able to ride on it. No page leads to an address that the user typed, a
// bookmark, and what another program, such as the client, had the browser open; those cannot be
// told apart. The broker's own pages send no Referer, and lead where clients say, so that they do
// not count as pages of this origin. For a redirect to the user's own device it never counts, since
// any application there may be waiting.
func (m *remembered) covers(r *http.Request, req request) bool {
	if req.native || r.Method != http.MethodGet {
		return false
	}
	site, dest := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Dest")
	fromHere := site == "same-origin" && strings.HasPrefix(r.Header.Get("Referer"), m.site.origin+"/")
	if site != "none" && !fromHere || dest != "" && dest != "document" {
		return false
	}
	if inAdvance(r.Header) {
		return false
	}
	given := m.digest(req)
	return slices.ContainsFunc(m.list(r), func(c tickets.Consent) bool { return c.Given == given })
}

// inAdvance reports whether a browser or its preview asks for a page before somebody wants to see
// it, which is nobody's decision: Sec-Purpose (Fetch Standard), and what older browsers and
// previewers sent.
func inAdvance(h http.Header) bool {
	return slices.ContainsFunc([]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"}, func(name string) bool {
		return len(h.Values(name)) > 0
	})
}

// list returns the consents in a browser's cookie that still count, newest first.
func (m *remembered) list(r *http.Request) []tickets.Consent {
	list, _, err := m.box.Open(get(r, m.cookies.consent))
	if err != nil {
		return nil
	}
	now := m.now()
	return slices.DeleteFunc(list, func(c tickets.Consent) bool { return !now.Before(c.Until) })
}

// add adds a consent to the browser's cookie; the oldest make room.
func (m *remembered) add(w http.ResponseWriter, r *http.Request, req request) {
	fresh := tickets.Consent{Given: m.digest(req), Until: m.now().Add(rememberLifetime)}
	list := append([]tickets.Consent{fresh},
		slices.DeleteFunc(m.list(r), func(c tickets.Consent) bool { return c.Given == fresh.Given })...)
	list = list[:min(len(list), tickets.MaxConsents)]
	m.cookies.set(w, m.cookies.consent, m.box.Seal(list, fresh.Until), rememberLifetime)
}
