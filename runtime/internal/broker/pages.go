package broker

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

//go:embed pages/*.html
var defaultPages embed.FS

// pages are the compiled templates.
type pages struct {
	templates *template.Template
	logo      template.URL
}

// maxLogo bounds the logo, which is part of every page.
const maxLogo = 64 << 10

func newPages(own *template.Template, logo []byte) (*pages, error) {
	defaults, err := template.ParseFS(defaultPages, "pages/*.html")
	if err != nil {
		return nil, err
	}
	p := &pages{templates: defaults}
	if own != nil {
		if p.templates, err = withDefaults(own, defaults); err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
	}
	if len(logo) > 0 {
		if p.logo, err = logoURL(logo); err != nil {
			return nil, err
		}
	}
	return p, p.tryAll()
}

// withDefaults returns a copy of the operator's templates, with the default ones where theirs are missing.
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
func (p *pages) tryAll() error {
	page := proxy.Page{Nonce: "nonce", Server: proxy.ServerInfo{Name: "Example", Host: "mcp.example.com", Logo: p.logo}, Provider: "Example"}
	link := template.URL("https://client.example.com/callback")
	for name, data := range map[string]any{
		"consent": &proxy.ConsentPage{
			Page: page, Client: proxy.ClientInfo{Name: "Client"}, Redirect: proxy.RedirectInfo{URI: "cursor://x", Scheme: "cursor"},
			Scopes: []proxy.ScopeInfo{{Name: "read"}}, CanRemember: true,
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
func (b *Broker) page() proxy.Page {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	return proxy.Page{
		Nonce:  base64.RawURLEncoding.EncodeToString(raw[:]),
		Server: proxy.ServerInfo{Name: b.config.Name, Host: hostOf(b.resource), Logo: b.pages.logo}, Provider: b.config.Upstream.Title,
	}
}

// render writes a page. No page may be framed, cached, or load or send anything elsewhere.
func (b *Broker) render(w http.ResponseWriter, r *http.Request, status int, name, nonce string, data any) {
	var body bytes.Buffer
	if err := b.pages.templates.ExecuteTemplate(&body, name, data); err != nil {
		b.logger.ErrorContext(r.Context(), "page cannot be rendered", "page", name, "error", err)
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

// continuePage leads to a target that the broker built, by itself where the browser allows it.
func (b *Broker) continuePage(w http.ResponseWriter, r *http.Request, kind, base, target string) {
	host := hostOf(base)
	page := b.page()
	b.render(w, r, http.StatusOK, "continue", page.Nonce, &proxy.ContinuePage{Page: page, Kind: kind, Target: trustedURL(target), Host: host})
}

// sendBack takes the browser to a redirect URI: by a redirect, or for an application by a page, since browsers hang on
// redirects to custom schemes.
func (b *Broker) sendBack(w http.ResponseWriter, r *http.Request, redirect, target string) {
	if !strings.HasPrefix(redirect, "https://") && !strings.HasPrefix(redirect, "http://") {
		b.continuePage(w, r, "done", redirect, target)
		return
	}
	redirectTo(w, r, target)
}

// redirectTo redirects with a GET, without telling the target where from.
func redirectTo(w http.ResponseWriter, r *http.Request, target string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// refusePage logs a refusal and shows it.
func (b *Broker) refusePage(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
	b.logRefusal(r, e)
	b.errorPage(w, r, e, nil)
}

func (b *Broker) errorPage(w http.ResponseWriter, r *http.Request, e *oauth.Error, back *proxy.ReturnLink) {
	status := e.Status
	if status == http.StatusUnauthorized {
		status = http.StatusBadRequest // a person has nothing to authenticate with
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())))
	}
	page := b.page()
	b.render(w, r, status, "error", page.Nonce, &proxy.ErrorPage{Page: page, Status: status, Code: e.Code, Description: e.Description, Return: back})
}

// trustedURL marks a URL that the broker built from a checked redirect URI or from its configuration: without that,
// html/template would refuse custom schemes.
func trustedURL(u string) template.URL { return template.URL(u) } //nolint:gosec // see above

// hostOf returns the host of a web URL for people, and nothing for an application's.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return u.Host
}

func redirectInfo(redirect string) proxy.RedirectInfo {
	info := proxy.RedirectInfo{URI: redirect}
	u, err := url.Parse(redirect)
	switch {
	case err != nil:
	case u.Scheme != "https" && u.Scheme != "http":
		info.Scheme = u.Scheme
	case isLoopback(u):
		info.Loopback = true
	default:
		info.Host = u.Host
	}
	return info
}
