// Package pages shows people what they are asked and what went wrong: the default templates, the
// operator's own in their place, and the headers that keep every page from being framed, kept or
// scripted.
package pages

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

//go:embed *.html
var defaultPages embed.FS

// Config says what the pages of a server show.
type Config struct {
	// Resource is the server's URL, whose host is shown; Name is its name, and Provider the
	// provider's.
	Resource, Name, Provider string
	// Templates are the operator's own: see [proxy.Options].
	Templates *template.Template
	// Logo is an image of 64 KB at most, or nothing.
	Logo []byte
	// Events gets why a page cannot be shown.
	Events *events.Sender
}

// Pages are the pages of one server. They are safe for concurrent use.
type Pages struct {
	templates *template.Template
	server    proxy.ServerInfo
	provider  string
	events    *events.Sender
}

// maxLogo bounds the logo, which is part of every page.
const maxLogo = 64 << 10

// New returns the pages of a server. Its error says what is wrong with the templates or the logo.
func New(config Config) (*Pages, error) {
	defaults, err := template.ParseFS(defaultPages, "*.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{
		templates: defaults, server: proxy.ServerInfo{Name: config.Name, Host: hostOf(config.Resource)}, provider: config.Provider,
		events: config.Events,
	}
	if config.Templates != nil {
		if p.templates, err = withDefaults(config.Templates, defaults); err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
	}
	if len(config.Logo) > 0 {
		if p.server.Logo, err = logoURL(config.Logo); err != nil {
			return nil, err
		}
	}
	return p, p.tryAll()
}

// withDefaults returns a copy of the operator's templates, with the default ones where theirs are
// missing.
func withDefaults(own, defaults *template.Template) (*template.Template, error) {
	all, err := own.Clone()
	if err != nil {
		return nil, err
	}
	for _, t := range defaults.Templates() {
		if t.Tree == nil || all.Lookup(t.Name()) != nil {
			continue
		}
		if _, err := all.AddParseTree(t.Name(), t.Tree.Copy()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// tryAll finds mistakes in templates before the first user does.
func (p *Pages) tryAll() error {
	page := proxy.Page{Nonce: "nonce", Server: proxy.ServerInfo{Name: "Example", Host: "mcp.example.com", Logo: p.server.Logo}, Provider: "Example"}
	link := template.URL("https://client.example.com/callback")
	for name, data := range map[string]any{
		"consent": &proxy.ConsentPage{
			Page: page, Client: proxy.ClientInfo{Name: "Client"}, Redirect: proxy.RedirectInfo{URI: "cursor://x", Scheme: "cursor"},
			Resource: "https://mcp.example.com/mcp", Scopes: []proxy.ScopeInfo{{Name: "openid", Login: true}, {Name: "read"}}, CanRemember: true,
		},
		"continue": &proxy.ContinuePage{Page: page, Kind: "login", Target: link, Host: "client.example.com"},
		"error":    &proxy.ErrorPage{Page: page, Status: 400, Return: &proxy.ReturnLink{URL: link, Host: "client.example.com"}},
	} {
		if err := p.templates.ExecuteTemplate(&bytes.Buffer{}, name, data); err != nil {
			return fmt.Errorf("template: %w", err)
		}
	}
	return nil
}

// logoURL puts an image into a data URL. In an img element even SVG runs nothing.
func logoURL(logo []byte) (template.URL, error) {
	if len(logo) > maxLogo {
		return "", fmt.Errorf("the logo has %d bytes, at most %d are allowed", len(logo), maxLogo)
	}
	kind := http.DetectContentType(logo)
	if bytes.Contains(logo[:min(len(logo), 1024)], []byte("<svg")) {
		kind = "image/svg+xml"
	}
	if !slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"}, kind) {
		return "", errors.New("the logo is not a PNG, JPEG, GIF, WebP or SVG image")
	}
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(logo)), nil //nolint:gosec // base64
}

// page is the common part of a page, with a nonce of its own.
func (p *Pages) page() proxy.Page {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	return proxy.Page{Nonce: base64.RawURLEncoding.EncodeToString(raw[:]), Server: p.server, Provider: p.provider}
}

// render writes a page. No page may be framed, cached, or load or send anything elsewhere.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name, nonce string, data any) {
	var body bytes.Buffer
	if err := p.templates.ExecuteTemplate(&body, name, data); err != nil {
		p.events.Observe(r.Context(), observe.Event{
			Kind: observe.RequestRefused, Level: slog.LevelError, Reason: oauth.ReasonPage, Status: http.StatusInternalServerError,
			Message: "page cannot be rendered", Method: r.Method, Path: r.URL.Path, Err: err,
			Details: []slog.Attr{slog.String("page", name)},
		})
		status = http.StatusInternalServerError
		body.Reset()
		body.WriteString("<!doctype html><title>Error</title><p>The page cannot be shown.")
	}
	pageHeaders(w.Header(), nonce, name)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the browser is gone when this fails
}

