package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// address is where the upstream listens.
type address struct {
	url    *url.URL // of each request
	socket string   // the path of a unix socket, empty for the network
}

const addressForms = "an http or https URL such as http://127.0.0.1:3000/mcp, or unix:/run/server.sock:/mcp"

// parseAddress reads an address as operators write it.
func parseAddress(text string) (address, error) {
	socket := ""
	if rest, ok := strings.CutPrefix(text, "unix:"); ok {
		var path string
		if socket, path, ok = strings.Cut(rest, ":"); !ok || !filepath.IsAbs(socket) || !strings.HasPrefix(path, "/") {
			return address{}, errors.New("--upstream of a unix socket must be unix:SOCKET:PATH with the MCP endpoint's path, such as unix:/run/server.sock:/mcp")
		}
		text = "http://localhost" + path
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // the error would repeat the text, which may hold a password
		return address{}, errors.New("--upstream is no URL: it must be " + addressForms)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return address{}, errors.New("--upstream must be " + addressForms)
	case !plainurl.Bare(text, u):
		return address{}, errors.New("--upstream must have no user information and no fragment: credentials belong into --upstream-header")
	case plainurl.HasDotSegment(u):
		return address{}, fmt.Errorf("--upstream has a path that servers read in two ways: %s", u.EscapedPath())
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return address{url: u, socket: socket}, nil
}

// exposed reports whether strangers may be between the gateway and the upstream.
func (a address) exposed() bool {
	return a.socket == "" && a.url.Scheme == "http" && !plainurl.IsLoopbackHost(a.url.Hostname())
}

// shown is the address for logs: its query may hold a key.
func (a address) shown() string {
	if a.socket != "" {
		return "unix:" + a.socket + ":" + a.url.EscapedPath()
	}
	return a.url.Scheme + "://" + a.url.Host + a.url.EscapedPath()
}

// target is the address to connect to, for [net.Dialer].
func (a address) target() (network, to string) {
	if a.socket != "" {
		return "unix", a.socket
	}
	port := a.url.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[a.url.Scheme]
	}
	return "tcp", net.JoinHostPort(a.url.Hostname(), port)
}
