package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// documentFlags say which client metadata documents are kept or fetched, beside --client-documents,
// whose default differs.
type documentFlags struct {
	ClientDocument     []string `sep:"none" placeholder:"URL=FILE" help:"Client metadata document that is kept in a file instead of fetched, such as https://claude.ai/oauth/claude-code-client-metadata=claude-code.json. Proxy mode only. Repeatable."`
	ClientDocumentHost []string `sep:"none" placeholder:"HOST" help:"Host that client metadata documents are fetched from, and no other, such as claude.ai. Needed with --client-documents proxy. Proxy mode only. Repeatable."`
}

// options are the choice of documents that the flags make.
func (f *documentFlags) options(policy string) (proxy.ClientDocuments, error) {
	documents := proxy.ClientDocuments{Policy: policy, Hosts: f.ClientDocumentHost, Pinned: map[string]string{}}
	for _, entry := range f.ClientDocument {
		// A URL may have "=" in its query, a file seldom has one in its name.
		i := strings.LastIndexByte(entry, '=')
		if i <= 0 || i == len(entry)-1 {
			return documents, fmt.Errorf("--client-document %q must be URL=FILE", entry)
		}
		url, name := entry[:i], entry[i+1:]
		if _, twice := documents.Pinned[url]; twice {
			return documents, fmt.Errorf("--client-document %s is given twice", url)
		}
		text, err := readDocument(name)
		if err != nil {
			return documents, fmt.Errorf("--client-document %s: %w", url, err)
		}
		documents.Pinned[url] = text
	}
	return documents, nil
}

// maxDocumentFile is more than any document may have.
const maxDocumentFile = 64 << 10

func readDocument(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxDocumentFile+1))
	if err == nil && len(text) > maxDocumentFile {
		err = errors.New("the file is too large for a client metadata document")
	}
	return string(text), errors.Join(err, file.Close())
}

// check says what of the flags means nothing in a mode.
func (f *documentFlags) check(mode oauth.Mode) error {
	if mode != oauth.Proxy && len(f.ClientDocument)+len(f.ClientDocumentHost) > 0 {
		return errors.New("--client-document and --client-document-host are for proxy mode; elsewhere clients are known to the identity provider alone")
	}
	return nil
}
