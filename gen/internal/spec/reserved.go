package spec

import (
	"go/token"
	"go/types"
	"regexp"
	"slices"
)

// devices are the names that Windows keeps for devices, whatever extension follows: neither a
// folder nor a spec nor a page can have them, and Go refuses import paths with them.
var devices = regexp.MustCompile(`^(con|prn|aux|nul|(com|lpt)[0-9])$`)

// reserved returns why a name that is spelled like one of a package cannot be a provider's, the
// empty string for one that can.
func reserved(name string) string {
	switch {
	case token.IsKeyword(name):
		return "it is a keyword of Go"
	case types.Universe.Lookup(name) != nil:
		return "it is predeclared in Go"
	case name == "init":
		return "no import can be called init in Go"
	case name == "main":
		return "a package main is a program"
	case name == "documentation":
		return "Go does not build a package called documentation"
	case slices.Contains([]string{"internal", "testdata", "vendor"}, name):
		return "folders of that name mean something to Go"
	case devices.MatchString(name):
		return "Windows keeps it for a device"
	case name == "readme":
		return "where file names ignore case, its page would be README.md"
	case slices.Contains(generated, name):
		return "the generated code uses it"
	}
	return ""
}

// generated are the names that generated code has where it names the provider's package, and those
// of packages that it would be confused with.
var generated = []string{
	"all", "broker", "facts", "http", "json", "metadata", "oauth", "opts", "providertest", "runtime", "t", "testing", "time",
	"verify",
}
