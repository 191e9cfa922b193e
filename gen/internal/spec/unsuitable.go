package spec

import (
	"embed"
	"reflect"

	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// UnsuitableFile is the name of the file, beside the specs, about providers that get none.
const UnsuitableFile = "unsuitable/providers.yaml"

// Unsuitable are the providers that get no spec: what they issue opens nothing of this server's, or
// cannot be told from what opens something else.
type Unsuitable struct {
	// Version of the spec language. This one is 1.
	Version int `yaml:"spec" validate:"required,eq=1"`
	// The providers, in the order in which people read of them.
	Providers []UnsuitableProvider `yaml:"providers" validate:"required,min=1,dive"`
}

// UnsuitableProvider is one of them.
type UnsuitableProvider struct {
	// Name for people.
	Title string `yaml:"title" validate:"required" prose:"line"`
	// Names that no spec may have.
	Names []string `yaml:"names" validate:"unique,dive,package_name"`
	// Why a spec would not do.
	Reason string `yaml:"reason" validate:"required" prose:"line"`
	// The way that works.
	Instead string `yaml:"instead" validate:"required" prose:"line"`
}

//go:embed unsuitable.go
var unsuitableSource embed.FS

var unsuitableLanguage = &yamldoc.Language{
	Type: reflect.TypeFor[Unsuitable](), Sources: unsuitableSource, Title: "providers that get no latchkey spec",
	Noun: "the list of unsuitable providers", Single: "one file lists them all", Inline: "write the value out",
	VersionKey: "spec", Version: Version, Reader: "the generator", MaxSize: maxSize, NumberRule: "test-number",
	Words: words, Vocabularies: vocabularies,
}

// ParseUnsuitable reads the list of unsuitable providers, and reports every problem of it.
func ParseUnsuitable(file string, data []byte) (*Unsuitable, yamldoc.Problems) {
	list := &Unsuitable{}
	d := unsuitableLanguage.Parse(file, data, list)
	problems := d.Take()
	if !problems.HasErrors() {
		d.CheckTags()
		problems = append(problems, d.Take()...)
	}
	return list, problems
}
