package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/browser"
	"github.com/latchkey-auth/latchkey/internal/dev"
)

// proxied is a client whose authorization server is the MCP server itself, in front of a provider.
type proxied struct {
	*client

	issuer  string
	browser *browser.Browser

	request  attempt
	loginAt  *url.URL // at the provider
	callback *url.URL // with which the provider's login ended
	code     string
}

// playProxy has the client register at the MCP server, which stands between it and the provider.
func playProxy(ctx context.Context, c *client, pair *dev.Pair) error {
	own, err := browser.New(nil) // the client's own connection refuses redirects
	if err != nil {
		return err
	}
	c.sealed = true
	p := &proxied{client: c, issuer: pair.Issuer, browser: own}
	return c.play(
		ctx,
		step{"Call the MCP server without a token", c.meetChallenge},
		step{"Read the protected resource metadata: the MCP server is its own authorization server", p.readOwn},
		step{"Discover it (RFC 8414)", c.discover},
		step{"Register at the MCP server, which stores nothing (RFC 7591)", c.register},
		step{"The MCP server asks the user, before the provider hears of anything", p.consent},
		step{"Log in as " + user + " at the provider, which knows the MCP server alone", p.logIn},
		step{"Return to the MCP server's callback, and from there to the client", p.returnToClient},
		step{"Redeem the code at the MCP server", p.redeemIt},
		step{"Call whoami", c.whoami},
		step{"Refresh the token, and call again", c.refreshAndCall},
		step{"Ask for a redirect to a URI that is not registered", p.askElsewhere},
		step{"Open the callback in another browser", p.fixateLogin},
	)
}

func (p *proxied) readOwn(ctx context.Context) error {
	if err := p.readResource(ctx); err != nil {
		return err
	}
	if !slices.Equal(p.resource.AuthorizationServers, []string{p.mcp.String()}) {
		return errors.New("the MCP server does not name itself")
	}
	return nil
}

// consent looks at the page that asks the user, and allows.
func (p *proxied) consent(ctx context.Context) error {
	var err error
	if p.request, err = p.attempt(p.resource.Resource, redirectURI); err != nil {
		return err
	}
	page, err := p.open(ctx, p.request.url)
	if err != nil {
		return err
	}
	for _, want := range []string{"latchkey demo", redirectURI, "An application on this device"} {
		if !strings.Contains(page.Body, want) {
			return fmt.Errorf("the consent page does not show %q", want)
		}
	}
	p.say.holdsf("the page names the client, its redirect, and warns that any application on the device could be waiting")
	if page, err = p.browser.Answer(ctx, page, browser.Allow); err != nil {
		return err
	}
	if p.loginAt = page.Next; p.loginAt == nil || !strings.HasPrefix(p.loginAt.String(), p.issuer+"/") {
		return errors.New("the answer does not lead to the provider")
	}
	p.say.sent("browser allows, and is led to", p.loginAt)
	query := p.loginAt.Query()
	if query.Get("client_id") == p.registration.ClientID || query.Get("code_challenge") == p.request.url.Query().Get("code_challenge") ||
		query.Get("state") == p.request.state {
		return errors.New("the provider gets what the client sent")
	}
	p.say.holdsf("client, state and PKCE towards the provider are the MCP server's own")
	return nil
}

// open opens a page and shows that.
func (p *proxied) open(ctx context.Context, address *url.URL) (*browser.Page, error) {
	p.say.sent("browser opens", address)
	page, err := p.browser.Open(ctx, address)
	if err == nil {
		p.say.received(answer{Status: page.Status})
	}
	return page, err
}

func (p *proxied) logIn(ctx context.Context) error {
	var err error
	if p.callback, err = devidp.Login(ctx, nil, p.loginAt.String(), user); err != nil {
		return err
	}
	if p.callback.Query().Get("code") == "" || !strings.HasPrefix(p.callback.String(), p.mcp.String()+"/oauth/callback?") {
		return errors.New("the provider does not return to the callback of the MCP server")
	}
	p.say.holdsf("%s logged in, and the provider returns to the one redirect URI that it knows", user)
	return nil
}

func (p *proxied) returnToClient(ctx context.Context) error {
	page, err := p.open(ctx, p.callback)
	if err != nil {
		return err
	}
	if page.Next == nil {
		return fmt.Errorf("the callback answered %s", page.Status)
	}
	if p.code, err = p.codeOf(p.request, page.Next); err != nil {
		return err
	}
	if p.code == p.callback.Query().Get("code") {
		return errors.New("the client gets the provider's own code")
	}
	p.say.holdsf("the code is the MCP server's own; state and iss are the client's and the server's")
	return nil
}

func (p *proxied) redeemIt(ctx context.Context) error {
	tokens, err := p.redeemCode(ctx, p.request, p.code)
	if err != nil {
		return err
	}
	if tokens.AccessToken == "" || tokens.RefreshToken == "" {
		return errors.New("the answer lacks a token")
	}
	p.tokens = tokens
	p.say.holdsf("tokens for %s, with the provider's sealed inside", p.resource.Resource)
	return nil
}

// askElsewhere sends a request whose redirect is another than the registered one.
func (p *proxied) askElsewhere(ctx context.Context) error {
	a, err := p.attempt(p.resource.Resource, "https://attacker.example/callback")
	if err != nil {
		return err
	}
	page, err := p.open(ctx, a.url)
	if err != nil {
		return err
	}
	if page.StatusCode != http.StatusBadRequest || page.Next != nil {
		return fmt.Errorf("answered %s, want 400 and a page that stays", page.Status)
	}
	p.say.holdsf("400, and the browser is led nowhere")
	return nil
}

// fixateLogin plays an attacker who gets the user to open the end of the attacker's own login.
func (p *proxied) fixateLogin(ctx context.Context) error {
	a, err := p.attempt(p.resource.Resource, redirectURI)
	if err != nil {
		return err
	}
	login, err := p.browser.Consent(ctx, a.url)
	if err != nil {
		return err
	}
	callback, err := devidp.Login(ctx, nil, login.String(), "bob")
	if err != nil {
		return err
	}
	victim, err := browser.New(nil)
	if err != nil {
		return err
	}
	p.say.sent("another browser opens", callback)
	page, err := victim.Open(ctx, callback)
	if err != nil {
		return err
	}
	p.say.received(answer{Status: page.Status})
	if page.StatusCode != http.StatusBadRequest || page.Next != nil {
		return fmt.Errorf("answered %s, want 400 and a page that stays", page.Status)
	}
	p.say.holdsf("400: only the browser whose user consented has the cookie of the login")
	return nil
}
