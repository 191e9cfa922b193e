package yamldoc

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Format is a way to show problems.
type Format string

const (
	// Text is for people: file:line:col: message, then the line and a caret below the place.
	Text Format = "text"
	// JSON is for programs: an array of objects.
	JSON Format = "json"
	// GitHub is for GitHub Actions, which shows the problems in the change (workflow commands).
	GitHub Format = "github"
)

// Write shows the problems in the given format.
func (l Problems) Write(w io.Writer, format Format) error {
	switch format {
	case JSON:
		return l.writeJSON(w)
	case GitHub:
		return l.writeGitHub(w)
	default:
		return l.writeText(w)
	}
}

func (l Problems) writeText(w io.Writer) error {
	for _, p := range l {
		if _, err := io.WriteString(w, p.text()); err != nil {
			return err
		}
	}
	return nil
}

func (p Problem) text() string {
	var b strings.Builder
	b.WriteString(printable(p.File))
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(printable(p.Message) + "\n")
	if p.Source != "" {
		b.WriteString("\t" + printable(p.Source) + "\n\t" + p.indent() + "^\n")
	}
	return b.String()
}

// indent is the white space that puts the caret below its column; tabs stay tabs, so that both
// lines move alike.
func (p Problem) indent() string {
	var b strings.Builder
	column := 1
	for _, r := range p.Source {
		if column >= p.Column {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
		column++
	}
	return b.String()
}

// printable replaces what would move the cursor or reverse the text of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func (l Problems) writeJSON(w io.Writer) error {
	type entry struct {
		File       string   `json:"file"`
		Line       int      `json:"line,omitempty"`
		Column     int      `json:"column,omitempty"`
		Severity   Severity `json:"severity"`
		Rule       string   `json:"rule"`
		Message    string   `json:"message"`
		Suggestion string   `json:"suggestion,omitempty"`
		Source     string   `json:"source,omitempty"`
	}
	entries := make([]entry, len(l)) // no problems are [], not null
	for i, p := range l {
		entries[i] = entry{p.File, p.Line, p.Column, p.Severity, p.Rule, p.Message, p.Suggestion, p.Source}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(entries)
}

func (l Problems) writeGitHub(w io.Writer) error {
	for _, p := range l {
		properties := "file=" + property(p.File)
		if p.Line > 0 {
			properties += fmt.Sprintf(",line=%d,col=%d", p.Line, p.Column)
		}
		properties += ",title=" + property(p.Rule)
		if _, err := fmt.Fprintf(w, "::%s %s::%s\n", p.Severity, properties, data(p.Message)); err != nil {
			return err
		}
	}
	return nil
}

// data and property escape text for a workflow command, so that a file cannot write commands of its
// own.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}
