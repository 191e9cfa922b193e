// Package spec is the language in which identity providers are described: its types, its parser, its rules and its JSON
// Schema. It reports every problem of a file at once, with its place, and never by the name of a Go type or field.
package spec
