package runtime

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/secretenv"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Field is what a spec says of one configuration field.
type Field struct {
	// Name is the field in the spec's spelling: "serverUrl".
	Name string
	// Env is the variable that sets the field when the caller does not.
	Env string
	// Default is the value when neither does.
	Default string
	// Required makes a missing value an error.
	Required bool
	// Missing replaces the usual sentence about a missing required field.
	Missing string
	// Example is shown when a value cannot be read.
	Example string
	// KeepSlash leaves trailing slashes of a URL alone; usually they are cut.
	KeepSlash bool
	// MinLength is the least number of bytes of a secret.
	MinLength int
	// Pattern is a regular expression (package regexp) that the whole value must match, Not one
	// that it must not match; Must says so in words: "a GUID".
	Pattern string
	Not     string
	Must    string
}

// Inputs resolves a provider's configuration: the caller's value, then the variable, then the
// default. An empty value counts as unset, white space around a value is dropped. It collects every
// problem, so that [Inputs.Err] reports them at once, and remembers which hosts the operator wrote:
// only those may have loopback or private addresses.
type Inputs struct {
	title    string
	options  options
	problems []error
	hosts    []string
}

// NewInputs starts resolving the configuration of the provider with the given title.
func NewInputs(title string, opts ...Option) *Inputs {
	return &Inputs{title: title, options: newOptions(opts)}
}

// Err returns all problems found so far, each an [*oauth.ConfigError], or nil.
func (in *Inputs) Err() error { return errors.Join(in.problems...) }

// String resolves a text.
func (in *Inputs) String(value string, field Field) string { return in.resolve(value, field) }

// Secret resolves a secret. Where the variable is not set, the one of the same name with _FILE at
// its end names a file with the secret, whose one trailing line break is dropped. Both set are an
// error.
func (in *Inputs) Secret(value oauth.Secret, field Field) oauth.Secret {
	if strings.TrimSpace(value.Reveal()) == "" && field.Env != "" {
		fromEnv, source, err := secretenv.Lookup(in.options.lookupEnv, field.Env)
		if err != nil {
			in.add(field, fmt.Sprintf("%s %s: %v.", in.title, field.Name, err))
			return ""
		}
		value, field.Env = oauth.Secret(fromEnv), source
		in.options.variables[oauth.Secret(strings.TrimSpace(fromEnv))] = source
	}
	secret := in.resolve(value.Reveal(), field)
	if secret != "" && len(secret) < field.MinLength {
		in.problemf(field, "must be at least %d bytes long", field.MinLength)
	}
	return oauth.Secret(secret)
}

// List resolves a list; in a variable the entries are separated by commas or spaces.
func (in *Inputs) List(value []string, field Field) []string {
	if len(value) > 0 {
		return value
	}
	return strings.FieldsFunc(in.resolve("", field), func(r rune) bool { return r == ',' || r == ' ' })
}

// Parameters resolves request parameters; in a variable they are written as in a query:
// prompt=consent&audience=api.
func (in *Inputs) Parameters(value map[string]string, field Field) map[string]string {
	if len(value) > 0 {
		return value
	}
	query, err := url.ParseQuery(in.resolve("", field))
	resolved := make(map[string]string, len(query))
	for name, values := range query {
		if len(values) != 1 || name == "" {
			err = errors.New("twice")
		}
		resolved[name] = values[0]
	}
	if err != nil {
		in.problemf(field, "must be parameters as in a query, each once, such as prompt=consent&audience=api")
		return nil
	}
	return resolved
}

// Requirements resolves claims that tokens must have, each alone or as claim=value; in a variable
// they are separated by commas or spaces. Of several values of one claim a token must have one.
func (in *Inputs) Requirements(value []string, field Field) []facts.Requirement {
	var required []facts.Requirement
	for _, entry := range in.List(value, field) {
		claim, wanted, valued := strings.Cut(entry, "=")
		if claim == "" || valued && wanted == "" {
			in.problemf(field, "must be claims, each alone or as claim=value, such as groups=staff")
			return nil
		}
		at := slices.IndexFunc(required, func(r facts.Requirement) bool { return r.Claim == claim })
		if at < 0 {
			required = append(required, facts.Requirement{Claim: claim})
			at = len(required) - 1
		}
		if valued {
			required[at].AnyOf = append(required[at].AnyOf, wanted)
		}
	}
	return required
}

