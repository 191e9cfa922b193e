package relay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/internal/strictjson"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// The headers that go through. All others stay here: those of the connection, cookies, and what a
// proxy in front of an upstream would believe.
var (
	requestHeaders  = []string{"accept", "authorization", "content-type", "dpop"}
	responseHeaders = []string{
		"cache-control", "content-type", "dpop-nonce", "expires", "pragma", "retry-after", "www-authenticate",
	}
)

// answer is what the browser gets of an upstream's answer.
type answer struct {
	Status     int               `json:"status"`
	StatusText string            `json:"statusText"`
	Headers    map[string]string `json:"headers"`
	Body       json.RawMessage   `json:"body"`
}

// proxy answers POST …/proxy.
func (r *Relay) proxy(w http.ResponseWriter, req *http.Request) (served, error) {
	asked, err := r.readOrder(w, req)
	if err != nil {
		return served{}, err
	}
	if r.config.InsecureAnyTarget && asked.serverURL == "" {
		return r.proxyAny(w, req, asked)
	}
	server, err := r.permittedServer(req, asked.serverURL)
	if err != nil {
		return served{}, err
	}
	target, err := r.parseURL("url", asked.url)
	if err != nil {
		return served{}, err
	}
	if asked.method != "" && asked.method != http.MethodPost {
		return served{}, fail(http.StatusMethodNotAllowed, "Only POST can be forwarded", nil)
	}
	to, err := r.boundEndpoint(req.Context(), server, target)
	if err != nil {
		return served{}, err
	}
	out, err := r.prepare(req, asked, server, to)
	if err != nil {
		return served{}, err
	}
	if out.invalidClient {
		httpanswer.JSON(w, http.StatusOK, invalidClient())
		return served{string(to.kind), target.Host, http.StatusUnauthorized}, nil
	}
	got, err := r.forward(req.Context(), http.MethodPost, to.url, out)
	if err != nil {
		return served{}, err
	}
	if to.kind == registration {
		if err := r.sealRegistration(&got, server, to.issuer); err != nil {
			return served{}, err
		}
	}
	httpanswer.JSON(w, http.StatusOK, got)
	return served{string(to.kind), target.Host, got.Status}, nil
}

// order is the request that a browser wants forwarded.
type order struct {
	serverURL, url, method string
	headers                map[string]string // safe ones only, names in lower case
	body                   string            // raw JSON; empty for none
}

// readOrder reads the body of a request to …/proxy.
func (r *Relay) readOrder(w http.ResponseWriter, req *http.Request) (order, error) {
	// A body of this type cannot be posted across origins without a preflight.
	if mediaType, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return order{}, fail(http.StatusBadRequest, "The Content-Type must be application/json", nil)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, r.config.MaxRequestBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return order{}, fail(http.StatusRequestEntityTooLarge, "The request body is too large", nil)
	} else if err != nil {
		return order{}, fail(http.StatusBadRequest, "The request body could not be read", err)
	}
	members, err := strictjson.ParseObject(string(body), nil)
	if err != nil {
		return order{}, fail(http.StatusBadRequest, "The request body is not a valid JSON object", err)
	}
	var asked order
	for _, member := range members {
		if member.Value == "null" {
			continue
		}
		switch member.Name {
		case "serverUrl":
			err = stringInto(&asked.serverURL, member)
		case "url":
			err = stringInto(&asked.url, member)
		case "method":
			err = stringInto(&asked.method, member)
		case "headers":
			asked.headers, err = safeHeaders(member.Value)
		case "body":
			asked.body = member.Value
		}
		if err != nil {
			return order{}, err
		}
	}
	asked.method = strings.ToUpper(asked.method)
	return asked, nil
}

func stringInto(field *string, member strictjson.Member) error {
	text, ok := strictjson.Unquote(member.Value)
	if !ok {
		return fail(http.StatusBadRequest, member.Name+" must be a string", nil)
	}
	*field = text
	return nil
}

