package gen_test

import (
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"github.com/latchkey-auth/latchkey/gen"
)

// A program of one's own checks specs as latchkey-gen does.
func ExampleMain() {
	code := gen.Main([]string{"lint", "--format", "json", "../specs/auth0.yaml"}, os.Stdout, os.Stderr)
	fmt.Println("exit code", code)
	// Output:
	// []
	// exit code 0
}

// A command line has commands of its own beside the generator's.
func ExampleCommands() {
	var commands struct {
		kong.Plugins

		Own struct{} `cmd:"" help:"A command of one's own."`
	}
	commands.Plugins = gen.Commands()
	parser := kong.Must(&commands, kong.Name("example"), gen.Bind(os.Stdout, os.Stderr))
	parsed, err := parser.Parse([]string{"lint", "--format", "json", "../specs/auth0.yaml"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := parsed.Run(); err != nil {
		fmt.Println(err) // or say nothing, where it is gen.ErrReported
	}
	// Output: []
}
