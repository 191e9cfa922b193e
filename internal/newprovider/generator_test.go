package newprovider_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/gen"
)

// generator runs the generator's command line and returns its exit code and what it says.
func generator(args ...string) (int, string) {
	var said bytes.Buffer
	if args[0] == "generate" {
		args = append(args, "--docs=", "--env=") // which would go beside this test
	}
	return gen.Main(args, &said, &said), said.String()
}

// A draft is made of a running provider's own metadata, too.
func TestDraftFromARunningProvider(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, func(c *devidp.Config) { c.Issuer += "/realms/dev" })
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/mine\n\ngo 1.26\n")
	specs := filepath.Join(dir, "specs")
	if code, said := generator("init", "embedded", "--discovery", idp.Issuer(), "--specs", specs); code != 0 {
		t.Fatal(said)
	}
	spec := filepath.Join(specs, "embedded.yaml")
	if code, said := generator("lint", spec); code != 0 || strings.Contains(said, "error") {
		t.Errorf("the draft does not lint: %s", said)
	}
	if code, said := generator("generate", "--specs", specs, "--out", filepath.Join(dir, "providers")); code != 0 {
		t.Errorf("the draft does not generate: %s", said)
	}
	if text := read(t, spec); !strings.Contains(text, "mode: direct") || !strings.Contains(text, "/realms/dev") {
		t.Errorf("the draft is\n%s", text)
	}
}

func TestOneBadSpecOfFiftyChangesNoFile(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/mine\n\ngo 1.26\n")
	specs, out := filepath.Join(dir, "specs"), filepath.Join(dir, "providers")
	spec := tutorialSpec(t, root)
	named := func(i int) (string, string) {
		name := fmt.Sprintf("acme%02d", i)
		return filepath.Join(specs, name+".yaml"), strings.ReplaceAll(strings.Replace(spec, "name: acme\n", "name: "+name+"\n", 1), "ACME_", strings.ToUpper(name)+"_")
	}
	for i := range 50 {
		file, text := named(i)
		write(t, file, text)
	}
	if code, said := generator("generate", "--specs", specs, "--out", out); code != 0 {
		t.Fatal(said)
	}
	before := snapshot(t, dir, specs)
	file, text := named(7)
	write(t, file, strings.Replace(text, "title: Acme", "title: Changed", 1))
	file, text = named(31)
	write(t, file, strings.Replace(text, "jwks:", "jwsk:", 1))
	code, said := generator("generate", "--specs", specs, "--out", out)
	if code != 1 || !strings.Contains(said, `did you mean "jwks"?`) {
		t.Errorf("exit code %d, says %s", code, said)
	}
	if after := snapshot(t, dir, specs); after != before {
		t.Error("files changed although a spec is bad")
	}
}

// snapshot is every file below dir with its content, without the specs.
func snapshot(t *testing.T, dir, specs string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Dir(path) == specs {
			return err
		}
		data, err := os.ReadFile(path)
		b.WriteString(path + "\n" + string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
