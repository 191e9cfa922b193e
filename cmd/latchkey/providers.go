package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/all"
	"github.com/latchkey-auth/latchkey/runtime"
)

type providersCommand struct {
	Name string `arg:"" optional:"" help:"Provider to show in full."`
}

// Run lists the providers, or shows one.
func (c *providersCommand) Run(env environment) error {
	if c.Name == "" {
		return listProviders(env.stdout)
	}
	p, err := lookUp(c.Name)
	if err != nil {
		return usageError{err}
	}
	return showProvider(env.stdout, p)
}

func lookUp(name string) (all.Provider, error) {
	p, ok := all.Lookup(name)
	if !ok {
		return p, fmt.Errorf("there is no provider %q; built in are %s", name, strings.Join(names(), ", "))
	}
	return p, nil
}

func names() []string {
	providers := all.Providers()
	names := make([]string, len(providers))
	for i, p := range providers {
		names[i] = p.Name
	}
	return names
}

// newProvider makes a built-in provider from the environment.
func newProvider(name string, opts ...runtime.Option) (*runtime.Provider, error) {
	p, err := lookUp(name)
	if err != nil {
		return nil, err
	}
	if p.New == nil {
		return nil, fmt.Errorf("provider %q is configured with Go functions and cannot be served from variables: use package providers_gen/%s in a program of your own", name, name)
	}
	return p.New(opts...)
}

// The measures of a terminal, in which a group of the list of providers fits.
const (
	screenWidth = 80
	listColumns = 2
)

// listProviders writes the providers by their mode, each group in one screen.
func listProviders(w io.Writer) error {
	groups := []struct {
		title string
		has   func(all.Provider) bool
	}{
		{"Direct: clients register at the provider", func(p all.Provider) bool { return p.New != nil && p.Mode == oauth.Direct }},
		{"Proxy: clients register at this server, which is one application of the provider", func(p all.Provider) bool { return p.New != nil && p.Mode == oauth.Proxy }},
		{"Either: as the provider's own document or your configuration says", func(p all.Provider) bool { return p.New != nil && p.Mode == "" }},
		{"In a Go program of your own alone", func(p all.Provider) bool { return p.New == nil }},
	}
	var b strings.Builder
	for _, group := range groups {
		members := slices.DeleteFunc(all.Providers(), func(p all.Provider) bool { return !group.has(p) })
		fmt.Fprintf(&b, "%s\n", group.title)
		writeColumns(&b, members)
		b.WriteString("\n")
	}
	b.WriteString("\"latchkey providers NAME\" shows a provider's variables, endpoints and set-up.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// writeColumns writes names with titles in columns, to be read downwards.
func writeColumns(b *strings.Builder, providers []all.Provider) {
	nameWidth := 0
	for _, p := range all.Providers() {
		nameWidth = max(nameWidth, len(p.Name))
	}
	width := screenWidth/listColumns - len("  ")
	rows := (len(providers) + listColumns - 1) / listColumns
	for row := range rows {
		var entries []string
		for column := range listColumns {
			if i := column*rows + row; i < len(providers) {
				entry := fmt.Sprintf("%-*s  %s", nameWidth, providers[i].Name, providers[i].Title)
				if len(entry) > width {
					entry = entry[:width-len("...")] + "..."
				}
				entries = append(entries, fmt.Sprintf("%-*s", width, entry))
			}
		}
		b.WriteString("  " + strings.TrimRight(strings.Join(entries, "  "), " ") + "\n")
	}
}

// groupVariables are the variables of fields.
func groupVariables(p all.Provider, names []string) []string {
	var variables []string
	for _, f := range p.Fields {
		if slices.Contains(names, f.Name) {
			variables = append(variables, f.Env)
		}
	}
	return variables
}

func showProvider(w io.Writer, p all.Provider) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s), mode %s\n%s\n%s\n\nVariables\n", p.Title, p.Name, cmp.Or(string(p.Mode), "direct or proxy"), p.Summary, p.DocsURL)
	for _, f := range p.Fields {
		fmt.Fprintf(&b, "  %s\n      %s\n", variableLine(f), f.Doc)
	}
	if p.Mode != oauth.Direct {
		fmt.Fprintf(&b, "  %s  (secret)\n      Keys of everything that is sealed, newest first: 32 random bytes in base64 each. "+
			"Without any the key is derived from the client secret.\n", runtime.SealingKeysVariable)
	}
	for _, group := range p.RequireOneOf {
		fmt.Fprintf(&b, "  One of %s is required.\n", strings.Join(groupVariables(p, group), " and "))
	}
	b.WriteString("\nEndpoints\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range []struct{ name, url string }{
		{"issuer", p.Issuer}, {"authorization", p.Endpoints.Authorization}, {"token", p.Endpoints.Token},
		{"jwks", p.Endpoints.JWKS}, {"registration", p.Endpoints.Registration}, {"userinfo", p.Endpoints.UserInfo},
		{"tokeninfo", p.Endpoints.TokenInfo}, {"introspection", p.Endpoints.Introspection},
		{"revocation", p.Endpoints.Revocation}, {"end_session", p.Endpoints.EndSession},
	} {
		if e.url != "" {
			_, _ = fmt.Fprintf(table, "  %s\t%s\n", e.name, e.url)
		}
	}
	_ = table.Flush() // a strings.Builder never fails
	if p.Mode != oauth.Direct {
		b.WriteString("\nRedirect URI to register\n  https://mcp.example.com/mcp/oauth/callback, where https://mcp.example.com/mcp is your MCP endpoint\n")
	}
	if len(p.Setup) > 0 {
		b.WriteString("\nSet-up at the provider\n")
		for i, step := range p.Setup {
			fmt.Fprintf(&b, "  %d. %s\n", i+1, step)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func variableLine(f all.Field) string {
	name := f.Env
	if name == "" {
		name = f.GoName + " (in Go only)"
	}
	var notes []string
	if f.Required {
		notes = append(notes, "required")
	}
	if f.Secret {
		notes = append(notes, "secret")
	}
	if f.Default != "" {
		notes = append(notes, "default "+f.Default)
	}
	if f.Example != "" {
		notes = append(notes, "for example "+f.Example)
	}
	if len(notes) == 0 {
		return name
	}
	return name + "  (" + strings.Join(notes, ", ") + ")"
}
