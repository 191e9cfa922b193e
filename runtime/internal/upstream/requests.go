package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// Timeout bounds one request to the provider, whatever the limits of [Config].HTTP are.
const Timeout = 20 * time.Second

// call is the gate's call for one kind of request.
type call func(req *http.Request, maxBytes int64) (*egress.Response, error)

// post posts a form as our application. Its errors name neither URL nor body.
func (c *Client) post(ctx context.Context, through call, endpoint string, form url.Values) (*egress.Response, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if err := c.auth.Add(header, form); err != nil {
		return nil, failure(KindUnusable, err)
	}
	req, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode())) //nolint:noctx // send adds it
	if err != nil {
		return nil, failure(KindUnusable, errors.New("the request cannot be made"))
	}
	req.Header = header
	resp, err := send(ctx, through, req)
	if err != nil {
		return nil, withoutEchoes(err, c.secrets(form, oauth.Claims{})...)
	}
	return resp, nil
}

// send sends a request and reads the answer, of any status. What an error quotes is not safe yet.
func send(ctx context.Context, through call, req *http.Request) (*egress.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req.Header.Set("Accept", "application/json") // GitHub answers with a form otherwise
	return through(req.WithContext(ctx), maxAnswer)
}
