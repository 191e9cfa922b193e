package cli_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/cli"
	"github.com/latchkey-auth/latchkey/gen/internal/output"
)

// signalling is a writer that says once that something was written.
type signalling struct {
	once  sync.Once
	wrote chan struct{}
	bytes.Buffer
}

func (s *signalling) Write(p []byte) (int, error) {
	defer s.once.Do(func() { close(s.wrote) })
	return s.Buffer.Write(p)
}

func TestGenerateTwiceAtOnce(t *testing.T) {
	t.Parallel()
	t.Run("D8: a run waits for another one, says so, and reads the specs after it", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak)
		unlock, err := output.Lock(t.Context(), dir, func() { t.Error("the lock is taken") })
		if err != nil {
			t.Fatal(err)
		}
		stderr := &signalling{wrote: make(chan struct{})}
		done := make(chan int)
		go func() {
			done <- cli.Main([]string{
				"generate", "--specs", filepath.Join(dir, "specs"), "--out", filepath.Join(dir, "providers"), "--docs=", "--env=",
			}, &bytes.Buffer{}, stderr)
		}()
		<-stderr.wrote
		if _, err := os.Stat(filepath.Join(dir, "providers")); err == nil {
			t.Error("it wrote while another one was at work")
		}
		write(t, filepath.Join(dir, "specs", "keycloak.yaml"), strings.Replace(read(t, keycloak), "title: Keycloak", "title: Later", 1))
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		if code := <-done; code != cli.OK || !strings.Contains(stderr.String(), "waiting for another one") {
			t.Errorf("exit code %d, says %s", code, stderr.String())
		}
		if !strings.Contains(read(t, filepath.Join(dir, "providers/keycloak/keycloak_gen.go")), "is the provider Later.") {
			t.Error("what it wrote is of the specs before the wait")
		}
	})
	t.Run("D8: many runs leave what the specs say, and nothing else", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak, auth0)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if code, _, stderr := generateIn(t, dir); code != cli.OK {
					t.Errorf("exit code %d, says %s", code, stderr)
				}
			})
		}
		all.Wait()
		if code, stdout, _ := generateIn(t, dir, "--check"); code != cli.OK {
			t.Errorf("the tree is not what the specs say:\n%s", stdout)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), ".latchkey") {
				t.Errorf("%s is left", entry.Name())
			}
		}
	})
}

func TestSpecsFolder(t *testing.T) {
	t.Parallel()
	t.Run("D9: names of editors and file managers, and folders, are no specs", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak)
		specs := filepath.Join(dir, "specs")
		for _, name := range []string{"._keycloak.yaml", ".hidden.yml", "_draft.yaml", "keycloak.yaml~", "#keycloak.yaml#", "old.yaml/x.yaml"} {
			write(t, filepath.Join(specs, name), "no spec: [")
		}
		for link, target := range map[string]string{".#keycloak.yaml": "me@host.1", "linked.yaml": "old.yaml"} {
			if err := os.Symlink(target, filepath.Join(specs, link)); err != nil {
				t.Fatal(err)
			}
		}
		if code, _, stderr := generateIn(t, dir); code != cli.OK || stderr != "" {
			t.Errorf("exit code %d, says %s", code, stderr)
		}
	})
	t.Run("D9: a spec whose name ends in capitals is not overlooked", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak)
		write(t, filepath.Join(dir, "specs", "auth0.YAML"), read(t, auth0))
		if code, _, stderr := generateIn(t, dir); code != cli.Failed || !strings.Contains(stderr, "file name ends in .yaml") {
			t.Errorf("exit code %d, says %s", code, stderr)
		}
	})
	t.Run("D11: pipes, sockets and devices are refused, not waited for", func(t *testing.T) {
		t.Parallel()
		for want, create := range map[string]func(string) error{
			"is a named pipe": func(path string) error { return exec.Command("mkfifo", path).Run() },
			"is a device":     func(path string) error { return os.Symlink(os.DevNull, path) },
		} {
			dir := module(t, keycloak)
			path := filepath.Join(dir, "specs", "acme.yaml")
			if err := create(path); err != nil {
				t.Fatal(err)
			}
			if code, _, stderr := generateIn(t, dir); code != cli.Failed || !strings.Contains(stderr, want) {
				t.Errorf("generate: exit code %d, says %s, want %q", code, stderr, want)
			}
			if code, _, stderr := run(t, "lint", path); code == cli.OK || !strings.Contains(stderr, want) {
				t.Errorf("lint: exit code %d, says %s, want %q", code, stderr, want)
			}
		}
	})
}

