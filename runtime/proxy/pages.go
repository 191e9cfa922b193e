package proxy

import (
	"html/template"
	"slices"

	"github.com/latchkey-auth/latchkey/oauth"
)

// Page is what every page knows.
type Page struct {
	// Nonce is what the Content-Security-Policy allows style elements by.
	Nonce  string
	Server ServerInfo
	// Provider is the provider's name for people.
	Provider string
}

// ServerInfo is the server as pages show it.
type ServerInfo struct {
	Name string
	Host string
	// Logo is a data URL, empty without a logo.
	Logo template.URL
}

// ConsentPage asks the user. Its form posts to Action: the hidden field form with the value of
// Form, decision with the value allow or deny, and remember with any value if CanRemember is set
// and the user wants it.
type ConsentPage struct {
	Page

	Client   ClientInfo
	Redirect RedirectInfo
	// Resource is the URL of the endpoint that the client gets access to.
	Resource string
	// Scopes are all that the client asks for, those of each login among them.
	Scopes      []ScopeInfo
	Action      string
	Form        string
	CanRemember bool
}

// ClientInfo is a client as it describes itself. The name is unverified and must be shown as such.
type ClientInfo struct {
	// Name is empty where the client gave none.
	Name string
	// DocumentHost is the host of the client's metadata document, which vouches for the rest. It is
	// empty for clients that registered themselves, which anybody can do under any name.
	DocumentHost string
}

// RedirectInfo says where the user's answer goes.
type RedirectInfo struct {
	URI string
	// Host is the host of a web site, empty for applications on the user's device.
	Host string
	// Loopback and Scheme tell how an application on the user's device is reached: at a port of the
	// device, or by a URI scheme that any application there can claim.
	Loopback bool
	Scheme   string
}

// ScopeInfo is a scope with its meaning in words, where the server has any.
type ScopeInfo struct {
	Name, Words string
	// Login says that the scope is of those that each login at the provider asks for, such as
	// openid: the default page has them in one line.
	Login bool
}

// LoginScopes are the scopes of the page that each login asks for.
func (p *ConsentPage) LoginScopes() []ScopeInfo { return p.scopes(true) }

// OtherScopes are the other scopes of the page.
func (p *ConsentPage) OtherScopes() []ScopeInfo { return p.scopes(false) }

func (p *ConsentPage) scopes(login bool) []ScopeInfo {
	return slices.DeleteFunc(slices.Clone(p.Scopes), func(s ScopeInfo) bool { return s.Login != login })
}

// ContinuePage leads on. It exists since browsers apply a page's form-action policy to the
// redirects that follow its form, and hang on redirects to applications: a page that moves on by
// itself, with a link for when it does not, has neither problem.
type ContinuePage struct {
	Page

	// Kind is "login" on the way to the provider, "denied" and "done" on the way back to the
	// client.
	Kind string
	// Target was built by the server and checked; Host is its host, empty for an application that
	// is opened by scheme.
	Target template.URL
	Host   string
}

// ErrorPage says what went wrong and what to do.
type ErrorPage struct {
	Page

	Status      int
	Code        oauth.Code
	Description string
	// Return, where there is one, leads back to the client.
	Return *ReturnLink
}

// ReturnLink leads back to a client that asked for something impossible. The party that registered
// the client chose the site, so the user must see its Host and decide.
type ReturnLink struct {
	URL  template.URL
	Host string
}
