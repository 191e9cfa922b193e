// Package yamldoc reads YAML files of a small language that Go types describe: with the place of
// everything, all problems at once, a suggestion where a word is nearly right, and the words of the
// language instead of those of Go. It writes the language's JSON Schema and its reference from the
// same types.
//
// The types' tags are the language: yaml is a key; validate its rules (those of validator, the
// words of [Language.Words], and enum with a name of [Language.Vocabularies]); prose:"line" is for
// text that people read, and prose:"lines" for such text of several lines; keyed:"Name" makes a
// list of structs a mapping whose keys go into that field; shorthand:"scalar" or shorthand:"list"
// lets a bare value stand for a mapping with this key alone, or for the struct itself where the key
// is "-". The comments of types and fields describe them. Supported are structs, strings, bools,
// ints, lists of those, [Many] and [Object].
package yamldoc

import (
	"io/fs"
	"reflect"
	"regexp"
)

// Language is a language of YAML files.
type Language struct {
	// Type is the struct that a whole file fills.
	Type reflect.Type
	// Sources are the Go files with the types, whose comments become descriptions.
	Sources fs.FS
	// Title is the title of the JSON Schema.
	Title string
	// Noun is what messages call a file: "a spec".
	Noun string
	// Single says that one file has one document: "one file describes one provider".
	Single string
	// Inline says what to write where somebody wants an alias: "write the value out".
	Inline string
	// VersionKey is the key of the language's version, with which a file starts; Version is the one
	// that Reader reads.
	VersionKey string
	Version    int
	// Reader is what reads the files, in messages: "the generator".
	Reader string
	// MaxSize bounds a file, in bytes.
	MaxSize int
	// NumberRule is the rule that a number in an [Object] breaks which JSON cannot hold.
	NumberRule string
	// Words are rules about a single text, by the names that validate tags give them.
	Words map[string]Word
	// Vocabularies are the closed sets of words that the rule enum of validate tags names.
	Vocabularies map[string]Vocabulary
}

// Word is a rule about a single text.
type Word struct {
	// Rule is the identifier in problems.
	Rule string
	// Pattern is what the whole text matches. It goes into the schema.
	Pattern *regexp.Regexp
	// Check looks for what a pattern cannot; nil where there is nothing more.
	Check func(string) bool
	// Must says what the text has to be, in words that follow "must be".
	Must string
}

// Valid reports whether a text follows the rule.
func (w Word) Valid(s string) bool { return w.Pattern.MatchString(s) && (w.Check == nil || w.Check(s)) }

// Vocabulary is a closed set of words.
type Vocabulary struct {
	Words []string
	// Refused are words that somebody may well write, with the reason why they are not in the
	// language.
	Refused map[string]string
}

// Many is a list of texts that may be written as one bare text.
type Many []string

// Object is a JSON object, of any content.
type Object map[string]any
