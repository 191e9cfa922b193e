// Package tutorial_test does what docs/add-a-provider.md says, word for word.
package tutorial_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/othermodule"
)

// block is a fenced block: a file to write, or commands with what they print.
type block struct{ language, file, text string }

func blocks(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var list []block
	for _, m := range regexp.MustCompile("(?ms)^```(\\S+)(?: (\\S+))?\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		list = append(list, block{language: m[1], file: m[2], text: m[3]})
	}
	return list
}

func TestTutorialIsTrue(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	commands := 0
	for _, b := range blocks(t, filepath.Join(root, "docs", "add-a-provider.md")) {
		switch {
		case b.file != "":
			path := filepath.Join(dir, b.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		case b.language == "console":
			for _, step := range strings.Split(b.text, "$ ")[1:] {
				command, want, _ := strings.Cut(step, "\n")
				follow(t, root, dir, command, want)
				commands++
			}
		default:
			t.Errorf("a block of %s is neither a file nor a command", b.language)
		}
	}
	if commands < 8 {
		t.Errorf("only %d commands were found", commands)
	}
}

// follow runs a command of the page and compares what it prints; "…" stands for further lines.
func follow(t *testing.T, root, dir, command, want string) {
	t.Helper()
	got := othermodule.Run(t, root, dir, "", strings.Fields(command)...)
	if command == "go mod init example.com/reports" { // stands for a released version
		othermodule.Run(t, root, dir, "", "go", "mod", "edit", "-replace=github.com/latchkey-auth/latchkey="+root)
		return
	}
	if want == "" {
		if strings.HasPrefix(command, "go tool") && got != "" {
			t.Errorf("%s prints\n%s", command, got)
		}
		return
	}
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	expected := strings.Split(strings.TrimSuffix(want, "\n"), "\n")
	for i, line := range expected {
		if line == "…" {
			return
		}
		if i >= len(lines) || !strings.HasPrefix(lines[i], line) {
			t.Errorf("%s prints\n%s\nthe page says\n%s", command, got, want)
			return
		}
	}
	if len(lines) != len(expected) {
		t.Errorf("%s prints\n%s\nthe page says\n%s", command, got, want)
	}
}
