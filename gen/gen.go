// Package gen turns specs of identity providers into Go packages. It is the generator's face: the
// command line, and its commands for another one. The work is done in gen/internal, where each step
// is a package: spec parses and validates, model names and resolves, emit writes Go, format formats
// it, pages writes what people read; generate runs them over a set of specs, and output brings the
// files to disk.
package gen

import (
	"io"

	"github.com/alecthomas/kong"

	"github.com/latchkey-auth/latchkey/gen/internal/cli"
)

// ErrReported is what a command returns when it has already said what is wrong.
var ErrReported = cli.ErrReported

// Main runs the command line of latchkey-gen and returns its exit code: 0 for success, 1 for
// problems in specs, for files that are not up to date and for what else went wrong, 2 for a wrong
// command line. Results go to out, problems to err.
func Main(args []string, out, err io.Writer) int { return cli.Main(args, out, err) }

// Commands returns the generator's commands, for a command line of kong to embed. They need what
// [Bind] binds.
func Commands() kong.Plugins { return kong.Plugins{&cli.Commands{}} }

// Bind gives the commands the writers for their results and their problems.
func Bind(out, err io.Writer) kong.Option { return kong.Bind(&cli.Streams{Out: out, Err: err}) }
