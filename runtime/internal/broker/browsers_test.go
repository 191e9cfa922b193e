package broker

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

// Two tabs that a browser without cookies opens at the same time get an identifier each, and both
// have to work.
func TestPagesThatOpenAtTheSameTimeAllWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	clientID := w.newClient(webRedirect)
	user := w.newBrowser()
	var pages []string
	for range 2 { // neither request knows the other's answer
		tab := w.newBrowser()
		pages = append(pages, tab.open(authorizeURL(clientID, webRedirect)).Body.String())
		maps.Copy(user.cookies, tab.cookies)
	}
	for _, page := range pages {
		target(t, user.answer(page, "allow"))
	}
}

func TestABrowserHasFewIdentifiers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	user := w.newBrowser()
	for range 2 * maxBrowsers {
		tab := w.newBrowser()
		tab.open(authorizeURL(clientID, webRedirect))
		maps.Copy(user.cookies, tab.cookies)
	}
	page := user.open(authorizeURL(clientID, webRedirect)).Body.String()
	if len(user.cookies) != maxBrowsers {
		t.Errorf("%d identifiers are left", len(user.cookies))
	}
	target(t, user.answer(page, "allow"))
	again := w.newBrowser()
	first := again.open(authorizeURL(clientID, webRedirect))
	before := maps.Clone(again.cookies)
	again.open(authorizeURL(clientID, webRedirect))
	if len(first.Result().Cookies()) != 1 || !maps.Equal(before, again.cookies) {
		t.Errorf("a second page changes the identifier from %q to %q", before, again.cookies)
	}
}

// An identifier counts under its own name alone, so that nobody can plant a second value for a
// name.
func TestAnIdentifierUnderAnotherNameDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	user := w.newBrowser()
	page := user.open(authorizeURL(w.newClient(webRedirect), webRedirect)).Body.String()
	stranger := w.newBrowser()
	for name, value := range user.cookies {
		stranger.cookies[name[:len(name)-1]+flip(name[len(name)-1])] = value
	}
	wantPage(t, stranger.answer(page, "allow"), http.StatusForbidden)
}

func TestAnUnknownApplicationsPageSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	rec := w.newBrowser().open(authorizeURL("nobody", webRedirect))
	wantPage(t, rec, http.StatusBadRequest)
	if !strings.Contains(rec.Body.String(), "remove this server and add it again") {
		t.Errorf("page:\n%s", rec.Body)
	}
}
