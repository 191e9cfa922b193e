package devidp

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
)

//go:embed pages
var pageFiles embed.FS

var (
	style         = mustRead("pages/style.css")
	loginPage     = parsePage("login.html")
	consentPage   = parsePage("consent.html")
	returningPage = parsePage("return.html")
	failurePage   = parsePage("error.html")
	indexPage     = parsePage("index.html")

	// contentSecurityPolicy allows the one style sheet and forms to this server; no script, no
	// picture, no frame.
	contentSecurityPolicy = "default-src 'none'; style-src 'sha256-" + digestBase64(style) + "'; form-action 'self'; " +
		"frame-ancestors 'none'; base-uri 'none'"
)

func mustRead(name string) string {
	text, err := pageFiles.ReadFile(name)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(text)
}

func parsePage(name string) *template.Template {
	return template.Must(template.ParseFS(pageFiles, "pages/layout.html", "pages/"+name))
}

func digestBase64(text string) string {
	digest := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(digest[:])
}

// page is what the templates show. Each uses its part.
type page struct {
	Title  string
	Style  template.CSS
	Issuer string

	Action      string
	Switch      string
	Transaction string
	Form        string
	Client      clientView
	User        userView
	Users       []userView
	Scopes      []scopeView
	Resources   []string
	Return      returnView
	Location    template.URL
	Message     string
	Code        oauth.Code
	Links       []linkView
}

type clientView struct{ Name, Origin string }

type userView struct {
	Username, Name, Detail, Initials string
	Tone                             int
	Roles                            []string
	Hinted                           bool
}

type scopeView struct{ Name, Meaning string }

type returnView struct{ Place, URI, Warning string }

type linkView struct{ Title, URL string }

// show renders a page. Its forms may only be sent by itself: no other page can frame it, and it
// loads nothing.
func (s *Server) show(w http.ResponseWriter, status int, t *template.Template, p page) {
	p.Style = template.CSS(style) //nolint:gosec // part of the program
	p.Issuer = s.config.Issuer
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, "layout.html", p); err != nil {
		s.config.Logger.Error("devidp: page", "cause", err)
		http.Error(w, "The page could not be shown", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("X-Frame-Options", "DENY")
	// Not no-referrer: with that, browsers send "Origin: null" with this page's own form.
	header.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w)
}

func (s *Server) loginPage(w http.ResponseWriter, v visit) {
	users := s.viewUsers()
	for i, u := range s.config.Users {
		hint := v.request.loginHint
		users[i].Hinted = hint != "" && (hint == u.Username || hint == u.Email || hint == u.ID)
	}
	s.show(w, http.StatusOK, loginPage, page{
		Title: "Who do you want to be?", Action: s.path + pathLogin, Transaction: v.id, Form: v.form,
		Client: viewClient(v.request.client), Users: users,
	})
}

func (s *Server) consentPage(w http.ResponseWriter, v visit) {
	scopes := make([]scopeView, len(v.request.scopes))
	for i, name := range v.request.scopes {
		scopes[i] = scopeView{name, scopeMeaning(name)}
	}
	s.show(w, http.StatusOK, consentPage, page{
		Title: "Allow " + v.request.client.name + "?", Action: s.path + pathConsent, Switch: s.pageURL(pathLogin, v.id),
		Transaction: v.id, Form: v.form, Client: viewClient(v.request.client), User: s.viewUser(v.user.Username),
		Scopes: scopes, Resources: v.request.resources, Return: viewReturn(v.request.redirectURI),
	})
}

// returnPage takes the browser to the client by a Refresh header. A redirect in answer to the form
// would be stopped by form-action: Chromium applies that policy to every redirect that follows, and
// where a client redirects to in turn cannot be known.
func (s *Server) returnPage(w http.ResponseWriter, request authorizationRequest, location string) {
	w.Header().Set("Refresh", refreshPrefix+location)
	s.show(w, http.StatusOK, returningPage, page{
		Title: "Taking you back", Return: viewReturn(request.redirectURI),
		Location: template.URL(location), //nolint:gosec // its scheme was checked when the client registered
	})
}

// refreshPrefix stands before the address in a Refresh header.
const refreshPrefix = "0; url="

func (s *Server) errorPage(w http.ResponseWriter, r *http.Request, err error) {
	e := oauth.AsError(err)
	s.logRefusal(r, e)
	status := e.Status
	if status == http.StatusUnauthorized {
		// A person has nothing to authenticate with, and clients that look at the page before they
		// open a browser register again after a 400 alone.
		status = http.StatusBadRequest
	}
	s.show(w, status, failurePage, page{Title: "Error", Message: e.Description, Code: e.Code})
}

func (s *Server) serveIndex(w http.ResponseWriter, _ *http.Request) {
	s.show(w, http.StatusOK, indexPage, page{Title: "Development identity provider", Users: s.viewUsers(), Links: []linkView{
		{"OpenID Connect metadata", s.URL("/.well-known/" + oauth.WellKnownOpenID)},
		{"Authorization server metadata", oauth.InsertWellKnown(s.base, oauth.WellKnownAuthorizationServer)},
		{"Keys", s.URL(pathJWKS)},
	}})
}

func viewClient(c *client) clientView {
	view := clientView{Name: c.name}
	switch c.kind {
	case dynamicClient:
		view.Origin = "It registered itself, and gave itself this name."
	case documentClient:
		if u, err := url.Parse(c.id); err == nil {
			view.Origin = "Described by a document at " + u.Host + "."
		}
	case presetClient:
	}
	return view
}

// tones is how many colours style.css has for avatars.
const tones = 6

func (s *Server) viewUsers() []userView {
	views := make([]userView, len(s.config.Users))
	for i, u := range s.config.Users {
		views[i] = userView{
			Username: u.Username, Name: cmp.Or(u.Name, u.Username), Detail: cmp.Or(u.Email, u.ID), Roles: u.Roles,
			Initials: initials(cmp.Or(u.Name, u.Username)), Tone: i % tones,
		}
	}
	return views
}

func (s *Server) viewUser(username string) userView {
	views := s.viewUsers()
	return views[slices.IndexFunc(views, func(v userView) bool { return v.Username == username })]
}

// initials are the first letters of the first and last word of a name.
func initials(name string) string {
	words := strings.Fields(name)
	if len(words) == 0 {
		return "?"
	}
	letters := firstLetter(words[0])
	if len(words) > 1 {
		letters += firstLetter(words[len(words)-1])
	}
	return letters
}

func firstLetter(word string) string {
	letter, _ := utf8.DecodeRuneInString(word)
	return string(unicode.ToUpper(letter))
}

func scopeMeaning(scope string) string {
	switch scope {
	case "openid":
		return "Know who you are"
	case "profile":
		return "See your name and username"
	case "email":
		return "See your email address"
	case "offline_access":
		return "Keep access while you are away"
	default:
		return "Do what this scope allows"
	}
}

// viewReturn says where a redirect URI leads, in words that a user can judge (RFC 8252 section 8.6
// on impersonation).
func viewReturn(redirectURI string) returnView {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return returnView{Place: redirectURI}
	}
	view := returnView{Place: u.Host, URI: redirectURI}
	switch u.Scheme {
	case "https", "http":
		if plainurl.IsLoopbackHost(u.Hostname()) {
			view.Warning = "That address is on this computer, where any program may be listening. " +
				"Go on only if you have just started this yourself."
		}
	default:
		view.Place = fmt.Sprintf("the program for %s: links", u.Scheme)
		view.Warning = "Any program on this computer may have claimed these links. " +
			"Go on only if you have just started this yourself."
	}
	return view
}
