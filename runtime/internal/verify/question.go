package verify

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// request is the question about a token. The error is an [*oauth.Error] where the token is none
// that this endpoint can be asked about.
func (e *endpoint) request(ctx context.Context, token string) (*http.Request, error) {
	header := http.Header{"Accept": {"application/json"}}
	for name, value := range e.header {
		header.Set(name, value)
	}
	members := make(url.Values, len(e.extra)+4)
	maps.Copy(members, e.extra)
	members.Set(e.parameter, token)
	if err := e.auth.Add(header, members); err != nil {
		return nil, err
	}
	method, address, body, err := e.put(token, header, members)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = header
	return request, nil
}

// put puts the token where the endpoint wants it.
func (e *endpoint) put(token string, header http.Header, members url.Values) (method, address, body string, err error) {
	method, address = http.MethodPost, e.url
	switch e.place {
	case facts.TokenInHeader:
		header.Set("Authorization", cmp.Or(e.asking.Scheme, "Bearer")+" "+token)
		switch {
		case e.asking.GraphQL != "":
			header.Set("Content-Type", "application/json")
			body = upstream.ObjectOf(url.Values{"query": {e.asking.GraphQL}})
		case !e.asking.Post:
			method = http.MethodGet
		}
	case facts.TokenInQuery:
		method = http.MethodGet
		address, err = withToken(e.url, e.parameter, token)
	case facts.TokenInPath:
		method = http.MethodGet
		address, err = e.addressOf(token)
	case facts.TokenInForm:
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		body = members.Encode()
	case facts.TokenInJSON:
		header.Set("Content-Type", "application/json")
		body = upstream.ObjectOf(members)
	}
	return method, address, body, err
}

// withToken is a URL with the token in its query, beside what it has.
func withToken(address, parameter, token string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	query := u.Query()
	query.Set(parameter, token)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// addressOf is the endpoint's URL with a token in its path. A token that somebody on the way could
// read as a step up in the path is refused: another endpoint would answer.
func (e *endpoint) addressOf(token string) (string, error) {
	address := strings.Replace(e.url, facts.TokenPlaceholder, url.PathEscape(token), 1)
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	if plainurl.HasDotSegment(u) {
		return "", refuse(oauth.ReasonMalformedToken, "the token is a step up in the path of a URL, which no token is", "")
	}
	return address, nil
}

// checkPlaceholder makes sure that the token has its place in the path, and nowhere else.
func (e *endpoint) checkPlaceholder() error {
	u, err := url.Parse(e.url)
	if err != nil {
		return err
	}
	times := strings.Count(e.url, facts.TokenPlaceholder)
	segment := slices.Contains(strings.Split(u.Path, "/"), facts.TokenPlaceholder)
	switch {
	case e.place == facts.TokenInPath && (times != 1 || !segment):
		return errors.New("the URL must have " + facts.TokenPlaceholder + " once, as a segment of its path: the token stands there")
	case e.place != facts.TokenInPath && times > 0:
		return errors.New("the URL must not have " + facts.TokenPlaceholder + ": the token travels in another way")
	}
	return nil
}