// URL resolves an absolute URL without credentials, query and fragment: https, or http for a
// loopback host or one of [InsecureHTTPHost]. A missing scheme is added: http for a loopback host,
// else https.
func (in *Inputs) URL(value string, field Field) string {
	text := in.address(value, field, false)
	if field.KeepSlash {
		return text
	}
	return strings.TrimRight(text, "/")
}

// Endpoint resolves the URL of an endpoint as [Inputs.URL] does, but keeps it as it was written,
// with its query (RFC 6749 sections 3.1 and 3.2).
func (in *Inputs) Endpoint(value string, field Field) string { return in.address(value, field, true) }

// Identifier resolves an issuer that is compared byte for byte and never fetched from: any
// StringOrURI (RFC 7519 section 2). That is a URI, which may be http or a URN, or a text without a
// colon.
func (in *Inputs) Identifier(value string, field Field) string {
	text := in.resolve(value, field)
	u, err := url.Parse(text)
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }),
		strings.Contains(text, ":") && (err != nil || u.Scheme == "" || u.User != nil):
		in.problemf(field, "must be a URI, or a text without white space%s", field.example())
		return ""
	case strings.Contains(text, wellKnown):
		in.problemf(field, "must be the issuer itself, not the address of its metadata%s", field.example())
		return ""
	}
	return text
}

// wellKnown begins the paths of metadata (RFC 8615). People copy their addresses in place of the
// issuer's.
const wellKnown = "/.well-known/"

