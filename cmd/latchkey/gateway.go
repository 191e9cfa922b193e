package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/gateway"
	"github.com/latchkey-auth/latchkey/internal/secretenv"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// gatewayFlags say which MCP server is behind this one.
type gatewayFlags struct {
	Upstream           string   `placeholder:"URL" help:"Endpoint of your own MCP server (streamable HTTP), such as http://127.0.0.1:3000/mcp or unix:/run/server.sock:/mcp: verified callers reach it at --path. Without it this is a demonstration server."`
	Identity           string   `enum:"headers,none" default:"headers" help:"How the upstream learns who calls: by the headers X-Auth-Issuer, -Subject, -Email, -Name, -Client-Id, -Scopes and -Roles (headers), or not at all (none)."`
	UpstreamHeader     []string `sep:"none" placeholder:"NAME:VALUE" help:"Header that each request to the upstream has, such as 'X-Api-Key: env:NAME' for the value of a variable, or of the file that NAME_FILE names. Repeatable."`
	PassHeader         []string `sep:"none" placeholder:"NAME" help:"Further header of clients that reaches the upstream. Repeatable."`
	UpstreamCAFile     string   `name:"upstream-ca-file" placeholder:"FILE" help:"PEM file with certificate authorities to trust besides the system's when the upstream is reached."`
	UpstreamClientCert string   `placeholder:"FILE" help:"PEM file with the certificate that is shown to the upstream."`
	UpstreamClientKey  string   `placeholder:"FILE" help:"PEM file with that certificate's private key."`
}

// fits refuses flags of the demonstration server beside an upstream.
func (f *gatewayFlags) fits(toolScopes []string) error {
	if f.Upstream != "" && len(toolScopes) > 0 {
		return errors.New("--tool-scope is for the demonstration server, not for an --upstream with tools of its own")
	}
	return nil
}

// behind is what is behind the server: a gateway's upstream, or with nil the demonstration.
type behind struct{ gateway *gateway.Gateway }

// gateway makes the gateway, where there is an upstream.
func (f *gatewayFlags) gateway(env environment, log *slog.Logger, own ...string) (behind, error) {
	if f.Upstream == "" {
		for flag, given := range map[string]bool{
			"--identity none": f.Identity == string(gateway.IdentityNone), "--upstream-header": len(f.UpstreamHeader) > 0,
			"--pass-header": len(f.PassHeader) > 0, "--upstream-ca-file": f.UpstreamCAFile != "",
			"--upstream-client-cert": f.UpstreamClientCert != "", "--upstream-client-key": f.UpstreamClientKey != "",
		} {
			if given {
				return behind{}, fmt.Errorf("%s needs --upstream with the URL of your MCP server", flag)
			}
		}
		return behind{}, nil
	}
	if u, err := url.Parse(f.Upstream); err == nil && u.Host != "" {
		for _, address := range own {
			if _, host, isURL := strings.Cut(address, "://"); u.Host == address || isURL && u.Host == host {
				return behind{}, errors.New("--upstream is this server's own address: give the one of the server behind it")
			}
		}
	}
	headers, err := upstreamHeaders(f.UpstreamHeader, env.lookupEnv)
	if err != nil {
		return behind{}, err
	}
	keys, err := runtime.SealingKeys(env.lookupEnv)
	if err != nil {
		return behind{}, err
	}
	g, err := gateway.New(gateway.Config{
		Upstream: f.Upstream, Identity: gateway.Identity(f.Identity), Headers: headers, Pass: f.PassHeader,
		CAFile: f.UpstreamCAFile, ClientCert: f.UpstreamClientCert, ClientKey: f.UpstreamClientKey,
		SessionKeys: keys, Observer: observe.Slog(log),
	})
	return behind{g}, err
}

// variablePrefix begins a value that is in a variable: one in the arguments shows in every list of
// processes.
const variablePrefix = "env:"

func upstreamHeaders(list []string, lookupEnv func(string) (string, bool)) ([]gateway.Header, error) {
	var headers []gateway.Header
	for _, entry := range list {
		name, value, ok := strings.Cut(entry, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok {
			return nil, errors.New("--upstream-header must be NAME:VALUE, such as 'X-Api-Key: env:UPSTREAM_KEY'") // the entry may be a secret
		}
		if variable, in := strings.CutPrefix(value, variablePrefix); in {
			secret, _, err := secretenv.Lookup(lookupEnv, variable)
			switch {
			case err != nil:
				return nil, fmt.Errorf("--upstream-header %s: %w", name, err)
			case secret == "":
				return nil, fmt.Errorf("--upstream-header %s: neither %s nor %s is set", name, variable, variable+secretenv.FileSuffix)
			}
			value = secret
		}
		headers = append(headers, gateway.Header{Name: name, Value: oauth.Secret(value)})
	}
	return headers, nil
}

// endpoint is what answers at the MCP endpoint, nil for the demonstration.
func (b behind) endpoint() http.Handler {
	if b.gateway == nil {
		return nil
	}
	return b.gateway
}

// start says what is behind the server, in the form of the log, and looks after it until ctx ends.
func (b behind) start(ctx context.Context, env environment, log *slog.Logger, l server.Lifecycle) {
	if b.gateway == nil {
		if env.jsonLog {
			log.Info("this is the demonstration server: --upstream puts an MCP server behind it")
			return
		}
		_, _ = fmt.Fprintln(env.stderr, "latchkey: this is the demonstration server; --upstream URL puts your own MCP server behind it")
		return
	}
	b.announceUpstream(env, log)
	l.Ready.Set(gateway.Part, false)
	go b.gateway.Watch(ctx, l.Ready)
}

// announceUpstream says where requests go, where there is an upstream.
func (b behind) announceUpstream(env environment, log *slog.Logger) {
	switch {
	case b.gateway == nil:
	case env.jsonLog:
		log.Info("passing the requests of verified callers on", "upstream", b.gateway.Upstream())
	default:
		_, _ = fmt.Fprintf(env.stderr, "latchkey: passing the requests of verified callers on to %s\n", b.gateway.Upstream())
	}
}
