package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/explain"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

type explainCommand struct {
	Provider string   `placeholder:"NAME" help:"Identity provider, configured by its variables as for 'latchkey serve'. Without one the token is looked at by the rules of any issuer: its own."`
	Resource string   `placeholder:"URL" help:"URL of the MCP endpoint or API that the token was sent to. Without it the audience is only compared where the provider's configuration names one."`
	Scope    []string `sep:"none" placeholder:"S" help:"Scope that every request needs. Repeatable."`
	JWKS     string   `placeholder:"FILE" help:"Key set (RFC 7517) in place of the provider's: nothing is fetched."`
	At       string   `placeholder:"TIME" help:"The time to check at, such as 2026-11-28T12:00:00Z or a number of seconds, in place of now."`
	Against  string   `placeholder:"FILE" help:"File with a token that works: what differs is shown claim by claim."`
	Endpoint []string `sep:"none" placeholder:"NAME=URL" help:"Endpoint of the provider at another address, as for 'latchkey serve'. Repeatable."`
	JSON     bool     `help:"Print the report as JSON."`
	Token    string   `arg:"" default:"-" placeholder:"TOKEN" help:"The access token, or - to read it from standard input, which shows it to nobody."`
}

// maxTokenInput bounds what is read of a token: more than any guard looks at.
const maxTokenInput = 1 << 20

// Run explains.
func (c *explainCommand) Run(ctx context.Context, env environment) error {
	token, err := c.token(env)
	if err != nil {
		return usageError{err}
	}
	report, err := c.report(ctx, env, token)
	if err != nil {
		return usageError{err}
	}
	output := explanation{Report: report}
	if c.Against != "" {
		if output.Differences, err = c.differences(token); err != nil {
			return usageError{err}
		}
	}
	write := output.text
	if c.JSON {
		write = output.json
	}
	if err := write(env.stdout); err != nil {
		return err
	}
	if !report.Accepted {
		return reportedError{}
	}
	return nil
}

// token returns the token to explain, with nothing around it that people copy along.
func (c *explainCommand) token(env environment) (string, error) {
	text := c.Token
	if text == "-" {
		data, err := io.ReadAll(io.LimitReader(env.stdin, maxTokenInput))
		if err != nil {
			return "", err
		}
		text = string(data)
	} else {
		_, _ = fmt.Fprintln(env.stderr, "latchkey: a token as an argument is in the list of processes and the shell's history: - reads it from standard input")
	}
	return plainToken(text)
}

// plainToken drops white space, the header's name and its scheme.
func plainToken(text string) (string, error) {
	text = strings.TrimSpace(text)
	for _, prefix := range []string{"authorization:", "bearer "} {
		if len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			text = strings.TrimSpace(text[len(prefix):])
		}
	}
	if text == "" {
		return "", errors.New("there is no token: give one, or pipe it in")
	}
	return text, nil
}

// unknownResource stands for a resource that nobody named.
const unknownResource = "https://resource.invalid"

func (c *explainCommand) report(ctx context.Context, env environment, token string) (explain.Report, error) {
	options, err := c.options(env)
	if err != nil {
		return explain.Report{}, err
	}
	if c.JWKS != "" || c.Provider == "" {
		address, stop, err := c.serveKeys(ctx)
		if err != nil {
			return explain.Report{}, err
		}
		defer stop()
		options = append(options, runtime.WithEndpoint("jwks", address))
	}
	provider, err := c.provider(token, options)
	if err != nil {
		return explain.Report{}, err
	}
	resource := c.Resource
	if resource == "" {
		resource = unknownResource
	}
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: resource, Scopes: c.Scope})
	if err != nil {
		return explain.Report{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, guard.Resource(), nil)
	if err != nil {
		return explain.Report{}, err
	}
	r.Header["Authorization"] = []string{"Bearer " + token}
	return c.known(guard.Explain(r)), nil
}

