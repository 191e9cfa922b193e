package runtime

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/latchkey-auth/latchkey/oauth"
)

// views are callers as a guard with a scope hierarchy sees them: copies that know the hierarchy. A
// provider gives the same caller for the same token again and again, which guards with other
// hierarchies may share, so the copies are remembered: then a request costs none. Finding one takes
// no lock.
type views struct {
	hierarchy oauth.ScopeHierarchy
	seed      maphash.Seed
	made      [viewSets][viewWays]atomic.Pointer[view]
}

// So many copies are remembered at most; the callers of a provider that makes a new one for every
// request go as they come.
const (
	viewSets = 256
	viewWays = 4
)

type view struct {
	of  *oauth.AuthInfo
	own oauth.AuthInfo
}

// newViews returns nil for an empty hierarchy.
func newViews(hierarchy oauth.ScopeHierarchy) *views {
	if len(hierarchy) == 0 {
		return nil
	}
	return &views{hierarchy: hierarchy, seed: maphash.MakeSeed()}
}

// of returns the caller with the hierarchy.
func (v *views) of(info *oauth.AuthInfo) *oauth.AuthInfo {
	hash := maphash.Comparable(v.seed, info)
	set := &v.made[hash%viewSets]
	free := int(hash / viewSets % viewWays)
	for i := range set {
		switch made := set[i].Load(); {
		case made == nil:
			free = i
		case made.of == info:
			return &made.own
		}
	}
	made := &view{of: info, own: *info}
	made.own.Hierarchy = v.hierarchy
	set[free].Store(made)
	return &made.own
}
