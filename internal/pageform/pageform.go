// Package pageform reads the pages of our own servers as a browser would: where their form goes,
// what it hides, and where the page leads by itself. It knows what those pages look like and is no
// parser of HTML.
package pageform

import (
	"html"
	"regexp"
)

var (
	actionPattern  = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
	hiddenPattern  = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	refreshPattern = regexp.MustCompile(`http-equiv="refresh" content="0;url=([^"]+)"`)
)

// Action returns where the page's form goes, relative to the page; empty without a form.
func Action(page string) string { return first(actionPattern, page) }

// Hidden returns the hidden fields of the page's form.
func Hidden(page string) map[string]string {
	fields := map[string]string{}
	for _, match := range hiddenPattern.FindAllStringSubmatch(page, -1) {
		fields[html.UnescapeString(match[1])] = html.UnescapeString(match[2])
	}
	return fields
}

// Refresh returns where the page leads by itself; empty if it stays.
func Refresh(page string) string { return first(refreshPattern, page) }

func first(pattern *regexp.Regexp, page string) string {
	match := pattern.FindStringSubmatch(page)
	if match == nil {
		return ""
	}
	return html.UnescapeString(match[1])
}
