// Command latchkey-gen turns specs of identity providers into Go packages.
package main

import (
	"os"

	"github.com/latchkey-auth/latchkey/gen"
)

func main() { os.Exit(gen.Main(os.Args[1:], os.Stdout, os.Stderr)) }
