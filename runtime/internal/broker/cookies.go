package broker

import (
	"net/http"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// cookieJar names and makes the cookies of one mount. Over https they have the __Host- prefix, so
// that neither a subdomain nor plain http can set them (RFC 6265bis section 4.1.3.2); plain http is
// loopback only, where browsers may refuse prefix and Secure.
type cookieJar struct {
	secure bool
	// common begins the names of the cookies of all servers of the host.
	common string
	// consent is the name of the cookie of remembered consents; the others begin the names of
	// several.
	consent, browserPrefix, loginPrefix string
}

func newCookieJar(mount string, secure bool) cookieJar {
	common := "latchkey-"
	if secure {
		common = "__Host-" + common
	}
	base := common + mount + "-"
	return cookieJar{secure: secure, common: common, consent: base + "consent", browserPrefix: base + "browser-", loginPrefix: base + "login-"}
}

// set sets a cookie. SameSite=Lax keeps it out of requests that other sites make, except for
// navigations.
func (j cookieJar) set(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is left out for plain http on loopback only
		Name: name, Value: value, Path: "/", MaxAge: int(lifetime.Seconds()),
		HttpOnly: true, Secure: j.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (j cookieJar) clear(w http.ResponseWriter, name string) { j.set(w, name, "", -time.Second) }

// get returns the value of the one cookie of that name. Two of a name mean that somebody planted
// one.
func get(r *http.Request, name string) string {
	cookies := r.CookiesNamed(name)
	if len(cookies) != 1 {
		return ""
	}
	return cookies[0].Value
}

// maxBrowsers is how many identifiers a browser may have. It has one, unless it opened its first
// pages at the same time: each of them got its own then, and all of them have to work.
const maxBrowsers = 4

// browser returns a random identifier of the user's browser, and gives it one where it has none. It
// binds consent pages to the browser that they were made for; it says nothing about who the user
// is.
func (j cookieJar) browser(w http.ResponseWriter, r *http.Request) tickets.ID {
	all := j.browsers(r)
	for _, old := range all[min(len(all), maxBrowsers):] {
		j.clear(w, j.browserName(old))
	}
	id := tickets.NewID()
	if len(all) > 0 {
		id = all[0]
	}
	j.set(w, j.browserName(id), id.String(), 24*time.Hour)
	return id
}

// browserName is the name of the cookie with an identifier, which differs from that of every other.
func (j cookieJar) browserName(id tickets.ID) string {
	return j.browserPrefix + tickets.Digest("slot", id.String()).String()[:8]
}

// browsers are those that a request brings.
func (j cookieJar) browsers(r *http.Request) []tickets.ID {
	var all []tickets.ID
	for _, c := range r.Cookies() {
		if id, ok := tickets.ParseID(c.Value); ok && c.Name == j.browserName(id) {
			all = append(all, id)
		}
	}
	return all
}

// logins returns the names and values of the logins under way that a request brings.
func (j cookieJar) logins(r *http.Request) []*http.Cookie {
	var found []*http.Cookie
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, j.loginPrefix) {
			found = append(found, c)
		}
	}
	return found
}

// foreignLogins returns the names of the logins under way at other servers of the host, the oldest
// first: browsers name cookies of one path in the order in which they came (RFC 6265 section 5.4).
func (j cookieJar) foreignLogins(r *http.Request) []string {
	var found []string
	for _, c := range r.Cookies() {
		rest, ours := strings.CutPrefix(c.Name, j.common)
		if ours && strings.Contains(rest, "-login-") && !strings.HasPrefix(c.Name, j.loginPrefix) {
			found = append(found, c.Name)
		}
	}
	return found
}

// loginName is the name of a login's cookie. It does not tell the handle.
func (j cookieJar) loginName(handle tickets.ID) string {
	return j.loginPrefix + tickets.Digest("slot", handle.String()).String()[:8]
}
