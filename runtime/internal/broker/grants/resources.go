package grants

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
)

// Resources are the URLs that tokens may be for, the server's own first.
type Resources []string

// NewResources returns the resources of a server: its own URL and those below it, in their
// canonical spelling.
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
		if rest, below := strings.CutPrefix(canonical, strings.TrimSuffix(resource, "/")+"/"); !below || rest == "" {
			return nil, fmt.Errorf("subresource %s must be below %s", canonical, resource)
		}
		all = append(all, canonical)
	}
	return all, nil
}

// Named checks the resource parameters of a request (RFC 8707) and returns the resource that they
// name, the server's own where there are none. Several may name one resource in several spellings.
// A token is for one resource: of several that are ours, it is for the first.
func (all Resources) Named(asked []string) (string, *oauth.Error) {
	resource := all[0]
	for i, one := range asked {
		named, refused := all.find(one)
		if refused != nil {
			return "", refused
		}
		if i == 0 {
			resource = named
		}
	}
	return resource, nil
}

// find returns the resource that a client means. Here alone a slash at the end makes no difference:
// some clients write URLs with one, whatever the metadata says.
func (all Resources) find(asked string) (string, *oauth.Error) {
	canonical, err := oauth.CanonicalResource(asked)
	for _, resource := range all {
		if err == nil && strings.TrimSuffix(canonical, "/") == strings.TrimSuffix(resource, "/") {
			return resource, nil
		}
	}
	return "", refusal.Caused(oauth.CodeInvalidTarget, oauth.ReasonResource, "The resource is not this server", err)
}

// checkSame checks the resources of a token request against the one that was authorized (RFC 8707
// section 2.2), which has to be one still.
func (all Resources) checkSame(p params.Params, authorized string) *oauth.Error {
	if !slices.Contains(all, authorized) {
		return refusal.InvalidGrant(oauth.ReasonResource, errors.New("the server no longer has the resource that was authorized"))
	}
	same := len(p.Resources()) == 0
	for _, asked := range p.Resources() {
		resource, refused := all.find(asked)
		if refused != nil {
			return refused
		}
		same = same || resource == authorized
	}
	if !same {
		return refusal.BadRequest(oauth.CodeInvalidTarget, oauth.ReasonResource, "The resource is not the one that was authorized")
	}
	return nil
}
