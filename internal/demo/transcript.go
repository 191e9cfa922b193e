package demo

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/dev"
)

// transcript prints the steps of a flow for people.
type transcript struct {
	out    io.Writer
	colour bool
	steps  int
}

// The colours of a terminal.
const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	green  = "\x1b[32m"
	red    = "\x1b[31m"
	cyan   = "\x1b[36m"
	normal = "\x1b[0m"
)

func (t *transcript) paint(colour, text string) string {
	if !t.colour {
		return text
	}
	return colour + text + normal
}

func (t *transcript) printf(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format, args...) }

// part starts a part of the demo.
func (t *transcript) part(title string, pair *dev.Pair) {
	if t.steps > 0 {
		t.printf("\n")
	}
	t.printf("%s\n  MCP server         %s\n  identity provider  %s\n", t.paint(bold, title), pair.Resource, pair.Issuer)
}

// step starts a numbered step.
func (t *transcript) step(title string) {
	t.steps++
	t.printf("\n%s\n", t.paint(bold, fmt.Sprintf("%2d. %s", t.steps, title)))
}

// sent shows a request line and what is worth seeing of its content.
func (t *transcript) sent(method string, u *url.URL, details ...string) {
	t.printf("    %s %s %s\n", t.paint(cyan, "→"), method, shortURL(u))
	t.details(details)
}

// received shows a status and what is worth seeing of the answer.
func (t *transcript) received(response answer, details ...string) {
	t.printf("    %s %s\n", t.paint(cyan, "←"), response.Status)
	t.details(details)
}

func (t *transcript) details(details []string) {
	for _, d := range details {
		t.printf("      %s\n", t.paint(dim, d))
	}
}

// holdsf shows what a step proved.
func (t *transcript) holdsf(format string, args ...any) {
	t.printf("    %s %s\n", t.paint(green, "✓"), fmt.Sprintf(format, args...))
}

func (t *transcript) fails(err error) { t.printf("    %s %v\n", t.paint(red, "✗"), err) }

// secretParameters never appear in a transcript.
var secretParameters = []string{
	"code", "code_verifier", "access_token", "refresh_token", "id_token", "client_secret", "state", "code_challenge", "token",
}

// shortURL is a URL for people: secrets are named by their length.
func shortURL(u *url.URL) string {
	if u.RawQuery == "" {
		return u.String()
	}
	short := *u
	short.RawQuery = ""
	return short.String() + "?" + formForPeople(u.Query())
}

// formForPeople is a form without its secrets.
func formForPeople(form url.Values) string {
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	parts := make([]string, len(names))
	for i, name := range names {
		value := form.Get(name)
		if slices.Contains(secretParameters, name) || name == "client_id" && len(value) > longestID {
			value = hidden(value)
		}
		parts[i] = name + "=" + value
	}
	return strings.Join(parts, "&")
}

// longestID is the length of a client_id that is worth reading. In proxy mode it carries the
// registration, sealed.
const longestID = 60

// hidden stands for a secret in a transcript.
func hidden(secret string) string { return fmt.Sprintf("‹%d characters›", len(secret)) }
