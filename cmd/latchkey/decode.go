package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// jwt is what a token says of itself, which nobody has checked: for a comparison of two, and to
// find the issuer whose rules to look at it by. It is empty for what is no JWT.
type jwt struct {
	header, claims map[string]json.RawMessage
}

func decoded(token string) jwt {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return jwt{}
	}
	return jwt{header: object(parts[0]), claims: object(parts[1])}
}

func object(part string) map[string]json.RawMessage {
	data, err := base64.RawURLEncoding.DecodeString(part)
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(data, &members) != nil {
		return nil
	}
	return members
}

// claim is a claim that is a text; empty for any other.
func (t jwt) claim(name string) string {
	var text string
	_ = json.Unmarshal(t.claims[name], &text)
	return text
}

// difference is a member that two tokens do not share.
type difference struct {
	Name  string `json:"name"`
	This  string `json:"this"`
	Other string `json:"other"`
}

// differences compares a token with the one in a file, header and claims.
func (c *explainCommand) differences(token string) ([]difference, error) {
	data, err := os.ReadFile(c.Against)
	if err != nil {
		return nil, fmt.Errorf("--against: %w", err)
	}
	text, err := plainToken(string(data))
	if err != nil {
		return nil, fmt.Errorf("--against %s: it holds no token", c.Against)
	}
	this, other := decoded(token), decoded(text)
	if this.claims == nil || other.claims == nil {
		return nil, fmt.Errorf("--against %s: only JWTs can be compared, and one of the two is none", c.Against)
	}
	return append(differ("header ", this.header, other.header), differ("", this.claims, other.claims)...), nil
}

// maxDifference bounds a value that is shown.
const maxDifference = 300

func differ(prefix string, this, other map[string]json.RawMessage) []difference {
	var all []difference
	names := maps.Clone(this)
	maps.Copy(names, other)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, b := member(this[name]), member(other[name])
		if a != b {
			all = append(all, difference{Name: prefix + name, This: a, Other: b})
		}
	}
	return all
}

// member is a JSON value in one spelling, bounded.
func member(raw json.RawMessage) string {
	var compact bytes.Buffer
	if raw == nil || json.Compact(&compact, raw) != nil {
		return cmp.Or(string(raw), "none")
	}
	text := compact.String()
	if len(text) > maxDifference {
		text = strings.ToValidUTF8(text[:maxDifference], "") + "…"
	}
	return text
}
