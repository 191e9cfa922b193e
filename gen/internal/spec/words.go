package spec

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// words are the rules about single texts that validate tags name.
var words = map[string]yamldoc.Word{
	"package_name": {
		Rule: "package-name", Pattern: regexp.MustCompile(`^[a-z][a-z0-9]{0,39}$`),
		Must: "a Go package name: lower-case letters and digits, a letter first, at most 40",
	},
	"field_name": {
		Rule: "field-name", Pattern: regexp.MustCompile(`^[a-z][A-Za-z0-9]{0,39}$`),
		Must: "in lower camel case, such as serverUrl: letters and digits, at most 40",
	},
	"env_name": {
		Rule: "env-name", Pattern: regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,99}$`),
		Must: "an environment variable's name: capitals, digits and underscores",
	},
	"go_name": {
		Rule: "go-name", Pattern: regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,39}$`),
		Must: "an exported Go name: letters and digits, a capital first, at most 40",
	},
	"https_url": {
		Rule: "docs-url", Pattern: regexp.MustCompile("^https://[^ <>\"'`()\\[\\]{}\\\\]+$"), Check: validDocsURL,
		Must: "an https URL",
	},
	"date": {
		Rule: "date", Pattern: regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`), Check: validDate,
		Must: "a date: YYYY-MM-DD",
	},
	"scope": {
		Rule: "scope", Pattern: regexp.MustCompile(`^[!#-\[\]-~]+$`),
		Must: "one scope: printable ASCII without space, quote and backslash (RFC 6749 section 3.3)",
	},
	"claim_path": {
		Rule: "claim-path", Pattern: regexp.MustCompile(`^([^.\\]|\\[.\\])+(\.([^.\\]|\\[.\\])+)*$`),
		Must: "a claim's path: names separated by dots, a backslash before a dot that belongs to a name",
	},
	"printable": {
		Rule: "type-header", Pattern: regexp.MustCompile(`^[!-~]+$`),
		Must: "a typ header, such as at+jwt",
	},
	"pattern": {
		Rule: "pattern", Pattern: regexp.MustCompile(`^[ -~]+$`), Check: validPattern,
		Must: "a regular expression (RE2)",
	},
	"parameter": {
		Rule: "parameter", Pattern: regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`),
		Must: "a parameter's name: letters, digits and ._~-",
	},
	"header_name": {
		Rule: "header-name", Pattern: regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`), Check: validHeaderName,
		Must: "the name of a header that is free to be set: not Authorization, Cookie, Host, Content-Type or Content-Length",
	},
	"scheme": {
		Rule: "scheme", Pattern: regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,31}$`),
		Must: "an authentication scheme, such as Bearer: letters, digits and -, at most 32",
	},
	"header_value": {
		Rule: "header-value", Pattern: regexp.MustCompile(`^[ -~]+$`),
		Must: "printable ASCII",
	},
	"error_code": {
		Rule: "error-code", Pattern: regexp.MustCompile(`^[a-z_]{1,64}$`),
		Must: "an error code: small letters and underscores",
	},
}

func validDocsURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}

func validPattern(s string) bool {
	_, err := regexp.Compile("^(?:" + s + ")$")
	return err == nil
}

// validHeaderName keeps out the headers that requests need for themselves.
func validHeaderName(s string) bool {
	switch strings.ToLower(s) {
	case "authorization", "cookie", "host", "content-type", "content-length":
		return false
	default:
		return true
	}
}

func validDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