func TestCheckoutWithCarriageReturns(t *testing.T) { //nolint:tparallel // its steps follow each other
	t.Parallel()
	const crlf = "\r\n"
	dir := module(t, keycloak)
	generateIn(t, dir)
	for _, file := range []string{
		"specs/keycloak.yaml", "specs/schema.json", "internal/providers/keycloak/keycloak_gen.go", "internal/providers/all/all_gen.go",
		"docs/providers/keycloak.md", "docs/spec-reference.md", ".env.example", "go.mod",
	} {
		path := filepath.Join(dir, file)
		write(t, path, strings.ReplaceAll(read(t, path), "\n", crlf))
	}
	t.Run("D10: a checkout with CRLF is up to date", func(t *testing.T) {
		if code, stdout, stderr := generateIn(t, dir, "--check"); code != cli.OK {
			t.Errorf("exit code %d, prints %.300s, says %s", code, stdout, stderr)
		}
	})
	t.Run("D10: its differences are those that matter", func(t *testing.T) {
		file := filepath.Join(dir, "internal/providers/keycloak/keycloak_gen.go")
		write(t, file, strings.Replace(read(t, file), `"Keycloak"`, `"Changed"`, 1))
		code, stdout, _ := generateIn(t, dir, "--check")
		if code != cli.Failed || strings.Count(stdout, "\n-") != 1 || strings.Count(stdout, "\n+\t") != 1 || strings.Contains(stdout, "\r") {
			t.Errorf("exit code %d, prints\n%q", code, stdout)
		}
		if code, _, stderr := generateIn(t, dir); code != cli.OK {
			t.Fatal(stderr)
		}
		if !strings.Contains(read(t, filepath.Join(dir, "docs/spec-reference.md")), crlf) {
			t.Error("a file that was up to date was written")
		}
	})
}