// address resolves a URL with or without a query.
func (in *Inputs) address(value string, field Field, endpoint bool) string {
	text := in.resolve(value, field)
	if text == "" {
		return ""
	}
	if !strings.Contains(text, "://") {
		scheme := "https://"
		if host, _, _ := strings.Cut(text, "/"); plainurl.IsLoopbackHost(plainurl.HostOf(host)) {
			scheme = "http://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || !isReachable(u):
		in.problemf(field, "must be a URL%s", field.example())
		return ""
	case endpoint && (u.User != nil || strings.Contains(text, "#")):
		in.problemf(field, "must be a URL without credentials and fragment%s", field.example())
		return ""
	case !endpoint && (u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#")):
		in.problemf(field, "must be a URL without credentials, query and fragment%s", field.example())
		return ""
	case !endpoint && strings.Contains(u.Path, wellKnown):
		in.problemf(field, "must be the URL that stands before %s, not the address of metadata or keys%s", wellKnown, field.example())
		return ""
	case u.Scheme == "http" && !in.options.network.plainHTTP.Allow(u):
		in.problemf(field, "must use https; plain http is accepted for loopback hosts only, since tokens and keys would travel "+
			"unprotected (InsecureHTTPHost and --insecure-http-host name other hosts)")
		return ""
	case u.Scheme != "http" && u.Scheme != "https":
		in.problemf(field, "must be an https URL%s", field.example())
		return ""
	}
	in.hosts = append(in.hosts, u.Host)
	return text
}

// hostPattern is a DNS name or IPv4 address in its usual spelling. Underscores occur in private
// networks.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// isReachable reports whether the outbound client can use a URL's host: a name or address in its
// usual spelling, and a port that exists. Found here, a mistake is reported at start instead of as
// an outage.
func isReachable(u *url.URL) bool {
	isIPv6 := strings.HasPrefix(u.Host, "[") && strings.Contains(u.Hostname(), ":")
	return (isIPv6 || hostPattern.MatchString(u.Hostname())) && !strings.HasSuffix(u.Host, ":") &&
		egress.Policy{OperatorHosts: []string{u.Host}}.Validate() == nil
}

// Host resolves a host name, with a port where one is given. An https scheme and trailing slashes
// are dropped; a path is an error, since it would be lost.
func (in *Inputs) Host(value string, field Field) string {
	text := in.resolve(value, field)
	if text == "" {
		return ""
	}
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if !strings.EqualFold(scheme, "https") {
			in.problemf(field, "must be a host reached by https, not by %s%s", scheme, field.example())
			return ""
		}
		text = rest
	}
	text = strings.TrimRight(text, "/")
	u, err := url.Parse("https://" + text)
	if err != nil || u.Host != text || !isReachable(u) {
		in.problemf(field, "must be a host without path%s", field.example())
		return ""
	}
	in.hosts = append(in.hosts, text)
	return text
}

// Segment resolves one path segment and returns it escaped for a URL's path.
func (in *Inputs) Segment(value string, field Field) string {
	text := in.resolve(value, field)
	if strings.ContainsAny(text, "/?#\\%") || text == "." || text == ".." {
		in.problemf(field, "must not contain / ? # %% or a backslash%s", field.example())
		return ""
	}
	return url.PathEscape(text)
}

// Label resolves one DNS label, as in a hosted provider's tenant name.
func (in *Inputs) Label(value string, field Field) string {
	text := in.resolve(value, field)
	if text != "" && !labelPattern.MatchString(text) {
		in.problemf(field, "must consist of letters, digits and hyphens%s", field.example())
		return ""
	}
	return text
}

var labelPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// overrideEndpoints puts the URLs of [WithEndpoint] in place, and returns where the metadata is, if
// one says so.
func (in *Inputs) overrideEndpoints(d *Definition) (discovery string, err error) {
	endpoints := byName(&d.Endpoints)
	endpoints["discovery"] = &discovery
	for _, name := range slices.Sorted(maps.Keys(in.options.endpoints)) {
		field := Field{Name: "endpoint " + name, Required: true}
		endpoint, ok := endpoints[name]
		if !ok {
			in.problemf(field, "is not known; the endpoints are %s", strings.Join(slices.Sorted(maps.Keys(endpoints)), ", "))
			continue
		}
		*endpoint = in.Endpoint(in.options.endpoints[name], field)
		if inPath := d.TokenInfo != nil && d.TokenInfo.Place == facts.TokenInPath; inPath && name == "tokeninfo" &&
			!strings.Contains(*endpoint, "/"+facts.TokenPlaceholder) {
			in.problemf(field, "must have %s where the token stands in its path, such as https://gateway.example.com/tokens/%[1]s",
				facts.TokenPlaceholder)
		}
	}
	return discovery, in.Err()
}

// Require reports a required field that has no variable and is no text: a function.
func (in *Inputs) Require(set bool, field Field) {
	if !set {
		in.missing(field)
	}
}

// RequireOneOf reports message, as of the first field, unless at least one of the resolved values
// is set. The fields are those of the values, in the same order.
func (in *Inputs) RequireOneOf(message string, fields []Field, values ...string) {
	for _, v := range values {
		if v != "" {
			return
		}
	}
	for _, p := range in.problems { // a value that is there but wrong is not missing as well
		var problem *oauth.ConfigError
		if errors.As(p, &problem) && slices.ContainsFunc(fields, func(f Field) bool { return f.Name == problem.Field }) {
			return
		}
	}
	in.add(fields[0], message)
}

func (in *Inputs) resolve(value string, field Field) string {
	value = strings.TrimSpace(value)
	if value == "" && field.Env != "" {
		v, _ := in.options.lookupEnv(field.Env)
		value = strings.TrimSpace(v)
		in.options.variables[oauth.Secret(value)] = field.Env
	}
	if value == "" {
		value = field.Default
	}
	switch {
	case value == "" && field.Required:
		in.missing(field)
	case value != "" && (field.Pattern != "" && !matches(field.Pattern, value) || field.Not != "" && matches(field.Not, value)):
		in.problemf(field, "must be %s%s", field.Must, field.example())
		return ""
	}
	return value
}

// matches reports whether a pattern describes the whole of a value. The generator has made sure
// that it is a pattern.
func matches(pattern, value string) bool {
	compiled, err := regexp.Compile(`^(?:` + pattern + `)$`)
	return err == nil && compiled.MatchString(value)
}

func (in *Inputs) missing(field Field) {
	switch {
	case field.Missing != "":
		in.add(field, field.Missing)
	case field.Env == "":
		in.add(field, fmt.Sprintf("%s %s is required. Pass %s in config.", in.title, field.Name, field.Name))
	default:
		in.add(field, fmt.Sprintf("%s %s is required. Set %s environment variable or pass %s in config.",
			in.title, field.Name, field.Env, field.Name))
	}
}

// problemf reports a value that cannot be used, without showing it: it may be a secret in the wrong
// field.
func (in *Inputs) problemf(field Field, format string, args ...any) {
	source := "config"
	if field.Env != "" {
		source = field.Env + " or config"
	}
	in.add(field, fmt.Sprintf("%s %s %s. Correct it in %s.", in.title, field.Name, fmt.Sprintf(format, args...), source))
}

func (in *Inputs) add(field Field, message string) {
	in.problems = append(in.problems, &oauth.ConfigError{Provider: in.title, Field: field.Name, Env: field.Env, Message: message})
}

func (f Field) example() string {
	if f.Example == "" {
		return ""
	}
	return ", such as " + f.Example
}
