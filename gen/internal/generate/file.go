package generate

// Kind says what a file is, and so where it goes.
type Kind string

// The kinds of files.
const (
	// Package is Go.
	Package Kind = "package"
	// Page is a Markdown page about providers.
	Page Kind = "page"
	// Reference is the Markdown page about the spec language.
	Reference Kind = "reference"
	// Sample is the file of variables.
	Sample Kind = "sample"
	// Schema is the JSON Schema of specs.
	Schema Kind = "schema"
)

// File is a finished file.
type File struct {
	Kind Kind
	// Path is relative to the folder of its kind, with slashes.
	Path string
	Data []byte
}
