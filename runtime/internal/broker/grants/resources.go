package grants

import (
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
)

// Resources are the URLs that tokens may be for, the server's own first.
type Resources []string

// NewResources returns the resources of a server: its own URL and those below it, in their canonical spelling.
func NewResources(own string, below []string) (Resources, error) {
	resource, err := oauth.CanonicalResource(own)
	if err != nil {
		return nil, err
	}
	all := Resources{resource}
	for _, sub := range below {
		canonical, err := oauth.CanonicalResource(sub)
		if err != nil {
			return nil, fmt.Errorf("subresource: %w", err)
		}
		if !strings.HasPrefix(canonical, resource+"/") {
			return nil, fmt.Errorf("subresource %s must be below %s", canonical, resource)
		}
		all = append(all, canonical)
	}
	return all, nil
}

// Named checks the resource parameter of a request (RFC 8707) and returns the resource that it names, the server's own where
// it is absent.
func (all Resources) Named(asked string) (string, *oauth.Error) {
	if asked == "" {
		return all[0], nil
	}
	canonical, err := oauth.CanonicalResource(asked)
	if err != nil || !slices.Contains(all, canonical) {
		return "", refusal.Caused(oauth.CodeInvalidTarget, refusal.ReasonResource, "The resource is not this server", err)
	}
	return canonical, nil
}

// checkSame checks the resource of a token request against the one that was authorized (RFC 8707 section 2.2).
func (all Resources) checkSame(p params.Params, authorized string) *oauth.Error {
	if p.Get("resource") == "" {
		return nil
	}
	resource, refused := all.Named(p.Get("resource"))
	if refused == nil && resource != authorized {
		refused = refusal.BadRequest(oauth.CodeInvalidTarget, refusal.ReasonResource, "The resource is not the one that was authorized")
	}
	return refused
}
