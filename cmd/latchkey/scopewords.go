package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// scopeWords reads --scope-words, which only mode proxy has a page for.
func scopeWords(list []string, mode oauth.Mode) (map[string]string, error) {
	if len(list) > 0 && mode != oauth.Proxy {
		return nil, errors.New("--scope-words is for mode proxy; otherwise the identity provider asks users")
	}
	words := make(map[string]string, len(list))
	for _, entry := range list {
		scope, text, _ := strings.Cut(entry, "=")
		text = strings.TrimSpace(text)
		switch _, twice := words[scope]; {
		case !oauth.ValidScope(scope) || text == "":
			return nil, fmt.Errorf("--scope-words %q must be NAME=WORDS, such as 'files:write=Change your files'", entry)
		case twice:
			return nil, fmt.Errorf("--scope-words has words for %s twice", scope)
		}
		words[scope] = text
	}
	return words, nil
}
