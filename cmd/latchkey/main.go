// Command latchkey runs a protected MCP server with any of the built-in identity providers, plays
// the authorization flow, and generates providers from specs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/latchkey-auth/latchkey/gen"
	"github.com/latchkey-auth/latchkey/internal/logs"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	// exitUsage is for what the operator has to correct: flags, variables, a taken port.
	exitUsage = 2
)

// commands are the subcommands with their flags.
type commands struct {
	kong.Plugins // the generator's commands

	Providers providersCommand `cmd:"" help:"List the built-in providers, or show one with its variables and endpoints."`
	Serve     serveCommand     `cmd:"" help:"Run a protected MCP server, configured by the provider's variables."`
	Dev       devCommand       `cmd:"" help:"Run a protected MCP server with an embedded identity provider: nothing to sign up for."`
	Demo      demoCommand      `cmd:"" help:"Play a whole MCP login against the embedded identity provider, step by step."`
	Check     checkCommand     `cmd:"" help:"Look whether a provider and this server are set up, before anybody logs in: what was asked and seen, and what to change where."`
	Explain   explainCommand   `cmd:"" help:"Say why an access token is accepted or refused: every check in its order, and what to change where."`
	Keys      keysCommand      `cmd:"" help:"Make keys."`
	Version   versionCommand   `cmd:"" help:"Print the version."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

// environment is what the commands need of the world around them.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)
	colour         bool
	// jsonLog makes every line on stderr a JSON object.
	jsonLog bool
}

// usageError is a mistake that the operator has to correct.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// reportedError ends a command with status 1 after it has said itself what is wrong.
type reportedError struct{}

func (reportedError) Error() string { return "reported" }

func main() {
	ctx, stop := stopped()
	env := environment{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookupEnv: os.LookupEnv, colour: wantsColour(os.Stdout, os.LookupEnv)}
	code := run(ctx, os.Args[1:], env)
	stop()
	os.Exit(code)
}

// stopped returns a context that the first signal ends, with [server.ErrTerminated] as its cause
// where it was SIGTERM. The second signal ends the program at once. stop gives the signals back.
func stopped() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case got := <-signals:
			signal.Stop(signals)
			if got == syscall.SIGTERM {
				cancel(server.ErrTerminated)
			}
			cancel(nil)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// run parses the arguments, runs the command and returns the exit code.
func run(ctx context.Context, args []string, env environment) int {
	exited := -1
	env.jsonLog = wantsJSONLog(args)
	parser, err := kong.New(&commands{Plugins: gen.Commands()}, kong.Name("latchkey"), kong.Description("OAuth for Go servers, MCP servers first."),
		kong.Vars{"version": "latchkey " + version()}, kong.Writers(env.stdout, env.stderr), kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(env), gen.Bind(env.stdout, env.stderr))
	if err != nil {
		return report(env, err)
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:], "--help")
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		return report(env, usageError{fmt.Errorf("%w (see latchkey --help)", err)})
	}
	return report(env, parsed.Run())
}

// wantsJSONLog reports whether the arguments ask for --log-format json: a mistake in the others is
// to be told in it too.
func wantsJSONLog(args []string) bool {
	for i, arg := range args {
		if arg == "--log-format=json" || arg == "--log-format" && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}

// report prints an error on one line and returns the exit code that it stands for.
func report(env environment, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, gen.ErrReported), errors.Is(err, reportedError{}):
		return exitFailure
	}
	if env.jsonLog {
		logs.New(env.stderr, logs.Config{JSON: true}).Error("latchkey ends", "error", oneLine(err))
	} else {
		_, _ = fmt.Fprintln(env.stderr, "latchkey:", oneLine(err))
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailure
}

// oneLine joins the lines of several problems.
func oneLine(err error) string { return strings.Join(strings.Split(err.Error(), "\n"), " ") }

// wantsColour reports whether a file is a terminal that wants colours (https://no-color.org).
func wantsColour(f *os.File, lookupEnv func(string) (string, bool)) bool {
	if v, _ := lookupEnv("NO_COLOR"); v != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

type versionCommand struct{}

func (versionCommand) Run(env environment) error {
	_, err := fmt.Fprintln(env.stdout, "latchkey", version())
	return err
}

// version is the module's version as the Go tool recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
