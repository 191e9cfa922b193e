package relay

import (
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
)

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// outgoing is a request as it will be sent.
type outgoing struct {
	headers map[string]string
	body    string
	// invalidClient tells that the client's secret was not sealed by us, or for another server:
	// nothing is sent.
	invalidClient bool
}

// encode writes the body in the media type that the headers ask for: an object as a form or as
// JSON, a text as it is. Without a Content-Type, an object is JSON, and so is a text that reads as
// JSON.
func encode(asked order) (outgoing, error) {
	out := outgoing{headers: maps.Clone(asked.headers)}
	if out.headers == nil {
		out.headers = map[string]string{}
	}
	if asked.body == "" {
		return out, nil
	}
	text, isText := strictjson.Unquote(asked.body)
	mediaType, err := mediaTypeOf(out.headers["content-type"])
	switch {
	case err != nil:
		return outgoing{}, err
	case mediaType == "" && isText && !isJSON(text):
		mediaType = typeForm
	case mediaType == "":
		mediaType = typeJSON
	}
	out.headers["content-type"] = mediaType
	switch {
	case isText:
		out.body = text
	case mediaType == typeForm:
		out.body, err = formOf(asked.body)
	default:
		out.body = asked.body
	}
	return out, err
}

// mediaTypeOf reads a Content-Type: OAuth's endpoints take forms and JSON.
func mediaTypeOf(contentType string) (string, error) {
	if contentType == "" {
		return "", nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != typeForm && mediaType != typeJSON {
		return "", fail(http.StatusBadRequest, "The Content-Type must be "+typeForm+" or "+typeJSON, nil)
	}
	return mediaType, nil
}

func isJSON(text string) bool {
	_, err := strictjson.ParseObject(text, nil)
	return err == nil
}

// formOf writes an object as a form. Members that are null are left out.
func formOf(object string) (string, error) {
	members, err := strictjson.ParseObject(object, nil)
	if err != nil {
		return "", fail(http.StatusBadRequest, "body must be an object or a string", nil)
	}
	var form []parameter
	for _, member := range members {
		if member.Value == "null" {
			continue
		}
		value, ok := strictjson.Unquote(member.Value)
		if !ok {
			if strings.ContainsAny(member.Value[:1], "{[") {
				return "", fail(http.StatusBadRequest, "A form can hold text, numbers, true and false only", nil)
			}
			value = member.Value
		}
		form = append(form, parameter{member.Name, value})
	}
	return encodeForm(form), nil
}

// parameter is one field of a form.
type parameter struct{ name, value string }

// parseForm reads a form, each parameter at most once (RFC 6749 section 3.2).
func parseForm(text string) ([]parameter, error) {
	malformed := fail(http.StatusBadRequest, "The form must have well-formed parameters, each once", nil)
	var form []parameter
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || seen[name] {
			return nil, malformed
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, malformed
		}
		seen[name] = true
		form = append(form, parameter{name, value})
	}
	return form, nil
}

func encodeForm(form []parameter) string {
	var b strings.Builder
	for i, p := range form {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value))
	}
	return b.String()
}

func valueOf(form []parameter, name string) string {
	for _, p := range form {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// prepare turns an order into the request for an endpoint: registrations are JSON (RFC 7591 section
// 3.1), everything else is a form (RFC 6749 section 4.1.3, RFC 7009 section 2.1, RFC 7662 section
// 2.1).
func (r *Relay) prepare(req *http.Request, asked order, server *url.URL, to endpoint) (outgoing, error) {
	out, err := encode(asked)
	if err != nil {
		return outgoing{}, err
	}
	if to.kind == registration {
		out.body, err = r.registrationBody(req, out)
	} else {
		out, err = r.openCredentials(out, server, to.issuer)
	}
	if err != nil {
		return outgoing{}, err
	}
	return out, r.checkSize(out)
}

func (r *Relay) checkSize(out outgoing) error {
	if int64(len(out.body)) > r.config.MaxRequestBytes {
		return fail(http.StatusRequestEntityTooLarge, "The request body is too large", nil)
	}
	return nil
}
