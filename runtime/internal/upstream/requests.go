package upstream

import (
	"context"
	"encoding/json"
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

// post posts a form, or the JSON object with its members, as our application. Its errors name
// neither URL nor body.
func (c *Client) post(ctx context.Context, through call, endpoint string, form url.Values) (*egress.Response, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if err := c.auth.Add(header, form); err != nil {
		return nil, failure(KindUnusable, err)
	}
	body := form.Encode()
	if c.provider.JSONBody {
		header.Set("Content-Type", "application/json")
		body = ObjectOf(form)
	}
	req, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(body)) //nolint:noctx // send adds it
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

// ObjectOf is a form, whose names stand there once, as a JSON object.
func ObjectOf(form url.Values) string {
	members := make(map[string]string, len(form))
	for name := range form {
		members[name] = form.Get(name)
	}
	object, err := json.Marshal(members)
	if err != nil {
		panic(err) // texts alone
	}
	return string(object)
}

// send sends a request and reads the answer, of any status. Text that an error quotes is not safe
// yet.
func send(ctx context.Context, through call, req *http.Request) (*egress.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req.Header.Set("Accept", "application/json") // GitHub answers with a form otherwise
	return through(req.WithContext(ctx), MaxAnswer)
}
