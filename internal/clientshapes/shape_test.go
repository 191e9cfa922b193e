package clientshapes_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/clientshapes"
)

func TestShapesAreComplete(t *testing.T) {
	t.Parallel()
	values := clientshapes.Values{Port: 40123, Scope: "openid", ClientID: "id", Resource: "https://mcp.example.com/mcp"}
	var names []string
	for _, shape := range clientshapes.All() {
		names = append(names, shape.Name)
		t.Run(shape.Name, func(t *testing.T) {
			t.Parallel()
			for part, there := range map[clientshapes.Part]bool{
				clientshapes.PartDocument: shape.DocumentURL != "", clientshapes.PartRegistration: shape.Registration != "",
				clientshapes.PartRedirect: true, clientshapes.PartAuthorize: true, clientshapes.PartToken: true,
				clientshapes.PartHeader: len(shape.Headers) > 0,
			} {
				sourced := slices.ContainsFunc(shape.Sources, func(s clientshapes.Source) bool { return slices.Contains(s.Parts, part) })
				if there != sourced {
					t.Errorf("%s: there %t, with a source %t", part, there, sourced)
				}
			}
			if shape.DocumentURL != "" {
				checkMetadata(t, shape.Document, shape.DocumentURL)
			}
			if shape.Registration != "" {
				checkMetadata(t, shape.RegistrationBody(values), "")
			}
			for _, redirect := range shape.RedirectURIs(values) {
				if u, err := url.Parse(redirect); err != nil || !u.IsAbs() {
					t.Errorf("redirect URI %q", redirect)
				}
			}
		})
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("the names %q are not sorted, each once", names)
	}
}

// checkMetadata checks a document, or a registration, which has no client_id yet.
func checkMetadata(t *testing.T, text, clientID string) {
	t.Helper()
	var metadata struct {
		ClientID  string   `json:"client_id"`
		Name      string   `json:"client_name"`
		Redirects []string `json:"redirect_uris"`
	}
	if err := json.Unmarshal([]byte(text), &metadata); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if metadata.ClientID != clientID || metadata.Name == "" || len(metadata.Redirects) == 0 || strings.Contains(text, "{port}") {
		t.Errorf("metadata %s", text)
	}
}

func TestParametersWithoutAValueAreNotSent(t *testing.T) {
	t.Parallel()
	shape := clientshapes.Shape{
		Authorize: []clientshapes.Param{
			{Name: "scope", Value: "{scope} offline_access"}, {Name: "state", Value: "{state}"}, {Name: "resource", Value: "{resource}"},
			{Name: "resource", Value: "{resource}"},
		},
		Refresh: []clientshapes.Param{{Name: "refresh_token", Value: "{refresh_token}"}},
	}
	query := shape.AuthorizeQuery(clientshapes.Values{Resource: "https://mcp.example.com/mcp"})
	if got, want := query.Encode(), "resource=https%3A%2F%2Fmcp.example.com%2Fmcp&resource=https%3A%2F%2Fmcp.example.com%2Fmcp&scope=offline_access"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	form := shape.RefreshForm(clientshapes.Values{RefreshToken: "r", Assertion: "a"})
	if form.Get("client_assertion") != "a" || form.Get("client_assertion_type") != clientshapes.AssertionType || form.Get("refresh_token") != "r" {
		t.Errorf("form %v", form)
	}
}
