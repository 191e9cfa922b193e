package clients

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// documentDefault is how long a document is kept that does not say.
	documentDefault = 5 * time.Minute
	// documentMax is the longest that one is kept, whatever it says: redirect URIs that were taken
	// out must stop counting.
	documentMax = 24 * time.Hour
)

// documentLifetime is how long an answer may be kept (RFC 9111 sections 4.2 and 5.2): what its
// Cache-Control says, else its Expires, else the default.
func documentLifetime(header http.Header, now time.Time) time.Duration {
	lifetime, found := documentDefault, false
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			if !found {
				lifetime, found = time.Duration(seconds(strings.Trim(value, `"`)))*time.Second, true
			}
		}
	}
	if expires := header.Get("Expires"); !found && expires != "" {
		at, err := http.ParseTime(expires)
		if err != nil { // "0" and the like mean the past
			return 0
		}
		lifetime, found = at.Sub(now), true
	}
	if found {
		lifetime -= time.Duration(seconds(header.Get("Age"))) * time.Second
	}
	return min(max(lifetime, 0), documentMax)
}

// seconds reads a delta-seconds; what cannot be read counts as 0, so that it is not kept.
func seconds(text string) int64 {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return int64(n)
}
