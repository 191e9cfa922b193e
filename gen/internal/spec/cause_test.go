package spec_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/spec"
	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// goodSpecs are all specs of the repository, by file.
func goodSpecs(t *testing.T) map[string]string {
	t.Helper()
	specs := map[string]string{}
	for _, pattern := range []string{"../../../specs/*.yaml", "../golden/specs/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no specs: %v", err)
		}
		for _, file := range files {
			specs[filepath.Base(file)] = string(read(t, file))
		}
	}
	return specs
}

// words are the values that the language's keys may have, by key, where they are a closed set.
func words() map[string][]string {
	found := map[string][]string{}
	for _, section := range spec.Reference() {
		for _, key := range section.Keys {
			found[key.Name] = append(found[key.Name], key.Words...)
			if key.Kind == "true or false" {
				found[key.Name] = append(found[key.Name], "true", "false")
			}
		}
	}
	return found
}

var keyed = regexp.MustCompile(`([a-z_]+): \[?([A-Za-z0-9_]+)`)

// TestOneMistakeIsReportedOnce breaks every word and every switch of every spec, in several ways.
func TestOneMistakeIsReportedOnce(t *testing.T) {
	t.Parallel()
	vocabulary := words()
	for file, good := range goodSpecs(t) {
		t.Run("D13: in "+file+" each wrong word is the only problem", func(t *testing.T) {
			t.Parallel()
			broken, ways := 0, []string{"x", "banana", "5", "{a: b}", `""`}
			if _, err := os.Stat("../golden/specs/" + file); err != nil {
				ways = ways[:2] // the goldens have every kind
			}
			for _, at := range keyed.FindAllStringSubmatchIndex(good, -1) {
				key, word := good[at[2]:at[3]], good[at[4]:at[5]]
				if !slices.Contains(vocabulary[key], word) {
					continue
				}
				broken++
				for _, wrong := range ways {
					if wrong == "x" {
						wrong = word + "x"
					}
					only(t, file, good[:at[4]]+wrong+good[at[5]:], fmt.Sprintf("%s: %s", key, wrong), strings.Count(good[:at[4]], "\n")+1)
				}
				only(t, file, good[:at[2]]+"x"+good[at[2]:], fmt.Sprintf("x%s: %s", key, word), strings.Count(good[:at[2]], "\n")+1)
			}
			if broken == 0 {
				t.Error("the spec has no word of a vocabulary")
			}
		})
	}
}

func TestAMissingWordIsReportedOnce(t *testing.T) {
	t.Parallel()
	for file, good := range goodSpecs(t) {
		for _, pattern := range []string{`(?m)^mode: .*\n`, `(?m)^    type: .*\n`} {
			at := regexp.MustCompile(pattern).FindStringIndex(good)
			if at == nil { // the goldens have their fields in one line each
				continue
			}
			t.Run("D13: in "+file+" without "+pattern, func(t *testing.T) {
				t.Parallel()
				problems := check("specs/"+file, []byte(good[:at[0]]+good[at[1]:]))
				if len(problems) != 1 || problems[0].Rule != "missing-key" {
					t.Errorf("the problems are %v", problems)
				}
			})
		}
	}
}

var reference = regexp.MustCompile(`\{([a-z][A-Za-z]{5,})\}`)

func TestAWrongReferenceIsReportedOnce(t *testing.T) {
	t.Parallel()
	for file, good := range goodSpecs(t) {
		facts, _, _ := strings.Cut(good, "\ntest:")
		for _, at := range reference.FindAllStringSubmatchIndex(facts, -1) {
			name := facts[at[2]:at[3]]
			if !strings.Contains(facts, "name: "+name) || strings.Contains(facts[:at[0]][strings.LastIndex(facts[:at[0]], "\n")+1:], "#") {
				continue
			}
			t.Run(fmt.Sprintf("D13: in %s a reference to %s at %d", file, name, at[0]), func(t *testing.T) {
				t.Parallel()
				only(t, file, good[:at[3]]+"x"+good[at[3]:], "{"+name+"x}", strings.Count(good[:at[2]], "\n")+1)
			})
		}
	}
}

// only checks that a spec has one error, in the given line.
func only(t *testing.T, file, text, wrong string, line int) {
	t.Helper()
	var errors []string
	for _, p := range check("specs/"+file, []byte(text)) {
		if p.Severity == yamldoc.Error {
			errors = append(errors, fmt.Sprintf("%d: %s", p.Line, p.Message))
		}
	}
	if len(errors) != 1 || !strings.HasPrefix(errors[0], fmt.Sprintf("%d: ", line)) {
		t.Errorf("%s in line %d gives\n\t%s", wrong, line, strings.Join(errors, "\n\t"))
	}
}
