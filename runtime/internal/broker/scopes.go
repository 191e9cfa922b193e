package broker

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// maxScopes bounds the scopes of a server: a login has a bit for each.
const maxScopes = 64

// scopes are what clients may ask for.
type scopes struct {
	// all is every scope, usual those that are asked for when a client names none.
	all, usual []string
	// mark changes whenever the list does: see set.
	mark uint64
}

func newScopes(usual, further []string) (scopes, error) {
	s := scopes{usual: slices.Clone(usual), all: slices.Clone(usual)}
	for _, scope := range further {
		if !slices.Contains(s.all, scope) {
			s.all = append(s.all, scope)
		}
	}
	if len(s.all) > maxScopes {
		return s, fmt.Errorf("there are %d scopes, at most %d are supported", len(s.all), maxScopes)
	}
	for _, scope := range s.all {
		if !oauth.ValidScope(scope) {
			return s, fmt.Errorf("scope %q has characters that a scope cannot have (RFC 6749 section 3.3)", scope)
		}
	}
	mark := fnv.New32a()
	_, _ = mark.Write([]byte(strings.Join(s.all, " ")))
	s.mark = uint64(mark.Sum32())
	return s, nil
}

// named returns what a client may have of the scopes that it asks for, in the server's order.
// Unknown ones are left out (RFC 6749 section 3.3), and unknown ones alone are as none; the token
// response says what was granted.
func (s scopes) named(asked string) []string {
	known := s.list(s.set(oauth.ParseScope(asked)))
	if len(known) == 0 {
		return s.usual
	}
	return known
}

// set packs scopes into a bit per scope of the server. The mark of the list goes with it: after a
// change of the configuration the bits mean something else.
func (s scopes) set(scopes []string) (set uint64) {
	for i, scope := range s.all {
		if slices.Contains(scopes, scope) {
			set |= 1 << i
		}
	}
	return set
}

// list returns the scopes of a set, in the server's order.
func (s scopes) list(set uint64) []string {
	var scopes []string
	for i, scope := range s.all {
		if set&(1<<i) != 0 {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}
