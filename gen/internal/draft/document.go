// Package draft writes the first version of a spec from a provider's discovery document. Facts that
// the document lacks are marked in the draft, so that its author knows what to look up.
package draft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/spec"
	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// Document is what a draft reads of authorization server metadata (RFC 8414, OpenID Connect
// Discovery).
type Document struct {
	Issuer               string   `json:"issuer"`
	AccessTokenIssuer    string   `json:"access_token_issuer"` // AD FS, whose access tokens name another issuer than its metadata
	Authorization        string   `json:"authorization_endpoint"`
	Token                string   `json:"token_endpoint"`
	JWKS                 string   `json:"jwks_uri"`
	Registration         string   `json:"registration_endpoint"`
	UserInfo             string   `json:"userinfo_endpoint"`
	Introspection        string   `json:"introspection_endpoint"`
	Revocation           string   `json:"revocation_endpoint"`
	EndSession           string   `json:"end_session_endpoint"`
	Documentation        string   `json:"service_documentation"`
	Scopes               []string `json:"scopes_supported"`
	Claims               []string `json:"claims_supported"`
	Grants               []string `json:"grant_types_supported"`
	IDTokenAlgorithms    []string `json:"id_token_signing_alg_values_supported"`
	MetadataDocuments    bool     `json:"client_id_metadata_document_supported"`
	SubjectTypes         []string `json:"subject_types_supported"`
	AccessTokenSignature []string `json:"access_token_signing_alg_values_supported"`
	AuthMethods          []string `json:"token_endpoint_auth_methods_supported"`
	ChallengeMethods     []string `json:"code_challenge_methods_supported"`

	// LeftOut says which members are left out since they have another type than they should.
	LeftOut []string `json:"-"`
}

// registersNobody reports whether clients can only have a client id from a person: then this server
// stands in for the provider.
func (d *Document) registersNobody() bool { return d.Registration == "" && !d.MetadataDocuments }

// MaxSize bounds a document. Real ones have up to ten kilobytes.
const MaxSize = 1 << 20

// Read parses a document. Members of another type than they should have are left out. It fails
// where no spec could be made of the rest, with all that is wrong.
func Read(data []byte) (*Document, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("the discovery document is larger than %d bytes", MaxSize)
	}
	d, err := readMembers(bytes.TrimPrefix(data, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, member := range []struct{ name, value string }{
		{"issuer", d.Issuer}, {"authorization_endpoint", d.Authorization}, {"token_endpoint", d.Token}, {"jwks_uri", d.JWKS},
		{"registration_endpoint", d.Registration}, {"userinfo_endpoint", d.UserInfo},
		{"introspection_endpoint", d.Introspection}, {"revocation_endpoint", d.Revocation},
		{"end_session_endpoint", d.EndSession},
	} {
		if err := checkURL(member.name, member.value); err != nil {
			problems = append(problems, err)
		}
	}
	if i := d.AccessTokenIssuer; i != "" && (!spec.ValidIdentifier(i) || len(i) > maxURL || strings.ContainsAny(i, "{}\"\\")) {
		problems = append(problems, errors.New("access_token_issuer is no identifier that a template can hold"))
	}
	for name, value := range map[string]string{
		"issuer": d.Issuer, "authorization_endpoint": d.Authorization, "token_endpoint": d.Token,
	} {
		if value == "" {
			problems = append(problems, fmt.Errorf("the discovery document has no %s", name))
		}
	}
	if d.JWKS == "" {
		problems = append(problems, errors.New("the discovery document has no jwks_uri: this provider's access tokens are "+
			"opaque, and this version of the language describes signed JWTs"))
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if len(problems) > 0 {
		for _, member := range d.LeftOut {
			problems = append(problems, errors.New(member))
		}
	}
	return d, errors.Join(problems...)
}

// readMembers reads the members that a draft needs, each for itself.
func readMembers(data []byte) (*Document, error) {
	var members map[string]json.RawMessage
	var wrongType *json.UnmarshalTypeError
	switch err := json.Unmarshal(data, &members); {
	case errors.As(err, &wrongType):
		return nil, fmt.Errorf("the discovery document is no JSON object but %s", wrongType.Value)
	case err != nil:
		return nil, fmt.Errorf("the discovery document is no JSON object: %w", err)
	case members == nil:
		return nil, errors.New("the discovery document is no JSON object but null")
	}
	d := &Document{}
	document := reflect.ValueOf(d).Elem()
	for field, value := range document.Fields() {
		name := field.Tag.Get("json")
		text, given := members[name]
		if !given || name == "-" || json.Unmarshal(text, value.Addr().Interface()) == nil {
			continue
		}
		value.SetZero()
		must := map[reflect.Kind]string{reflect.String: "a text", reflect.Bool: "true or false", reflect.Slice: "a list of texts"}
		d.LeftOut = append(d.LeftOut, fmt.Sprintf("%s is left out: it is %s, not %s", name, jsonKind(text), must[value.Kind()]))
	}
	return d, nil
}

// jsonKind calls a JSON value what it is.
func jsonKind(text json.RawMessage) string {
	switch text[0] {
	case '{':
		return "an object"
	case '[':
		return "a list with something else in it"
	case '"':
		return "a text"
	case 't', 'f':
		return "true or false"
	default:
		return "a number"
	}
}

// checkURL accepts an absent URL, and an https one that a template can hold.
func checkURL(name, value string) error {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || !spec.ValidHost(u.Host) || u.User != nil:
		return fmt.Errorf("%s is no URL", name)
	case !spec.Protected(u):
		return fmt.Errorf("%s must use https: keys and tokens would travel unprotected", name)
	case strings.Contains(value, "#") || strings.ContainsAny(value, " \\\"<>^`{|}\t\r\n") || strings.ContainsFunc(value, func(r rune) bool { return r < '!' || r > '~' }):
		return fmt.Errorf("%s has characters that a provider's URL does not have", name)
	case len(value) > maxURL:
		return fmt.Errorf("%s is longer than %d characters", name, maxURL)
	case name == "issuer" && (u.RawQuery != "" || u.ForceQuery):
		return errors.New("issuer has a query (RFC 8414 section 2)")
	}
	if plainurl.HasDotSegment(u) {
		return fmt.Errorf("%s has dot segments", name)
	}
	return nil
}

// maxURL bounds the URLs of a document.
const maxURL = 500

// origin is scheme and host of a URL.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
