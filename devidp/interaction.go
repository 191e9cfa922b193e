package devidp

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
)

// The fields of the pages' forms. [Login] fills them in too.
const (
	fieldTransaction = "transaction"
	fieldForm        = "form"
	fieldUser        = "user"
	fieldDecision    = "decision"

	decisionAllow = "allow"
	decisionDeny  = "deny"
)

// beginTransaction remembers the request and sends the browser to the login page. The cookie ties
// the transaction to this browser: a link to somebody else's login page is of no use (login
// fixation).
func (s *Server) beginTransaction(w http.ResponseWriter, r *http.Request, request authorizationRequest) {
	id, cookie := randomText(), randomText()
	s.state.addTransaction(id, transaction{
		request: request, cookie: sha256.Sum256([]byte(cookie)), form: randomText(),
	})
	http.SetCookie(w, s.transactionCookie(id, cookie, int(transactionLifetime.Seconds())))
	http.Redirect(w, r, s.pageURL(pathLogin, id), http.StatusSeeOther)
}

// transactionCookie has a name of its own per transaction, so that several can run in one browser,
// and servers on other ports, which share the cookies of a host, do not mix. Over plain http on
// loopback neither Secure nor __Host- is possible.
func (s *Server) transactionCookie(id, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure follows the issuer's scheme
		Name: "devidp_" + id[:16], Value: value, Path: s.path + "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.base, "https://"),
	}
}

func (s *Server) pageURL(path, transactionID string) string {
	return s.path + path + "?" + url.Values{fieldTransaction: {transactionID}}.Encode()
}

// visit is a request for a page of a transaction, from the transaction's browser.
type visit struct {
	transaction

	id string
	p  params.Params
}

// openVisit reads a page's request. A post must come from the page's own form.
func (s *Server) openVisit(r *http.Request) (visit, error) {
	if err := s.cross.Check(r); err != nil {
		return visit{}, &oauth.Error{
			Code: oauth.CodeAccessDenied, Status: http.StatusForbidden, Reason: oauth.ReasonForeignForm, Cause: err,
			Description: "This form was sent from another page",
		}
	}
	p, err := queryOrForm(r)
	if err != nil {
		return visit{}, err
	}
	expired := oauth.InvalidRequest("transaction",
		"This login has ended, or was begun in another browser. Go back to the application and start again")
	id := p.Get(fieldTransaction)
	t, ok := s.state.transaction(id)
	if !ok {
		return visit{}, expired
	}
	cookie, err := r.Cookie(s.transactionCookie(id, "", 0).Name)
	if err != nil {
		return visit{}, expired
	}
	digest := sha256.Sum256([]byte(cookie.Value))
	if subtle.ConstantTimeCompare(digest[:], t.cookie[:]) != 1 {
		return visit{}, expired
	}
	if r.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(p.Get(fieldForm)), []byte(t.form)) != 1 {
		return visit{}, oauth.InvalidRequest("form", "This form is not from the login page of this server")
	}
	return visit{id: id, transaction: t, p: p}, nil
}

// serveLogin is the page on which a user is picked.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	v, err := s.openVisit(r)
	switch {
	case err != nil:
		s.errorPage(w, r, err)
	case r.Method != http.MethodPost:
		s.loginPage(w, v)
	case v.p.Get(fieldDecision) == decisionDeny:
		s.finish(w, r, v, s.denied(r))
	default:
		user, ok := s.user(v.p.Get(fieldUser))
		if !ok || !s.state.logIn(v.id, user) {
			s.errorPage(w, r, oauth.InvalidRequest("user", "There is no such user"))
			return
		}
		http.Redirect(w, r, s.pageURL(pathConsent, v.id), http.StatusSeeOther)
	}
}

// user finds a user by name.
func (s *Server) user(name string) (User, bool) {
	for _, u := range s.config.Users {
		if u.Username == name {
			return u, true
		}
	}
	return User{}, false
}

// serveConsent is the page on which the user allows or denies what the client asks.
func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request) {
	v, err := s.openVisit(r)
	switch {
	case err != nil:
		s.errorPage(w, r, err)
	case v.user == nil:
		http.Redirect(w, r, s.pageURL(pathLogin, v.id), http.StatusSeeOther)
	case r.Method != http.MethodPost:
		s.consentPage(w, v)
	case v.p.Get(fieldDecision) == decisionAllow:
		s.finish(w, r, v, s.allowed)
	case v.p.Get(fieldDecision) == decisionDeny:
		s.finish(w, r, v, s.denied(r))
	default:
		s.errorPage(w, r, oauth.InvalidRequest("decision", "Choose Allow or Cancel"))
	}
}

// finish ends the transaction and takes the browser back to the client.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, v visit, respond func(transaction) url.Values) {
	t, ok := s.state.takeTransaction(v.id)
	if !ok { // the same form, sent twice at the same time
		s.errorPage(w, r, oauth.InvalidRequest("transaction", "This login has ended"))
		return
	}
	http.SetCookie(w, s.transactionCookie(v.id, "", -1))
	s.returnPage(w, t.request, s.responseURL(t.request, respond(t)))
}

func (s *Server) denied(r *http.Request) func(transaction) url.Values {
	return func(transaction) url.Values {
		e := &oauth.Error{
			Code: oauth.CodeAccessDenied, Status: http.StatusOK, Reason: oauth.ReasonConsentDenied, Description: "The user denied the request",
		}
		s.logRefusal(r, e)
		return url.Values{"error": {string(e.Code)}, "error_description": {e.Description}}
	}
}

func (s *Server) allowed(t transaction) url.Values {
	value := randomText()
	s.state.putCode(value, &code{
		redirectURI: t.request.redirectURI, challenge: t.request.challenge,
		grant: &grant{
			clientID: t.request.client.id, user: *t.user, scopes: t.request.scopes, resources: t.request.resources,
			nonce: t.request.nonce, authTime: s.config.Now(),
		},
	})
	return url.Values{"code": {value}}
}
