package draft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// wellKnown are the forms of the documents in the language's words, with how their address is made
// of an issuer.
var wellKnown = []struct {
	form, suffix string
	inserted     bool
}{
	{"oauth", "oauth-authorization-server", true},
	{"oauth_appended", "oauth-authorization-server", false},
	{"oidc", "openid-configuration", false},
	{"oidc_inserted", "openid-configuration", true},
}

// address is where a form of an issuer's document is.
func address(issuer, suffix string, inserted bool) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if inserted {
		return u.Scheme + "://" + u.Host + "/.well-known/" + suffix + path
	}
	return u.Scheme + "://" + u.Host + path + "/.well-known/" + suffix
}

// Fetch gets the documents of a provider: from the address of a document, or from an issuer, whose
// documents are looked for in all places. It returns the first that names the issuer, and all forms
// in which the provider serves one.
func Fetch(ctx context.Context, client *http.Client, location string) (*Document, []string, error) {
	u, err := url.Parse(location)
	if err != nil || !spec.Protected(u) || u.Host == "" {
		return nil, nil, fmt.Errorf("%s is no https URL", comment(location))
	}
	issuer := location
	if strings.Contains(u.Path, "/.well-known/") {
		data, err := get(ctx, client, location)
		if err != nil {
			return nil, nil, err
		}
		d, err := Read(data)
		if err != nil {
			return nil, nil, err
		}
		issuer = d.Issuer
	}
	return fromIssuer(ctx, client, issuer)
}

// fromIssuer looks for the issuer's document in all places. One that names another issuer does not
// count (RFC 8414 section 3.3).
func fromIssuer(ctx context.Context, client *http.Client, issuer string) (*Document, []string, error) {
	var found *Document
	var forms []string
	var problems []error
	seen := map[string]bool{}
	for _, place := range wellKnown {
		at := address(issuer, place.suffix, place.inserted)
		if seen[at] {
			continue
		}
		seen[at] = true
		d, err := fetchOne(ctx, client, at, issuer)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		forms = append(forms, place.form)
		if found == nil {
			found = d
		} else {
			found.complete(d)
		}
	}
	if found == nil {
		return nil, nil, errors.Join(problems...)
	}
	return found, forms, nil
}

func fetchOne(ctx context.Context, client *http.Client, at, issuer string) (*Document, error) {
	data, err := get(ctx, client, at)
	if err != nil {
		return nil, err
	}
	d, err := Read(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", at, err)
	case strings.TrimRight(d.Issuer, "/") != strings.TrimRight(issuer, "/"):
		return nil, fmt.Errorf("%s names the issuer %s, not %s", at, comment(d.Issuer), comment(issuer))
	}
	return d, nil
}

// complete takes over what only another of the provider's documents says: some split their facts.
func (d *Document) complete(other *Document) {
	for _, pair := range []struct{ own, other *string }{
		{&d.Registration, &other.Registration}, {&d.UserInfo, &other.UserInfo}, {&d.Introspection, &other.Introspection},
		{&d.Revocation, &other.Revocation}, {&d.EndSession, &other.EndSession}, {&d.Documentation, &other.Documentation},
	} {
		if *pair.own == "" {
			*pair.own = *pair.other
		}
	}
	for _, pair := range []struct{ own, other *[]string }{
		{&d.Scopes, &other.Scopes}, {&d.Claims, &other.Claims}, {&d.Grants, &other.Grants},
		{&d.IDTokenAlgorithms, &other.IDTokenAlgorithms}, {&d.SubjectTypes, &other.SubjectTypes},
	} {
		if len(*pair.own) == 0 {
			*pair.own = *pair.other
		}
	}
	d.MetadataDocuments = d.MetadataDocuments || other.MetadataDocuments
	for _, member := range other.LeftOut {
		if !slices.Contains(d.LeftOut, member) {
			d.LeftOut = append(d.LeftOut, member)
		}
	}
}

func get(ctx context.Context, client *http.Client, at string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", at, response.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return data, nil
}
