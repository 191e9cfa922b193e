package relay

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
)

// origins are the browser origins whose pages may call the relay.
type origins struct {
	own    string
	listed cors.Origins
}

func newOrigins(publicURL string, allowed []string) (origins, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" || u.RawQuery != "" || !plainurl.Bare(publicURL, u) {
		return origins{}, errors.New("relay: PublicURL is required: the address at which browsers reach this server, such as https://app.example.com")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !plainurl.IsLoopbackHost(u.Hostname())) {
		return origins{}, errors.New("relay: PublicURL must use https; plain http is accepted for loopback hosts only")
	}
	listed, err := cors.ParseOrigins(allowed)
	if err != nil {
		return origins{}, fmt.Errorf("relay: AllowedOrigins: %w", err)
	}
	return origins{own: cors.OriginOf(u), listed: listed}, nil
}

func (o origins) allows(origin string) bool {
	return origin == o.own || o.listed.Allows(origin)
}

// check refuses a request from a page of an origin that is not allowed. A request without Origin
// comes from no browser, or from one that says by Sec-Fetch-Site that another site's page merely
// embeds the URL.
func (o origins) check(req *http.Request) error {
	values := req.Header.Values("Origin")
	if len(values) > 1 || len(values) == 1 && !o.allows(values[0]) {
		return fail(http.StatusForbidden, "Origin not allowed", nil).because(oauth.ReasonForeignOrigin)
	}
	if site := req.Header.Get("Sec-Fetch-Site"); len(values) == 0 && (site == "cross-site" || site == "same-site") {
		return fail(http.StatusForbidden, "Origin not allowed", errors.New("embedded by a page of another origin")).because(oauth.ReasonForeignOrigin)
	}
	return nil
}

// expose lets the calling page read the answer. Credentials mode stays off.
func (o origins) expose(header http.Header, req *http.Request) {
	if origin := req.Header.Get("Origin"); origin != "" {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", "Retry-After")
	}
}

// preflight answers a CORS preflight request of an allowed origin.
func preflight(header http.Header) {
	header.Set("Allow", "GET, POST, OPTIONS")
	header.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	header.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type")
	header.Set("Access-Control-Max-Age", "600")
}