func pageHeaders(h http.Header, nonce, name string) {
	formAction, referrer := "'none'", "no-referrer"
	if name == "consent" {
		// A form on a page without referrer is sent with Origin: null, which says nothing.
		formAction, referrer = "'self'", "same-origin"
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; img-src data:; form-action "+
		formAction+"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", referrer)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex")
}

// Consent asks the user. The page's common part is filled in here.
func (p *Pages) Consent(w http.ResponseWriter, r *http.Request, page proxy.ConsentPage) {
	page.Page = p.page()
	p.render(w, r, http.StatusOK, "consent", page.Nonce, &page)
}

// Continue leads to a target that the server built, by itself where the browser allows it. Base is
// what the target was built from: its host is shown.
func (p *Pages) Continue(w http.ResponseWriter, r *http.Request, kind, base, target string) {
	page := p.page()
	p.render(w, r, http.StatusOK, "continue", page.Nonce,
		&proxy.ContinuePage{Page: page, Kind: kind, Target: trustedURL(target), Host: hostOf(base)})
}

// SendBack takes the browser to a redirect URI: by a redirect, or for an application by a page,
// since browsers hang on redirects to custom schemes.
func (p *Pages) SendBack(w http.ResponseWriter, r *http.Request, redirect, target string) {
	if !strings.HasPrefix(redirect, "https://") && !strings.HasPrefix(redirect, "http://") {
		p.Continue(w, r, "done", redirect, target)
		return
	}
	Redirect(w, r, target)
}

// Redirect redirects with a GET, without telling the target where from.
func Redirect(w http.ResponseWriter, r *http.Request, target string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// Error says what went wrong and leads nowhere.
func (p *Pages) Error(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
	p.errorPage(w, r, e, nil)
}

// ErrorWithReturn says what went wrong, with a link to a target that was built from a checked
// redirect URI.
func (p *Pages) ErrorWithReturn(w http.ResponseWriter, r *http.Request, e *oauth.Error, redirect, target string) {
	p.errorPage(w, r, e, &proxy.ReturnLink{URL: trustedURL(target), Host: hostOf(redirect)})
}

func (p *Pages) errorPage(w http.ResponseWriter, r *http.Request, e *oauth.Error, back *proxy.ReturnLink) {
	status := e.Status
	if status == http.StatusUnauthorized {
		status = http.StatusBadRequest // a person has nothing to authenticate with
	}
	httpanswer.RetryAfter(w.Header(), e.RetryAfter)
	page := p.page()
	p.render(w, r, status, "error", page.Nonce,
		&proxy.ErrorPage{Page: page, Status: status, Code: e.Code, Description: e.Description, Return: back})
}

// trustedURL marks a URL that the server built from a checked redirect URI or from its
// configuration: without that, html/template would refuse custom schemes.
func trustedURL(u string) template.URL { return template.URL(u) } //nolint:gosec // see above

// hostOf returns the host of a web URL for people, and nothing for an application's.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return u.Host
}
