package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/gen/internal/draft"
	"github.com/latchkey-auth/latchkey/gen/internal/generate"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// Init is the command that drafts a spec.
type Init struct {
	Name      string `arg:"" help:"Short name of the provider: the spec's file and the Go package."`
	Discovery string `help:"The provider's issuer, the address of its discovery document, or a file with it." required:"" placeholder:"URL|FILE"`
	Specs     string `help:"Folder for the spec." default:"specs"`
	Stdout    bool   `help:"Print the spec instead of writing it."`
}

// Run drafts.
func (i *Init) Run(streams *Streams) error {
	if err := spec.CheckName(i.Name); err != nil {
		return err
	}
	document, forms, err := i.read(streams)
	if err != nil {
		return fmt.Errorf("%s: %w", i.Discovery, err)
	}
	for _, member := range document.LeftOut {
		if _, err := fmt.Fprintf(streams.Err, "%s: %s\n", i.Discovery, member); err != nil {
			return err
		}
	}
	file := filepath.Join(i.Specs, i.Name+".yaml")
	text := draft.Spec(document, draft.Source{
		Name: i.Name, From: i.Discovery, On: time.Now().UTC().Format(time.DateOnly), Forms: forms,
	})
	_, problems := generate.Check([]generate.Spec{{File: display(file), Data: text}}, generate.Spec{})
	if problems.HasErrors() {
		return errors.Join(problems.Write(streams.Err, yamldoc.Text), errors.New("no good spec can be made of this document"))
	}
	if i.Stdout {
		_, err := streams.Out.Write(text)
		return err
	}
	if err := create(file, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(streams.Out, "%s is a first draft with %d marks to look up. Then run latchkey-gen generate.\n", display(file), len(problems))
	return err
}

// read gets the discovery document from the network or from a file.
func (i *Init) read(streams *Streams) (*draft.Document, []string, error) {
	if !strings.Contains(i.Discovery, "://") {
		data, err := readBounded(i.Discovery)
		if err != nil {
			return nil, nil, err
		}
		document, err := draft.Read(data)
		return document, nil, err
	}
	client := streams.Client
	if client == nil {
		client = newClient()
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchLimit)
	defer cancel()
	return draft.Fetch(ctx, client, i.Discovery)
}

const (
	// fetchLimit bounds all fetches of one run.
	fetchLimit = 30 * time.Second
	// maxRedirects bounds the redirects of one fetch.
	maxRedirects = 3
)

// newClient makes the client for the one address that a developer typed. The generator must not
// import the runtime, which has the careful one for servers.
func newClient() *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects || r.URL.Scheme != "https" {
				return errors.New("redirected too often, or away from https")
			}
			return nil
		},
	}
}

// create writes a new file and keeps an old one.
func create(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // a folder of sources, for everybody to read
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a source, for everybody to read
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: remove it, choose another name, or print the draft with --stdout", display(file))
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