func TestLinkedOutput(t *testing.T) {
	t.Parallel()
	for name, slash := range map[string]string{"": "", " and a slash behind it": "/"} {
		t.Run("D11: a link for an output folder"+name+" is followed and stays", func(t *testing.T) {
			t.Parallel()
			dir := module(t, keycloak, auth0)
			link := filepath.Join(dir, "providers")
			if err := os.Symlink("made/here", link); err != nil { // which is not there yet
				t.Fatal(err)
			}
			generate := func() {
				t.Helper()
				code, _, stderr := run(t, "generate", "--specs", filepath.Join(dir, "specs"), "--out", link+slash, "--docs=", "--env=")
				if code != cli.OK {
					t.Fatalf("exit code %d, says %s", code, stderr)
				}
			}
			generate()
			if registry := read(t, filepath.Join(dir, "made/here/all/auth0_gen.go")); !strings.Contains(registry, `"example.com/mine/made/here/auth0"`) {
				t.Errorf("the import path is not that of the folder behind the link:\n%s", registry)
			}
			for _, spec := range []string{"auth0", "keycloak"} {
				if err := os.Remove(filepath.Join(dir, "specs", spec+".yaml")); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, "specs/okta.yaml"), read(t, "../../../specs/okta.yaml"))
				generate()
				if _, err := os.Stat(filepath.Join(dir, "made/here", spec)); err == nil {
					t.Errorf("the package %s of a removed spec is left behind the link", spec)
				}
			}
			if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("the link is gone: %v", err)
			}
		})
	}
	t.Run("D11: links for the pages and the sample are followed too", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak)
		write(t, filepath.Join(dir, "wiki/mine.md"), "mine\n")
		for link, target := range map[string]string{"docs": "wiki", ".env.example": "sample.env"} {
			if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if code, _, stderr := generateIn(t, dir); code != cli.OK {
				t.Fatal(stderr)
			}
		}
		for _, file := range []string{"wiki/providers/keycloak.md", "sample.env", "wiki/mine.md"} {
			read(t, filepath.Join(dir, file))
		}
	})
	t.Run("D11: a link below the output folder is refused", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak)
		write(t, filepath.Join(dir, "elsewhere/mine.go"), "package mine\n")
		if err := os.MkdirAll(filepath.Join(dir, "internal/providers"), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../../elsewhere", filepath.Join(dir, "internal/providers/keycloak")); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := generateIn(t, dir); code != cli.Failed || !strings.Contains(stderr, "symbolic link") {
			t.Errorf("exit code %d, says %s", code, stderr)
		}
		if entries, err := os.ReadDir(filepath.Join(dir, "elsewhere")); err != nil || len(entries) != 1 {
			t.Errorf("something was written behind the link: %v, %v", entries, err)
		}
	})
}

func TestOutputPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ out, want string }{
		{"my providers", "Go cannot import packages from there"},
		{"_x", "Go leaves out folders named _x"},
		{"gen/_x/y", "Go leaves out folders named _x"},
		{".x", "Go leaves out folders named .x"},
		{"testdata/p", "Go leaves out folders named testdata"},
		{"vendor", "copies of other modules"},
		{"con", "Go cannot import packages from there"},
		{"ägent", "Go cannot import packages from there"},
	} {
		t.Run("D12: --out "+c.out+" is refused with the reason", func(t *testing.T) {
			t.Parallel()
			dir := module(t, keycloak)
			code, _, stderr := run(t, "generate", "--specs", filepath.Join(dir, "specs"), "--out", filepath.Join(dir, c.out), "--docs=", "--env=")
			if code != cli.Failed || !strings.Contains(stderr, c.want) || !strings.Contains(stderr, "choose another folder") {
				t.Errorf("exit code %d, says %s, want %q", code, stderr, c.want)
			}
			if _, err := os.Stat(filepath.Join(dir, c.out)); err == nil {
				t.Error("the folder was made")
			}
		})
	}
	for name, text := range map[string]string{
		"a block": "module (\n\texample.com/mine // here\n)\n\ngo 1.26\n", "quotes": "module \"example.com/mine\"\n",
		"comments": "// module example.com/other\n\nmodule example.com/mine\n",
	} {
		t.Run("D12: the module of a go.mod with "+name+" is read", func(t *testing.T) {
			t.Parallel()
			dir := module(t, keycloak)
			write(t, filepath.Join(dir, "go.mod"), text)
			if code, _, stderr := generateIn(t, dir); code != cli.OK {
				t.Fatal(stderr)
			}
			if !strings.Contains(read(t, filepath.Join(dir, "internal/providers/all/keycloak_gen.go")), `"example.com/mine/internal/providers/keycloak"`) {
				t.Error("the import path is another one")
			}
		})
	}
}

func TestFilesInTheWayOfPages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, want string }{
		{"docs/providers/README.md", "--docs="}, {"docs/spec-reference.md", "--docs="}, {"docs", "--docs="}, {".env.example", "--env="},
		{"internal/providers/all/all_gen.go", "--out=FOLDER"}, {"specs/schema.json", "move it"},
	} {
		t.Run("D14: of "+c.file+" of somebody else, the message says what to do", func(t *testing.T) {
			t.Parallel()
			dir := module(t, keycloak)
			write(t, filepath.Join(dir, c.file), "mine\n")
			code, _, stderr := generateIn(t, dir)
			if code != cli.Failed || !strings.Contains(stderr, c.want) || !strings.Contains(stderr, filepath.Base(c.file)) {
				t.Errorf("exit code %d, says %s, want %q", code, stderr, c.want)
			}
			if read(t, filepath.Join(dir, c.file)) != "mine\n" {
				t.Error("it was changed")
			}
		})
	}
}

