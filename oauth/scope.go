package oauth

import (
	"slices"
	"strings"
)

// ParseScope splits a scope string of RFC 6749 section 3.3 at its spaces, without empty and
// repeated entries.
func ParseScope(scope string) []string {
	var scopes []string
	for s := range strings.SplitSeq(scope, " ") {
		if s != "" && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// ValidScope reports whether s is one scope token of RFC 6749 section 3.3: printable ASCII without
// space, quote and backslash.
func ValidScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// ScopeHierarchy names, for a broad scope, the narrower ones that it includes: {"admin": {"write"},
// "write": {"read"}} makes a caller with "admin" pass where "read" is needed. It follows chains and
// tolerates loops.
type ScopeHierarchy map[string][]string

// Expand returns the granted scopes and everything that they include.
func (h ScopeHierarchy) Expand(granted []string) []string { return h.expand(nil, granted) }

// expand is Expand with room for the result.
func (h ScopeHierarchy) expand(room, granted []string) []string {
	if len(h) == 0 {
		return granted
	}
	room = append(room, granted...)
	expanded := room
	for i := 0; i < len(expanded); i++ { // grows while it is walked
		for _, narrower := range h[expanded[i]] {
			if !slices.Contains(expanded, narrower) {
				expanded = append(expanded, narrower)
			}
		}
	}
	return expanded
}
