package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Parse reads a file into the variable that into points to, a struct of the language's type.
// Problems of form are found: syntax, keys that do not exist or exist twice, values of the wrong
// kind. The document is never nil, and into holds what could be read.
func (l *Language) Parse(file string, data []byte, into any) *Document {
	d := &Document{
		File: file, Lines: strings.Split(string(data), "\n"),
		language: l, into: reflect.ValueOf(into).Elem(), places: map[string]Place{}, broken: map[string]bool{},
	}
	reader := decoder{d}
	if root := reader.read(data); root != nil && reader.version(root) {
		reader.decode(root)
	}
	return d
}

// read returns the mapping that the file holds, nil when it holds none.
func (d decoder) read(data []byte) *yaml.Node {
	switch {
	case len(data) > d.language.MaxSize:
		d.Add(Error, "file-size", Position{}, fmt.Sprintf("the file is larger than %d KB", d.language.MaxSize>>10), "")
		return nil
	case !utf8.Valid(data):
		d.Add(Error, "encoding", Position{Line: invalidLine(data), Column: 1}, "the file is not UTF-8 text", "")
		return nil
	}
	first, rest, err := documents(data)
	if err != nil {
		d.syntax(err)
		return nil
	}
	if rest != nil {
		d.Add(Error, "second-document", Position{Line: rest.Line, Column: rest.Column},
			"a second document: "+d.language.Single+", give this one its own file", "")
	}
	if first == nil {
		d.Add(Error, "empty-file", Position{}, "the file is empty; "+d.language.Noun+" starts with "+d.language.start(), "")
		return nil
	}
	root := first.Content[0]
	if root.Kind != yaml.MappingNode {
		d.Add(Error, "not-a-mapping", at(root), d.language.Noun+" is a mapping that starts with "+d.language.start(), "")
		return nil
	}
	if !d.plain(root, 0) {
		return nil
	}
	return root
}

// documents returns the first document and the second one, where there is one.
func documents(data []byte) (first, second *yaml.Node, err error) {
	defer func() { // the library panics on some malformed input
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var nodes [2]yaml.Node
	for i := range nodes {
		err := decoder.Decode(&nodes[i])
		switch {
		case errors.Is(err, io.EOF):
			if i == 0 {
				return nil, nil, nil
			}
			return &nodes[0], nil, nil
		case err != nil && i == 1 && len(nodes[0].Content) == 0:
			return nil, nil, err
		case err != nil:
			return nil, nil, err
		}
	}
	return &nodes[0], &nodes[1], nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax reports an error of the YAML library.
func (d decoder) syntax(err error) {
	position := Position{Line: 1, Column: 1}
	message := err.Error()
	if m := yamlLine.FindStringSubmatch(strings.ReplaceAll(message, "\n", " ")); m != nil {
		message = m[2]
		if line, err := strconv.Atoi(m[1]); err == nil {
			position.Line = line
		}
	}
	if strings.Contains(message, "cannot start any token") {
		message += " (indent with spaces, and put text that starts with a special character in quotes)"
	}
	d.Add(Error, "syntax", position, "this is not YAML: "+message, "")
}

// maxDepth bounds nesting. The language needs about six levels.
const maxDepth = 32

// plain refuses what makes YAML more than data in one place: anchors, aliases, tags. They hide what
// a file says from its reader, and bombs are made of them.
func (d decoder) plain(node *yaml.Node, depth int) bool {
	switch {
	case depth > maxDepth:
		d.Add(Error, "nesting", at(node), fmt.Sprintf("nested more than %d levels deep", maxDepth), "")
		return false
	case node.Kind == yaml.AliasNode:
		d.Add(Error, "alias", at(node), fmt.Sprintf("alias *%s: %s", node.Value, d.language.Inline), "")
		return false
	}
	ok := true
	if node.Anchor != "" {
		d.Add(Error, "anchor", at(node), fmt.Sprintf("anchor &%s: anchors and aliases are not part of the language", node.Anchor), "")
		ok = false
	}
	if node.Style&yaml.TaggedStyle != 0 {
		d.Add(Error, "tag", at(node), fmt.Sprintf("tag %s: tags are not part of the language", node.Tag), "")
		ok = false
	}
	for _, child := range node.Content {
		ok = d.plain(child, depth+1) && ok
	}
	return ok
}

// version reports whether the language reads the file's version of it. It is looked at before
// anything else, since another version may mean other keys.
func (d decoder) version(root *yaml.Node) bool {
	want := strconv.Itoa(d.language.Version)
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != d.language.VersionKey {
			continue
		}
		if value := root.Content[i+1]; value.Kind != yaml.ScalarNode || value.Value != want {
			d.Add(Error, "version", at(value), fmt.Sprintf(
				"language version %s: this version of %s reads %s", quoteNode(value), d.language.Reader, want), want)
			return false
		}
		return true
	}
	d.Add(Error, "version", at(root), "the language version is missing: start the file with "+d.language.start(), "")
	return false
}

// start is the line with which a file starts.
func (l *Language) start() string { return fmt.Sprintf("`%s: %d`", l.VersionKey, l.Version) }

func at(node *yaml.Node) Position {
	return Position{Line: node.Line, Column: node.Column}
}

func quoteNode(node *yaml.Node) string {
	if node.Kind == yaml.ScalarNode {
		return strconv.Quote(node.Value)
	}
	return "as a " + kindName(node)
}

// invalidLine returns the number of the first line that is not UTF-8.
func invalidLine(data []byte) int {
	for i, line := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(line) {
			return i + 1
		}
	}
	return 1
}
