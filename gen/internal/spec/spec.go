// Package spec is the language in which identity providers are described: its types, its
// vocabulary, its rules. It reports every problem of a file at once, with its place, and never by
// the name of a Go type or field.
package spec

import (
	"embed"
	"reflect"

	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// Version is the language version that this package reads.
const Version = 1

// maxSize bounds a spec. Real ones have a few kilobytes.
const maxSize = 256 << 10

// sources are the files with the types: their comments are the schema's descriptions.
//
//go:embed types.go typesproxy.go
var sources embed.FS

var language = &yamldoc.Language{
	Type: reflect.TypeFor[Spec](), Sources: sources, Title: "latchkey spec of an identity provider",
	Noun: "a spec", Single: "one file describes one provider", Inline: "write the value out, or derive it under values",
	VersionKey: "spec", Version: Version, Reader: "the generator", MaxSize: maxSize, NumberRule: "test-number",
	Words: words, Vocabularies: vocabularies,
}

// Document is a parsed file: the spec and where each part of it stands.
type Document struct {
	*yamldoc.Document

	Spec Spec
}

// Parse reads a file. Its problems of form come with it: syntax, keys that do not exist or exist
// twice, values of the wrong kind. The document is never nil and holds what could be read.
func Parse(file string, data []byte) (*Document, yamldoc.Problems) {
	d := &Document{}
	d.Document = language.Parse(file, data, &d.Spec)
	return d, d.Take()
}

// Schema returns the JSON Schema (2020-12) of the language, for editors. comment goes into its
// first lines. It says what the types say; rules between parts of a spec are the generator's alone.
func Schema(comment string) ([]byte, error) { return language.Schema(comment) }

// Reference describes the whole language, for people.
func Reference() []yamldoc.Section { return language.Reference() }
