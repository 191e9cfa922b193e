package broker

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

const pinnedID = "https://client.example.com/client.json"

const pinnedDocument = `{"client_id":"` + pinnedID + `","client_name":"Pinned Client","redirect_uris":["` + webRedirect + `"]}`

// Where no document can be read, clients register, or the operator keeps the documents.
// covers: R26
func TestDocumentsCountAsTheOperatorSays(t *testing.T) {
	t.Parallel()
	const pinned, fetched, listed = pinnedID, "https://other.example.com/client.json", "https://listed.example.com/client.json"
	for name, c := range map[string]struct {
		documents proxy.ClientDocuments
		announced bool
		taken     []string
		refused   []string
		hint      string
	}{
		"open": {
			proxy.ClientDocuments{Pinned: map[string]string{pinned: pinnedDocument}}, true, []string{pinned, fetched, listed}, nil, "",
		},
		"open to some hosts": {
			proxy.ClientDocuments{Hosts: []string{"listed.example.com"}}, true, []string{listed}, []string{fetched}, "--client-document-host",
		},
		"pinned": {
			proxy.ClientDocuments{Policy: "pinned", Pinned: map[string]string{pinned: pinnedDocument}},
			true, []string{pinned}, []string{fetched}, "--client-documents pinned",
		},
		"through a proxy": {
			proxy.ClientDocuments{
				Policy: "proxy", Hosts: []string{"listed.example.com"}, Pinned: map[string]string{pinned: pinnedDocument},
			},
			true, []string{pinned, listed}, []string{fetched}, "--client-document-host",
		},
		"off": {
			proxy.ClientDocuments{Policy: "off", Pinned: map[string]string{pinned: pinnedDocument}},
			false, nil, []string{pinned, fetched}, "--client-documents",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(cfg *Config) {
				cfg.ClientDocuments = c.documents
				cfg.ClientDocuments.Client = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.URL.String() == pinned {
						t.Error("a pinned document is fetched")
					}
					rec := httptest.NewRecorder()
					rec.Header().Set("Content-Type", "application/json")
					_, _ = rec.WriteString(strings.ReplaceAll(pinnedDocument, pinned, r.URL.String()))
					return rec.Result(), nil
				})}
			})
			m := w.brokers[0].metadata
			if m.ClientIDMetadataDocumentSupported != c.announced || (len(m.TokenEndpointAuthMethodsSupported) == 2) != c.announced {
				t.Errorf("metadata announces documents: %t, methods %q", m.ClientIDMetadataDocumentSupported, m.TokenEndpointAuthMethodsSupported)
			}
			for _, id := range c.taken {
				if rec := w.newBrowser().open(authorizeURL(id, webRedirect)); rec.Code != http.StatusOK {
					t.Errorf("%s: %d %s", id, rec.Code, rec.Body)
				}
			}
			for _, id := range c.refused {
				rec := w.newBrowser().open(authorizeURL(id, webRedirect))
				wantPage(t, rec, http.StatusBadRequest)
				if !strings.Contains(rec.Body.String(), "This server takes no application that describes itself") || !strings.Contains(w.log.String(), c.hint) {
					t.Errorf("%s: page %s\nlog %s", id, rec.Body, w.log)
				}
			}
			w.newClient(webRedirect) // registration is there in every case
		})
	}
}

// The page names where the description is, the log says why it was not read and what can be done.
// covers: R26
func TestADocumentThatCannotBeFetchedIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) {
		c.ClientDocuments.Client = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, &oauth.Error{Description: "no such host"}
		})}
	})
	rec := w.newBrowser().open(authorizeURL(pinnedID, webRedirect))
	wantPage(t, rec, http.StatusBadRequest)
	if !strings.Contains(rec.Body.String(), "client.example.com") {
		t.Errorf("the page does not name the host:\n%s", rec.Body)
	}
	for _, hint := range []string{"--client-document URL=FILE", "--client-documents off", pinnedID} {
		if !strings.Contains(w.log.String(), hint) {
			t.Errorf("the log has no %q:\n%s", hint, w.log)
		}
	}
}

// covers: R26
func TestAChoiceOfDocumentsThatCannotWorkIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, documents := range map[string]proxy.ClientDocuments{
		"another word":                 {Policy: "some"},
		"pinned without documents":     {Policy: "pinned"},
		"proxy without hosts":          {Policy: "proxy"},
		"a host with a path":           {Hosts: []string{"claude.ai/oauth"}},
		"a host in upper case":         {Hosts: []string{"Claude.ai"}},
		"no host":                      {Hosts: []string{""}},
		"a pinned document elsewhere":  {Pinned: map[string]string{"https://client.example.com/other.json": pinnedDocument}},
		"a pinned document of nothing": {Pinned: map[string]string{pinnedID: ""}},
		"a pinned URL by plain http":   {Pinned: map[string]string{"http://client.example.com/client.json": pinnedDocument}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.config.ClientDocuments = documents
			if _, err := New(w.config); err == nil || !strings.Contains(err.Error(), "client documents") {
				t.Errorf("got %v", err)
			}
		})
	}
}
