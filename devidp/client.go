package devidp

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/latchkey-auth/latchkey/internal/redirecturi"
)

// The grants and client authentication methods on offer (RFC 7591 section 2).
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantMachine = "client_credentials"

	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
)

// clientKind says how the server came to know a client.
type clientKind int

const (
	presetClient   clientKind = iota // from the configuration
	dynamicClient                    // registered itself
	documentClient                   // described by a client ID metadata document
)

// client is a registered client. It is immutable.
type client struct {
	id        string
	name      string
	kind      clientKind
	redirects []string
	grants    []string
	methods   []string
	secret    [sha256.Size]byte // of a confidential client
}

func (c *client) confidential() bool { return !slices.Contains(c.methods, authNone) }

// clientRules are the parts of the configuration that decide about a client's metadata.
type clientRules struct {
	schemes []string
}

func (s *Server) clientRules() clientRules { return clientRules{schemes: s.config.RedirectSchemes} }

// AddClient registers a client, in place of one with the same ID.
func (s *Server) AddClient(c Client) error {
	built, err := c.build(s.clientRules())
	if err != nil {
		return fmt.Errorf("devidp: client %q: %w", c.ID, err)
	}
	if slices.Contains(built.grants, grantMachine) && slices.ContainsFunc(s.config.Users, func(u User) bool { return u.ID == c.ID }) {
		return fmt.Errorf("devidp: client %q: a user has this ID, and tokens of client_credentials would be taken for the user's", c.ID)
	}
	s.state.addPreset(built)
	return nil
}

func (c Client) build(rules clientRules) (*client, error) {
	switch {
	case c.ID == "" || !printable(c.ID):
		return nil, errors.New("needs an ID of printable characters")
	case slices.Contains(c.GrantTypes, grantMachine) && c.Secret == "":
		return nil, errors.New("needs a secret for client_credentials (RFC 6749 section 4.4)")
	case len(c.RedirectURIs) == 0 && !slices.Equal(c.GrantTypes, []string{grantMachine}):
		return nil, errors.New("needs a redirect URI")
	}
	for _, uri := range c.RedirectURIs {
		if _, err := redirecturi.Parse(uri, rules.schemes); err != nil {
			return nil, fmt.Errorf("redirect URI %q: %w", uri, err)
		}
	}
	built := &client{
		id: c.ID, name: cmp.Or(c.Name, c.ID), kind: presetClient,
		redirects: slices.Clone(c.RedirectURIs), grants: slices.Clone(c.GrantTypes),
		secret: sha256.Sum256([]byte(c.Secret.Reveal())),
	}
	if built.grants == nil {
		built.grants = []string{grantCode, grantRefresh}
	}
	switch {
	case c.Secret == "" && (c.AuthMethod == "" || c.AuthMethod == authNone):
		built.methods = []string{authNone}
	case c.Secret != "" && c.AuthMethod == "":
		built.methods = []string{authBasic, authPost}
	case c.Secret != "" && (c.AuthMethod == authBasic || c.AuthMethod == authPost):
		built.methods = []string{c.AuthMethod}
	default:
		return nil, fmt.Errorf("authentication method %q does not go with its secret: none for a client without one, "+
			"client_secret_basic or client_secret_post for one with", c.AuthMethod)
	}
	return built, nil
}

// registered reports whether a redirect URI is one of the client's.
func (c *client) registered(rules clientRules, uri string) bool {
	_, err := redirecturi.Parse(uri, rules.schemes)
	return err == nil && redirecturi.Registered(c.redirects, uri)
}

// printable reports whether a text can be shown in one line: no control characters, and none of the
// invisible ones that reorder or hide the others.
func printable(text string) bool {
	const maxLabelBytes = 256
	return len(text) <= maxLabelBytes && !strings.ContainsFunc(text, func(c rune) bool {
		return c == unicode.ReplacementChar || !unicode.IsPrint(c)
	})
}
