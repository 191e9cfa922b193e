package spec_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"gopkg.in/yaml.v3"

	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// form are the rules that the schema knows too: an editor reports them while a spec is typed.
var form = []string{
	"claim-path", "date", "docs-url", "duplicate-key", "empty", "empty-file", "empty-value", "env-name", "error-code",
	"field-name", "go-name", "header-value", "missing-key", "negative-number", "not-a-mapping", "one-line", "package-name",
	"parameter", "refused-value", "repeated-entry", "scheme", "scope",
	"too-few", "type-header", "unknown-key", "unknown-value", "unquoted", "version", "wrong-kind",
}

// unreadable are the rules about files that are no YAML, or more than the data in it.
var unreadable = []string{"alias", "anchor", "encoding", "second-document", "syntax", "tag", "key-kind", "test-number", "duplicate-key"}

func resolved(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := spec.Schema("test")
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	r, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// asJSON turns a YAML file into what a JSON Schema can be asked about.
func asJSON(t *testing.T, file string) any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := yaml.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.ReplaceAll(string(text), "T00:00:00Z", "")) // the library reads dates, JSON has none
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSchemaAgreesWithTheParser gives every fixture to both.
func TestSchemaAgreesWithTheParser(t *testing.T) {
	t.Parallel()
	schema := resolved(t)
	for _, pattern := range []string{"../../../specs/*.yaml", "../golden/specs/*.yaml", "testdata/errors/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no fixtures in %s: %v", pattern, err)
		}
		for _, file := range files {
			rule := strings.TrimSuffix(filepath.Base(file), ".yaml")
			if slices.Contains(unreadable, rule) {
				continue
			}
			t.Run(file, func(t *testing.T) {
				t.Parallel()
				err := schema.Validate(asJSON(t, file))
				broken := strings.Contains(file, "errors") && slices.Contains(form, rule)
				if (err != nil) != broken {
					t.Errorf("the schema says %v, the parser reports a mistake of form: %t", err, broken)
				}
			})
		}
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()
	text, err := spec.Schema("test")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		object, ok := value.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := object["properties"].(map[string]any); ok {
			for key, property := range properties {
				described, ok := property.(map[string]any)
				if !ok || described["description"] == nil {
					t.Errorf("%s/%s has no description", path, key)
				}
			}
		}
		for key, inner := range object {
			walk(path+"/"+key, inner)
		}
	}
	walk("", document)
}
