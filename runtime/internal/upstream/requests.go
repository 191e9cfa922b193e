package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Timeout bounds one request to the provider, whatever the limits of [Config].HTTP are.
const Timeout = 20 * time.Second

// post posts a form as our application. Its errors name neither URL nor body.
func (c *Client) post(ctx context.Context, endpoint string, form url.Values) (*egress.Response, error) {
	p := c.provider
	if p.AuthMethod != facts.AuthBasic {
		form.Set("client_id", p.ClientID)
	}
	switch p.AuthMethod {
	case facts.AuthPost:
		form.Set("client_secret", p.ClientSecret.Reveal())
	case facts.AuthPrivateKeyJWT:
		assertion, err := c.clientAssertion()
		if err != nil {
			return nil, failure(KindUnavailable, err)
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	default:
	}
	req, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode())) //nolint:noctx // send adds it
	if err != nil {
		return nil, failure(KindUnusable, errors.New("the request cannot be made"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p.AuthMethod == facts.AuthBasic {
		req.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(p.ClientSecret.Reveal())) // RFC 6749 section 2.3.1
	}
	return c.send(ctx, req)
}

// send sends a request and reads the answer, of any status.
func (c *Client) send(ctx context.Context, req *http.Request) (*egress.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req.Header.Set("Accept", "application/json") // GitHub answers with a form otherwise
	resp, err := egress.Fetch(c.http, req.WithContext(ctx), maxAnswer)
	if err != nil {
		return nil, notSent(err)
	}
	return resp, nil
}
