package devidp

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// parameters are the parameters of one request, each of them there at most once but for resource
// (RFC 6749 section 3.1, RFC 8707 section 2).
type parameters struct{ values url.Values }

func (p parameters) get(name string) string { return p.values.Get(name) }

// maxResources bounds how many resources one request may name.
const maxResources = 8

// resources returns the resource parameters without repetitions.
func (p parameters) resources() []string {
	resources := slices.DeleteFunc(slices.Clone(p.values["resource"]), func(r string) bool { return r == "" })
	slices.Sort(resources)
	return slices.Compact(resources)
}

// maxQueryBytes bounds the query of an authorization request.
const maxQueryBytes = 16 << 10

// queryOrForm reads the parameters of an endpoint that takes GET and POST (OpenID Connect Core
// section 3.1.2.1).
func queryOrForm(r *http.Request) (parameters, error) {
	if r.Method == http.MethodPost {
		return form(r)
	}
	if len(r.URL.RawQuery) > maxQueryBytes {
		return parameters{}, oauth.InvalidRequest("query_too_large", "The request is too long")
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return parameters{}, oauth.InvalidRequest("malformed_query", "The query is not well-formed")
	}
	return checkParameters(values)
}

// form reads the parameters of a body. Those in the query do not count: secrets do not belong there
// (RFC 6749 section 2.3.1).
func form(r *http.Request) (parameters, error) {
	contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(contentType), "application/x-www-form-urlencoded") {
		return parameters{}, oauth.InvalidRequest("content_type", "The body must be application/x-www-form-urlencoded")
	}
	if err := r.ParseForm(); err != nil {
		return parameters{}, oauth.InvalidRequest("malformed_body", "The body is too large or not well-formed")
	}
	return checkParameters(r.PostForm)
}

func checkParameters(values url.Values) (parameters, error) {
	for name, list := range values {
		if len(list) > 1 && name != "resource" || len(list) > maxResources {
			return parameters{}, oauth.InvalidRequest("duplicate_parameter", "A parameter is there more than once")
		}
		for _, text := range append(list, name) {
			if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
				return parameters{}, oauth.InvalidRequest("control_character", "A parameter has control characters")
			}
		}
	}
	return parameters{values}, nil
}

// quoted shows a word of a client's in an error description: short, and without what RFC 6749
// section 5.2 does not allow there.
func quoted(word string) string {
	const most = 40
	word = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return -1
		}
		return c
	}, word)
	return "'" + word[:min(len(word), most)] + "'"
}
