// Package demo plays an MCP client through the whole authorization flow, against the embedded
// identity provider, and prints what goes over the wire.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/dev"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// Options say how the demo prints.
type Options struct {
	Out    io.Writer
	Colour bool
}

// user is who logs in.
const user = "alice"

// Run plays the flow in both modes, each with servers of its own on free ports, and stops them. It
// fails unless every step holds.
func Run(ctx context.Context, options Options) error {
	say := &transcript{out: options.Out, colour: options.Colour}
	for _, part := range []struct {
		title string
		mode  oauth.Mode
		play  func(context.Context, *client, *dev.Pair) error
	}{
		{"latchkey demo", oauth.Direct, playDirect},
		{"The same in front of a provider that registers nobody", oauth.Proxy, playProxy},
	} {
		if err := run(ctx, say, part.title, part.mode, part.play); err != nil {
			say.fails(err)
			return fmt.Errorf("step %d does not hold: %w", say.steps, err)
		}
	}
	say.printf("\n%s\n", say.paint(green, fmt.Sprintf("All %d steps hold.", say.steps)))
	return nil
}

// run plays one part.
func run(ctx context.Context, say *transcript, title string, mode oauth.Mode, play func(context.Context, *client, *dev.Pair) error) error {
	pair, err := dev.Listen(ctx, dev.Config{
		Mode: mode, Addr: "127.0.0.1:0", IDPAddr: "127.0.0.1:0", Path: "/mcp", Version: "demo", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- pair.Run(ctx) }()

	say.part(title, pair)
	err = meet(ctx, say, pair, play)
	stop()
	if stopped := <-ended; err == nil && stopped != nil {
		err = fmt.Errorf("the servers did not stop cleanly: %w", stopped)
	}
	return err
}

// meet makes a client of the servers and lets it play.
func meet(ctx context.Context, say *transcript, pair *dev.Pair, play func(context.Context, *client, *dev.Pair) error) error {
	resource, err := url.Parse(pair.Resource)
	if err != nil {
		return err
	}
	issuer, err := url.Parse(pair.Issuer)
	if err != nil {
		return err
	}
	plain := egress.NewClient(egress.Policy{OperatorHosts: []string{resource.Host, issuer.Host}})
	defer plain.CloseIdleConnections()
	return play(ctx, &client{http: plain, say: say, mcp: resource}, pair)
}

// step is one step of a part.
type step struct {
	title string
	do    func(context.Context) error
}

func (c *client) play(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		c.say.step(s.title)
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// playDirect has the client register and log in at the provider.
func playDirect(ctx context.Context, c *client, _ *dev.Pair) error {
	c.login = func(ctx context.Context, authorize *url.URL) (*url.URL, error) {
		return devidp.Login(ctx, nil, authorize.String(), user) // a browser follows redirects, the client does not
	}
	return c.play(
		ctx,
		step{"Call the MCP server without a token", c.meetChallenge},
		step{"Read the protected resource metadata (RFC 9728)", c.readResource},
		step{"Discover the authorization server (RFC 8414)", c.discover},
		step{"Register a client (RFC 7591)", c.register},
		step{"Log in as " + user + ", consent, and redeem the code (OAuth 2.1, PKCE, RFC 8707)", c.logIn},
		step{"List the tools", c.listTools},
		step{"Call whoami", c.whoami},
		step{"Refresh the token, and call again", c.refreshAndCall},
		step{"Present a forged token", c.presentForged},
		step{"Present a token that was made for another server", c.presentForeign},
	)
}

func (c *client) logIn(ctx context.Context) error {
	tokens, err := c.authorize(ctx, c.resource.Resource)
	if err != nil {
		return err
	}
	if tokens.AccessToken == "" || tokens.RefreshToken == "" {
		return errors.New("the answer lacks a token")
	}
	c.tokens = tokens
	c.say.holdsf("tokens for %s", c.resource.Resource)
	return nil
}

func (c *client) listTools(ctx context.Context) error {
	if _, err := c.result(ctx, "initialize", initializeParams); err != nil {
		return err
	}
	result, err := c.result(ctx, "tools/list", map[string]any{})
	if err != nil {
		return err
	}
	var list struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(result, &list); err != nil {
		return err
	}
	names := make([]string, len(list.Tools))
	for i, tool := range list.Tools {
		names[i] = tool.Name
	}
	if len(names) == 0 {
		return errors.New("the server lists no tools")
	}
	c.say.holdsf("the server offers %s", strings.Join(names, " and "))
	return nil
}

func (c *client) whoami(ctx context.Context) error {
	result, err := c.result(ctx, "tools/call", map[string]any{"name": "whoami", "arguments": map[string]any{}})
	if err != nil {
		return err
	}
	var shown struct {
		Caller json.RawMessage `json:"structuredContent"`
	}
	var answer struct {
		Caller struct {
			User struct {
				Username string `json:"username"`
				Email    string `json:"email"`
			} `json:"user"`
			ClientID string `json:"client_id"`
		} `json:"structuredContent"`
	}
	if err := errors.Join(json.Unmarshal(result, &answer), json.Unmarshal(result, &shown)); err != nil {
		return err
	}
	c.say.details([]string{string(shown.Caller)})
	if answer.Caller.User.Username != user || answer.Caller.ClientID == "" || !c.sealed && answer.Caller.ClientID != c.registration.ClientID {
		return fmt.Errorf("the tool sees %q with client %q", answer.Caller.User.Username, answer.Caller.ClientID)
	}
	c.say.holdsf("the tool knows that %s <%s> is calling", user, answer.Caller.User.Email)
	return nil
}

func (c *client) refreshAndCall(ctx context.Context) error {
	tokens, err := c.refresh(ctx)
	if err != nil {
		return err
	}
	if tokens.RefreshToken == c.tokens.RefreshToken {
		return errors.New("the refresh token was not rotated (OAuth 2.1 section 4.3.1)")
	}
	c.tokens = tokens
	c.say.holdsf("the refresh token was rotated")
	return c.whoami(ctx)
}

func (c *client) presentForged(ctx context.Context) error {
	header, rest, _ := strings.Cut(c.tokens.AccessToken, ".")
	payload, _, _ := strings.Cut(rest, ".")
	if err := c.refused(ctx, header+"."+payload+"."+strings.Repeat("A", 86)); err != nil {
		return err
	}
	c.say.holdsf("401 invalid_token: the signature is not the provider's")
	return nil
}

func (c *client) presentForeign(ctx context.Context) error {
	foreign, err := c.authorize(ctx, "https://other.example.com/mcp")
	if err != nil {
		return err
	}
	if err := c.refused(ctx, foreign.AccessToken); err != nil {
		return err
	}
	c.say.holdsf("401 invalid_token: same provider, same user, but another audience")
	return nil
}