func TestSecondOutput(t *testing.T) {
	t.Parallel()
	two := func(t *testing.T) (dir string, second func(more ...string) (int, string)) {
		t.Helper()
		dir = module(t, keycloak)
		if code, _, stderr := generateIn(t, dir); code != cli.OK {
			t.Fatal(stderr)
		}
		write(t, filepath.Join(dir, "more/auth0.yaml"), read(t, auth0))
		return dir, func(more ...string) (int, string) {
			t.Helper()
			code, _, stderr := run(t, append([]string{
				"generate", "--specs", filepath.Join(dir, "more"), "--out", filepath.Join(dir, "internal"),
				"--docs", filepath.Join(dir, "docs"), "--env", filepath.Join(dir, ".env.example"),
			}, more...)...)
			return code, stderr
		}
	}
	t.Run("D14: pages and variables of the first are kept, and the flags are named", func(t *testing.T) {
		t.Parallel()
		dir, second := two(t)
		code, stderr := second()
		if code != cli.Failed || !strings.Contains(stderr, "about the packages in example.com/mine/internal/providers") ||
			!strings.Contains(stderr, "--docs=") || !strings.Contains(stderr, "--env=") {
			t.Errorf("exit code %d, says %s", code, stderr)
		}
		if code, stdout, _ := generateIn(t, dir, "--check"); code != cli.OK {
			t.Errorf("the first output was changed:\n%s", stdout)
		}
	})
	t.Run("D14: with places of its own it takes nothing from the first, even when it is the folder around it", func(t *testing.T) {
		t.Parallel()
		dir, second := two(t)
		if code, stderr := second("--docs", filepath.Join(dir, "docs/more"), "--env="); code != cli.OK {
			t.Fatal(stderr)
		}
		if code, stdout, _ := generateIn(t, dir, "--check"); code != cli.OK {
			t.Errorf("the first output was changed:\n%s", stdout)
		}
	})
	t.Run("D14: an output that was moved keeps its pages", func(t *testing.T) {
		t.Parallel()
		dir, _ := two(t)
		if err := os.Rename(filepath.Join(dir, "internal/providers"), filepath.Join(dir, "moved")); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := generateIn(t, dir, "--out", filepath.Join(dir, "moved")); code != cli.OK {
			t.Error(stderr)
		}
	})
}

func TestFilesOfEditorsStay(t *testing.T) {
	t.Parallel()
	t.Run("D8: dot files of other programs stay, leftovers of a killed run go", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak)
		generateIn(t, dir)
		generated := read(t, filepath.Join(dir, "internal/providers/keycloak/keycloak_gen.go"))
		folder := filepath.Join(dir, "internal/providers/keycloak")
		for _, name := range []string{".keycloak_gen.go.swp", "._keycloak_gen.go", ".latchkey-mine", ".latchkey-1.tmp"} {
			write(t, filepath.Join(folder, name), generated)
		}
		if code, _, stderr := generateIn(t, dir); code != cli.OK {
			t.Fatal(stderr)
		}
		for name, stays := range map[string]bool{
			".keycloak_gen.go.swp": true, "._keycloak_gen.go": true, ".latchkey-mine": true, ".latchkey-1.tmp": false,
		} {
			if _, err := os.Stat(filepath.Join(folder, name)); (err == nil) != stays {
				t.Errorf("%s: %v, want it to stay: %v", name, err, stays)
			}
		}
	})
}