// safeHeaders picks the headers that may be forwarded.
func safeHeaders(object string) (map[string]string, error) {
	members, err := strictjson.ParseObject(object, nil)
	if err != nil {
		return nil, fail(http.StatusBadRequest, "headers must be an object", err)
	}
	headers := map[string]string{}
	for _, member := range members {
		name := strings.ToLower(member.Name)
		if !slices.Contains(requestHeaders, name) {
			continue
		}
		value, ok := strictjson.Unquote(member.Value)
		_, repeated := headers[name]
		if !ok || repeated || !isFieldValue(value) {
			return nil, fail(http.StatusBadRequest, "The header "+name+" must be given once, as one line of text", nil)
		}
		headers[name] = value
	}
	return headers, nil
}

// isFieldValue reports whether text can be a header's value (RFC 9110 section 5.5) in ASCII.
func isFieldValue(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	return text == strings.TrimSpace(text)
}

// boundEndpoint finds the endpoint that target is, among those that the MCP server's authorization
// servers name.
func (r *Relay) boundEndpoint(ctx context.Context, server, target *url.URL) (endpoint, error) {
	var unreachable error
	for _, review := range []bool{false, true} {
		known, err := r.resourceOf(ctx, server, review)
		if errors.Is(err, errNoResourceMetadata) {
			return endpoint{}, notBound("endpoint", err)
		} else if err != nil {
			return endpoint{}, err
		}
		for _, issuer := range known.issuers {
			authorization, err := r.serverOf(ctx, issuer, review)
			if err != nil {
				unreachable = err
				continue
			}
			if to, ok := authorization.endpoints[canonical(target)]; ok {
				return to, nil
			}
		}
	}
	if unreachable != nil { // the target may be one of its endpoints: nobody can say
		return endpoint{}, upstreamFault(unreachable)
	}
	return endpoint{}, notBound("endpoint", nil)
}

// forward sends the request and reads the answer.
func (r *Relay) forward(ctx context.Context, method, address string, out outgoing) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(out.body)) //nolint:gosec // egress refuses forged requests
	if err != nil {
		return answer{}, fail(http.StatusBadRequest, "url is not a valid URL", err)
	}
	for name, value := range out.headers {
		req.Header.Set(name, value)
	}
	resp, err := egress.Fetch(r.client, req, r.config.MaxResponseBytes)
	if err != nil {
		return answer{}, err
	}
	got := answer{
		Status: resp.StatusCode, StatusText: http.StatusText(resp.StatusCode), Headers: map[string]string{},
		Body: bodyOf(resp),
	}
	for _, name := range responseHeaders {
		if values := resp.Header.Values(name); len(values) > 0 {
			got.Headers[name] = strings.Join(values, ", ")
		}
	}
	return got, nil
}

// bodyOf returns a JSON body as it is and any other as a JSON string.
func bodyOf(resp *egress.Response) json.RawMessage {
	if egress.IsJSON(resp.Header) && json.Valid(resp.Body) && utf8.Valid(resp.Body) {
		return resp.Body
	}
	text, err := json.Marshal(string(resp.Body))
	if err != nil { // a string always marshals
		return json.RawMessage(`""`)
	}
	return text
}

// proxyAny is the older, unbound shape.
func (r *Relay) proxyAny(w http.ResponseWriter, req *http.Request, asked order) (served, error) {
	target, err := r.permittedTarget(req, asked.url)
	if err != nil {
		return served{}, err
	}
	method := orDefault(asked.method, http.MethodGet)
	if method != http.MethodGet && method != http.MethodPost {
		return served{}, fail(http.StatusMethodNotAllowed, "Only GET and POST can be forwarded", nil)
	}
	out := outgoing{headers: asked.headers}
	if method == http.MethodPost {
		if out, err = encode(asked); err != nil {
			return served{}, err
		}
		if err := r.checkSize(out); err != nil {
			return served{}, err
		}
	}
	got, err := r.forward(req.Context(), method, target.String(), out)
	if err != nil {
		return served{}, err
	}
	httpanswer.JSON(w, http.StatusOK, got)
	return served{string(anyTarget), target.Host, got.Status}, nil
}