// known takes out of a report what could not be known from the flags.
func (c *explainCommand) known(report explain.Report) explain.Report {
	var failed int
	for i := range report.Checks {
		check := &report.Checks[i]
		switch {
		case c.Resource == "" && check.Reason == oauth.ReasonAudience && strings.Contains(strings.Join(check.Want, " "), unknownResource):
			check.Outcome, check.Reason, check.Want = explain.Skipped, "", nil
			check.Fix = "not compared: --resource says which URL the token was sent to"
		case c.Provider == "" && c.JWKS == "" && check.ID == "key" && check.Outcome == explain.Failed:
			check.Fix = "not known: --provider fetches the issuer's keys, --jwks reads them from a file"
		}
		if check.Outcome == explain.Failed {
			failed++
		}
	}
	if report.Reason == oauth.ReasonAudience && failed == 0 {
		report.Accepted, report.Reason = true, ""
	}
	return report
}

func (c *explainCommand) options(env environment) ([]runtime.Option, error) {
	options, err := endpointOptions(c.Endpoint)
	if err != nil {
		return nil, err
	}
	options = append(options, runtime.WithLookupEnv(env.lookupEnv), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if c.At != "" {
		at, err := moment(c.At)
		if err != nil {
			return nil, err
		}
		options = append(options, runtime.WithClock(func() time.Time { return at }))
	}
	return options, nil
}

// moment reads a time as people write it.
func moment(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("--at %q must be a time such as 2026-11-28T12:00:00Z, or a number of seconds since 1970", text)
	}
	return at, nil
}

// serveKeys serves the key set of --jwks, or an empty one, on loopback, so that it is read as a
// provider's.
func (c *explainCommand) serveKeys(ctx context.Context) (address string, stop func(), err error) {
	set := []byte(`{"keys":[]}`)
	if c.JWKS != "" {
		if set, err = os.ReadFile(c.JWKS); err != nil {
			return "", nil, fmt.Errorf("--jwks: %w", err)
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Run(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/jwk-set+json")
			w.Header().Set("Connection", "close")
			_, _ = w.Write(set)
		}), server.Lifecycle{Logger: slog.New(slog.DiscardHandler)})
	}()
	return "http://" + listener.Addr().String() + "/", func() { cancel(); <-ended }, nil
}

// provider is the one of --provider, else a provider made of the issuer that the token names.
func (c *explainCommand) provider(token string, options []runtime.Option) (*runtime.Provider, error) {
	if c.Provider != "" {
		return newProvider(c.Provider, options...)
	}
	in := runtime.NewInputs("Issuer of the token", options...)
	issuer := decoded(token).claim("iss")
	if issuer == "" {
		issuer = "https://issuer.invalid"
	}
	return runtime.New(in, runtime.Definition{
		Name: "issuer", Title: "Issuer of the token", Mode: oauth.Direct, Issuer: issuer,
		Endpoints: oauth.Endpoints{JWKS: unknownResource},
		Tokens: facts.Rules{
			Algorithms: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"},
			Issuers:    []string{issuer}, Audience: facts.Audience{OrResource: true},
		},
	})
}

// explanation is what the command prints.
type explanation struct {
	explain.Report

	Differences []difference `json:"differences,omitempty"`
}

func (e explanation) json(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(e)
}

func (e explanation) text(w io.Writer) error {
	var b strings.Builder
	if e.Accepted {
		b.WriteString("accepted\n\n")
	} else {
		fmt.Fprintf(&b, "refused: %s\n\n", e.Reason)
	}
	for _, check := range e.Checks {
		fmt.Fprintf(&b, "  %-7s  %s\n", check.Outcome, check.ID)
		if check.Outcome == explain.Failed {
			values(&b, "has", check.Got)
			values(&b, "wants", check.Want)
		}
		if check.Fix != "" && check.Outcome != explain.Passed {
			fmt.Fprintf(&b, "           %s\n", shown(check.Fix))
		}
	}
	if len(e.Differences) > 0 {
		b.WriteString("\nWhat differs from the other token\n\n")
	}
	for _, d := range e.Differences {
		fmt.Fprintf(&b, "  %s\n           this   %s\n           other  %s\n", shown(d.Name), shown(d.This), shown(d.Other))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func values(b *strings.Builder, word string, list []string) {
	if len(list) > 0 {
		fmt.Fprintf(b, "           %-5s  %s\n", word, shown(strings.Join(list, ", ")))
	}
}

// shown is a text of a token for a terminal, which it must not steer.
func shown(text string) string {
	for _, r := range text {
		if !strconv.IsPrint(r) {
			return strconv.Quote(text)
		}
	}
	return text
}
