package clientshapes

import (
	"net/url"
	"strconv"
	"strings"
)

// Evidence says how something about a client became known.
type Evidence string

const (
	// Seen was looked at on the wire, in the shape's version.
	Seen Evidence = "seen"
	// Published stands in the client's source, or in what its maker writes about it.
	Published Evidence = "published"
	// Reported was told by others, mostly in reports about servers that the client could not log in
	// to.
	Reported Evidence = "reported"
)

// Part is a part of a shape.
type Part string

// The parts of a shape.
const (
	PartDocument     Part = "document"
	PartRegistration Part = "registration"
	PartRedirect     Part = "redirect"
	PartAuthorize    Part = "authorize"
	PartToken        Part = "token"
	PartHeader       Part = "header"
)

// Source says where parts of a shape are known from.
type Source struct {
	Parts    []Part
	Evidence Evidence
	// Where is the address of a page, or the occasion on which the client was looked at.
	Where string
}

// Param is a parameter of a request. A name may come more than once.
type Param struct{ Name, Value string }

// Header is a header field of the requests that the client itself makes to an authorization server.
type Header struct{ Name, Value string }

// Shape is what one client sends.
type Shape struct {
	// Name is one word for tests and commands, Title what people call the client.
	Name, Title string
	// Version is the one that was looked at. It is empty where the record is about no single one.
	Version string
	Sources []Source
	// Revision is the revision of MCP that the client offers first.
	Revision string

	// DocumentURL is the address of its client metadata document, which is its client_id where a
	// server announces such documents. It is empty for a client that has none.
	DocumentURL string
	// Document is what stands there.
	Document string
	// NeedsNone says that the client uses its document only where "none" is among the announced
	// methods of client authentication.
	NeedsNone bool
	// Signs is the algorithm of the client's assertions (RFC 7523). It is empty for a client that
	// makes none.
	Signs string

	// Registration is the body of its registration (RFC 7591). It is empty for a client that never
	// registers.
	Registration string

	// Redirects are the redirect URIs that it really asks to be sent to, the usual one first.
	Redirects []string
	// Authorize, Token and Refresh are the parameters of its authorization request, of the
	// redemption of a code, and of a refresh. One whose value comes out empty is not sent.
	Authorize, Token, Refresh []Param
	// AsksFirst says that the client itself sends the authorization request once, before it opens
	// the user's browser.
	AsksFirst bool
	// ScopesByHand says that the client asks only for the scopes that a person wrote down for it,
	// not for those that a server announces.
	ScopesByHand bool
	Headers      []Header
}

// Values are what differs from login to login. An empty one leaves out the parameters that consist
// of it alone.
type Values struct {
	// Port is the port of the listener on the user's machine.
	Port int
	// Redirect is the redirect URI of this login, with its port.
	Redirect string
	ClientID string
	// Secret is the one that its registration was answered with, empty for a public client.
	Secret string
	// Resource is the URL of the MCP server, and Scope what the client decided to ask for, in the
	// form of a request.
	Resource, Scope string
	// RegisteredScope is the scope that the answer to its registration named.
	RegisteredScope     string
	State               string
	Challenge, Verifier string
	Code, RefreshToken  string
	// Assertion is a signed assertion of the client's (RFC 7523 section 2.2), empty where it makes
	// none.
	Assertion string
}

// fill puts the values into a text with marks.
func (v Values) fill(text string) string {
	return strings.NewReplacer(
		"{port}", strconv.Itoa(v.Port), "{redirect_uri}", v.Redirect, "{client_id}", v.ClientID, "{resource}", v.Resource,
		"{scope}", v.Scope, "{registered_scope}", v.RegisteredScope, "{state}", v.State, "{code_challenge}", v.Challenge,
		"{code_verifier}", v.Verifier, "{code}", v.Code, "{refresh_token}", v.RefreshToken,
	).Replace(text)
}

// params returns filled parameters.
func (v Values) params(list []Param) url.Values {
	filled := url.Values{}
	for _, p := range list {
		if value := strings.TrimSpace(v.fill(p.Value)); value != "" {
			filled.Add(p.Name, value)
		}
	}
	return filled
}

// RegistrationBody returns the body of the client's registration.
func (s *Shape) RegistrationBody(v Values) string { return v.fill(s.Registration) }

// RedirectURIs returns the redirect URIs that the client uses, with the listener's port.
func (s *Shape) RedirectURIs(v Values) []string {
	filled := make([]string, len(s.Redirects))
	for i, redirect := range s.Redirects {
		filled[i] = v.fill(redirect)
	}
	return filled
}

// AuthorizeQuery returns the parameters of the client's authorization request.
func (s *Shape) AuthorizeQuery(v Values) url.Values { return v.params(s.Authorize) }

// TokenForm returns the form with which the client redeems a code.
func (s *Shape) TokenForm(v Values) url.Values { return v.signed(v.params(s.Token)) }

// RefreshForm returns the form of a refresh.
func (s *Shape) RefreshForm(v Values) url.Values { return v.signed(v.params(s.Refresh)) }

// AssertionType is the client_assertion_type of a JWT (RFC 7523 section 2.2).
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// signed adds the client's assertion or secret, where it has one.
func (v Values) signed(form url.Values) url.Values {
	if v.Secret != "" {
		form.Set("client_secret", v.Secret)
	}
	if v.Assertion != "" {
		form.Set("client_assertion_type", AssertionType)
		form.Set("client_assertion", v.Assertion)
	}
	return form
}

// All returns the shapes, in the order of their names.
func All() []Shape {
	return []Shape{
		chatGPT(), chatGPTConnector(), claude(), claudeCode(), codex(), codexPerServer(), copilotStudio(), cursor(), geminiCLI(),
		inspector(), libreChat(), mcpRemote(), mcpc(), mcporter(), openCode(), vsCode(), zed(),
	}
}
