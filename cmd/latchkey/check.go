package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/readiness"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/all"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/check"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/store"
	"github.com/latchkey-auth/latchkey/runtime/store/redisstore"
)

type checkCommand struct {
	providerFlags

	Provider       string `required:"" placeholder:"NAME" help:"Identity provider, configured by its variables as for 'latchkey serve'."`
	PublicURL      string `name:"public-url" placeholder:"URL" help:"Scheme and host under which clients reach the server, which has to run: it is asked whether it answers as itself."`
	Path           string `default:"/mcp" help:"Path of the MCP endpoint."`
	ExternalPrefix string `name:"external-prefix" placeholder:"/api" help:"Path that a reverse proxy takes away from the beginning of each request's."`
	Store          string `placeholder:"URL" help:"Redis or Valkey that replicas share, as for 'latchkey serve'. Proxy mode only."`
	JSON           bool   `help:"Print the findings as JSON."`
}

// Run looks, and fails where something is wrong.
func (c *checkCommand) Run(ctx context.Context, env environment) error {
	about, err := lookUp(c.Provider)
	if err != nil {
		return usageError{err}
	}
	report, err := c.report(ctx, env)
	if err != nil {
		return usageError{err}
	}
	output := checked{Report: report, Provider: about.Name, about: about}
	if output.atProvider() {
		output.Setup, output.Docs = about.Setup, about.DocsURL
	}
	write := output.text
	if c.JSON {
		write = output.json
	}
	if err := write(env.stdout); err != nil {
		return err
	}
	if !report.OK {
		return reportedError{}
	}
	return nil
}

func (c *checkCommand) report(ctx context.Context, env environment) (check.Report, error) {
	options, err := c.providerOptions()
	if err != nil {
		return check.Report{}, err
	}
	resource, looked := unknownResource, []check.Option{check.NotPublic}
	if c.PublicURL != "" {
		if resource, err = server.ResourceURL(c.PublicURL, c.ExternalPrefix, c.Path); err != nil {
			return check.Report{}, err
		}
		looked = nil
	}
	quiet := slog.New(slog.DiscardHandler)
	provider, err := newProvider(c.Provider, append(options, runtime.WithLookupEnv(env.lookupEnv), runtime.WithLogger(quiet))...)
	if problems := configErrors(err); len(problems) > 0 {
		return check.NewReport(problems...), nil
	}
	if err != nil {
		return check.Report{}, err
	}
	shared, closeStore, err := c.store(ctx, env, provider.Describe().Mode)
	if err != nil {
		return check.Report{}, err
	}
	defer closeStore()
	findings := []check.Finding{{ID: "variables", Outcome: check.Passed, Seen: "complete"}}
	guard, unusable := runtime.NewGuard(provider, runtime.GuardConfig{
		Resource: resource, ExternalPrefix: c.ExternalPrefix, Logger: quiet, Proxy: proxy.Options{Store: shared},
	})
	if unusable != nil {
		findings = append(findings, check.Finding{
			ID: "guard", Outcome: check.Failed, Asked: "the variables and flags together", Seen: unusable.Error(), Fix: "correct what it names",
			Where: check.ThisServer,
		})
		return check.NewReport(append(findings, provider.Check(ctx).Findings...)...), nil
	}
	return check.NewReport(append(findings, guard.Check(ctx, looked...).Findings...)...), nil
}

// storeTimeout bounds how long the store may take to be opened.
const storeTimeout = 5 * time.Second

