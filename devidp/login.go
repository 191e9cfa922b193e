package devidp

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/noredirect"
	"github.com/latchkey-auth/latchkey/internal/pageform"
)

// Login plays a user at a devidp, in this process or another: it opens an authorization URL, picks
// the user, allows what the client asks for, and returns the redirect that a browser would follow
// next, with code, state and iss. The redirect is not followed. An error response of the server is
// such a redirect too, with error in place of code.
//
// A nil client stands for one with default settings. Cookies are kept for this login only.
func Login(ctx context.Context, client *http.Client, authorizeURL, user string) (redirect *url.URL, err error) {
	return play(ctx, client, authorizeURL, user, decisionAllow)
}

// Deny is [Login] by a user who picks a user and then denies what the client asks for. The redirect
// has error=access_denied.
func Deny(ctx context.Context, client *http.Client, authorizeURL, user string) (redirect *url.URL, err error) {
	return play(ctx, client, authorizeURL, user, decisionDeny)
}

// Login is the function [Login], here for whoever holds a server.
func (s *Server) Login(ctx context.Context, client *http.Client, authorizeURL, user string) (*url.URL, error) {
	return Login(ctx, client, authorizeURL, user)
}

func play(ctx context.Context, client *http.Client, authorizeURL, user, decision string) (*url.URL, error) {
	visitor, err := newVisitor(client, authorizeURL)
	if err != nil {
		return nil, fmt.Errorf("devidp: login: %w", err)
	}
	redirect, err := visitor.visit(ctx, authorizeURL, user, decision)
	if err != nil {
		return nil, fmt.Errorf("devidp: login as %q: %w", user, err)
	}
	return redirect, nil
}

// visitor is a browser for the pages of one server.
type visitor struct {
	client *http.Client
	// base is the address below which the server's pages are.
	base *url.URL
}

func newVisitor(client *http.Client, authorizeURL string) (*visitor, error) {
	authorize, err := url.Parse(authorizeURL)
	if err != nil {
		return nil, err
	}
	basePath, ok := strings.CutSuffix(authorize.Path, pathAuthorize)
	if !ok {
		return nil, errors.New("the address is not the authorization endpoint of a devidp")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	own := noredirect.Client(client)
	own.Jar = jar
	return &visitor{client: own, base: &url.URL{Scheme: authorize.Scheme, Host: authorize.Host, Path: basePath}}, nil
}

func (v *visitor) visit(ctx context.Context, authorizeURL, user, decision string) (*url.URL, error) {
	login, err := v.get(ctx, authorizeURL)
	if err != nil {
		return nil, err
	}
	if !v.isPage(login.next, pathLogin) {
		return login.next, login.expectNext()
	}
	if login, err = v.get(ctx, login.next.String()); err != nil {
		return nil, err
	}
	consent, err := v.post(ctx, pathLogin, login, fieldUser, user)
	if err != nil {
		return nil, err
	}
	if !v.isPage(consent.next, pathConsent) {
		return consent.next, consent.expectNext()
	}
	if consent, err = v.get(ctx, consent.next.String()); err != nil {
		return nil, err
	}
	done, err := v.post(ctx, pathConsent, consent, fieldDecision, decision)
	if err != nil {
		return nil, err
	}
	return done.next, done.expectNext()
}

func (v *visitor) isPage(u *url.URL, path string) bool {
	return u != nil && u.Host == v.base.Host && u.Path == v.base.Path+path
}

// answer is a page: where it leads, and what its form hides.
type answer struct {
	next              *url.URL
	transaction, form string
}

func (a answer) expectNext() error {
	if a.next == nil {
		return errors.New("the server's answer leads nowhere")
	}
	return nil
}

func (v *visitor) get(ctx context.Context, address string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	return v.send(request)
}

func (v *visitor) post(ctx context.Context, path string, from answer, field, value string) (answer, error) {
	fields := url.Values{fieldTransaction: {from.transaction}, fieldForm: {from.form}, field: {value}}
	address := v.base.JoinPath(path).String()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(fields.Encode()))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.send(request)
}

// maxPageBytes bounds a page of the server.
const maxPageBytes = 1 << 20

func (v *visitor) send(request *http.Request) (answer, error) {
	response, err := v.client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // its text has the whole address, state and challenge included
			err = wrapped.Err
		}
		return answer{}, fmt.Errorf("%s: %w", request.URL.Path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPageBytes))
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", request.URL.Path, err)
	}
	text := string(body)
	switch response.StatusCode {
	case http.StatusOK:
		return readPage(response, text)
	case http.StatusFound, http.StatusSeeOther:
		next, err := response.Location()
		return answer{next: next}, err
	default:
		return answer{}, fmt.Errorf("%s answered %s: %s", request.URL.Path, response.Status, pageMessage(text))
	}
}

var messagePattern = regexp.MustCompile(`<p id="message">([^<]*)</p>`)

func readPage(response *http.Response, text string) (answer, error) {
	hidden := pageform.Hidden(text)
	a := answer{transaction: hidden[fieldTransaction], form: hidden[fieldForm]}
	if target, ok := strings.CutPrefix(response.Header.Get("Refresh"), refreshPrefix); ok {
		next, err := url.Parse(target)
		if err != nil {
			return answer{}, errors.New("the page leads to a malformed address")
		}
		a.next = next
	}
	return a, nil
}

func pageMessage(text string) string {
	if match := messagePattern.FindStringSubmatch(text); match != nil {
		return html.UnescapeString(match[1])
	}
	return "no explanation"
}
