// Package cli is the generator's command line: flags, files and exit codes. Package generate does
// the work.
package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/alecthomas/kong"

	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// Exit codes.
const (
	// OK is the exit code of success.
	OK = 0
	// Failed is the exit code for problems in specs, for drift and for what else went wrong.
	Failed = 1
	// Usage is the exit code of a wrong command line.
	Usage = 2
)

// Commands are the generator's commands, to be embedded in a command line.
type Commands struct {
	Generate Generate `cmd:"" help:"Generate provider packages from specs."`
	Lint     Lint     `cmd:"" help:"Report every problem of specs, and write nothing."`
	Schema   Schema   `cmd:"" help:"Print the JSON Schema of specs, for editors."`
	Init     Init     `cmd:"" help:"Draft a spec from a provider's discovery document."`
}

// Streams are what commands need of the world: results go to Out, problems to Err.
type Streams struct {
	Out io.Writer
	Err io.Writer
	// Client fetches discovery documents. The default allows https alone, follows few redirects and
	// waits ten seconds.
	Client *http.Client
}

// ErrReported is what a command returns when it has already said what is wrong.
var ErrReported = errors.New("problems were reported")

// Main runs the command line of latchkey-gen and returns its exit code.
func Main(args []string, out, err io.Writer) int {
	var commands Commands
	exit := -1
	streams := &Streams{Out: out, Err: err}
	parser, wrong := kong.New(
		&commands, kong.Name("latchkey-gen"),
		kong.Description("Turns specs of identity providers into Go packages."),
		kong.Writers(out, err), kong.Exit(func(code int) { exit = code }), kong.Bind(streams),
		kong.UsageOnError(),
	)
	if wrong != nil {
		panic(wrong) // the commands above are a mistake
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	context, wrong := parser.Parse(args)
	switch {
	case exit >= 0: // --help
		return exit
	case wrong != nil:
		parser.Errorf("%v", wrong)
		return Usage
	}
	return ExitCode(err, context.Run())
}

// ExitCode returns the exit code for what a command returned, and writes what was not yet reported.
func ExitCode(w io.Writer, err error) int {
	switch {
	case err == nil:
		return OK
	case !errors.Is(err, ErrReported):
		_, _ = fmt.Fprintf(w, "latchkey-gen: %v\n", err)
	}
	return Failed
}

// Reporting is the flag of commands that report problems.
type Reporting struct {
	Format string `help:"How problems are shown: ${enum}." enum:"text,json,github" default:"text"`
}

// report writes problems. Those for programs go where their output is expected.
func (r Reporting) report(streams *Streams, problems yamldoc.Problems) error {
	w := streams.Err
	if r.Format != string(yamldoc.Text) {
		w = streams.Out
	}
	if err := problems.Write(w, yamldoc.Format(r.Format)); err != nil {
		return err
	}
	if problems.HasErrors() {
		return ErrReported
	}
	return nil
}