// store opens the store that flags and variables name. One that cannot be opened answers with why.
func (c *checkCommand) store(ctx context.Context, env environment, mode oauth.Mode) (_ store.Store, end func(), err error) {
	flags := storeFlags{Store: c.Store, StoreWait: storeTimeout}
	named, err := flags.shared(env, mode, readiness.New(nil), slog.New(slog.DiscardHandler))
	if err != nil || named == nil {
		return nil, func() {}, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	opened, err := redisstore.Open(ctx, named.url, redisstore.Config{Observer: observe.Slog(slog.New(slog.DiscardHandler))})
	if err != nil {
		return unopened{err}, func() {}, nil
	}
	return opened, opened.Close, nil
}

// unopened is a store that could not be opened.
type unopened struct{ err error }

// Do implements [store.Store].
func (s unopened) Do(context.Context, ...store.Step) ([]store.Outcome, error) { return nil, s.err }

// configErrors are the findings of a configuration that cannot be used: all at once.
func configErrors(err error) []check.Finding {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var findings []check.Finding
		for _, each := range joined.Unwrap() {
			findings = append(findings, configErrors(each)...)
		}
		return findings
	}
	problem, ok := errors.AsType[*oauth.ConfigError](err)
	if !ok {
		return nil
	}
	return []check.Finding{{
		ID: "variables", Outcome: check.Failed, Asked: problem.Env, Seen: problem.Field + " cannot be used", Fix: problem.Message,
		Where: check.ThisServer,
	}}
}

// checked is what the command prints.
type checked struct {
	check.Report

	Provider string `json:"provider"`
	// Setup and Docs are about the provider's side, where something is wrong there.
	Setup []string `json:"setup,omitempty"`
	Docs  string   `json:"docs,omitempty"`

	about all.Provider
}

// atProvider reports whether something has to be changed at the provider.
func (c checked) atProvider() bool {
	return slices.ContainsFunc(c.Failed(), func(f check.Finding) bool { return f.Where != check.ThisServer })
}

func (c checked) json(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(c)
}

func (c checked) text(w io.Writer) error {
	var b strings.Builder
	verdict := "nothing wrong"
	if failed := c.Failed(); len(failed) > 0 {
		verdict = fmt.Sprintf("findings: %d", len(failed))
	}
	fmt.Fprintf(&b, "%s (%s): %s\n\n", c.about.Title, c.Provider, verdict)
	for _, f := range c.Findings {
		fmt.Fprintf(&b, "  %-7s  %s\n", f.Outcome, f.ID)
		where := ""
		if f.Where != "" {
			where = " (" + f.Where + ")"
		}
		for _, line := range []struct{ word, text, behind string }{{"asked", f.Asked, ""}, {"seen", f.Seen, ""}, {"do", f.Fix, where}} {
			if line.text != "" {
				fmt.Fprintf(&b, "           %-5s  %s%s\n", line.word, shown(line.text), line.behind)
			}
		}
	}
	if len(c.Setup) > 0 || c.Docs != "" {
		fmt.Fprintf(&b, "\nSet-up at %s: %s\n", c.about.Title, c.Docs)
	}
	for i, step := range c.Setup {
		fmt.Fprintf(&b, "  %d. %s\n", i+1, step)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// inspect looks at the provider, without sending credentials, before a server with --check serves.
// A finding is an error.
func (c *serveCommand) inspect(ctx context.Context, provider *runtime.Provider, log *slog.Logger) error {
	if !c.Check {
		return nil
	}
	if failed := c.look(ctx, provider, log); failed > 0 {
		return fmt.Errorf("--check: %d findings, which the log names: latchkey check --provider %s shows all", failed, c.Provider)
	}
	return nil
}

// look warns of what is wrong at the provider, and returns how much that is.
func (c *serveCommand) look(ctx context.Context, provider *runtime.Provider, log *slog.Logger) int {
	failed := provider.Check(ctx, check.Passive).Failed()
	if ctx.Err() != nil { // the server was stopped meanwhile
		return 0
	}
	for _, f := range failed {
		observe.Slog(log).Observe(ctx, observe.Event{
			Kind: observe.Notice, Time: time.Now(), Level: slog.LevelWarn, Provider: c.Provider,
			Message: "the check " + f.ID + " of the provider failed: " + f.Seen, Hint: f.Fix,
			Details: []slog.Attr{slog.String("check", f.ID), slog.String("asked", f.Asked), slog.String("where", f.Where)},
		})
	}
	return len(failed)
}

// meet makes the server ready when its provider was reached, and looks at the provider meanwhile,
// unless it has done so already.
func (c *serveCommand) meet(ctx context.Context, provider *runtime.Provider, log *slog.Logger, l server.Lifecycle) {
	awaitProvider(ctx, provider, l)
	if !c.Check {
		go c.look(ctx, provider, log)
	}
}
