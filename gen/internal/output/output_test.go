package output

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const marker = "Made by the machine"

// world makes files below a new folder and returns it.
func world(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range files {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// listing returns everything below a folder.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			files[name+"/"] = ""
			return nil
		}
		data, err := os.ReadFile(path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func ours(text string) string { return "// " + marker + "\n" + text }

// run plans and commits in a folder.
func run(t *testing.T, dir string, wanted map[string]string) error {
	t.Helper()
	tree := Tree{Marker: marker, Roots: []Root{{Path: dir, Depth: 1}}}
	var files []File
	for path, text := range wanted {
		files = append(files, File{Path: filepath.Join(dir, path), Data: []byte(text)})
	}
	changes, err := tree.Plan(files)
	if err != nil {
		return err
	}
	return tree.Commit(changes)
}

func expect(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := listing(t, dir)
	for path, text := range want {
		if got[path] != text {
			t.Errorf("%s holds %q, want %q", path, got[path], text)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok && !strings.HasSuffix(path, "/") {
			t.Errorf("%s is there too", path)
		}
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	t.Run("writes new files, replaces ours, removes those that are no longer wanted, and their folders", func(t *testing.T) {
		t.Parallel()
		dir := world(t, map[string]string{"a/a.go": ours("old"), "b/b.go": ours("gone"), "c/c.go": ours("same")})
		want := map[string]string{"a/a.go": ours("new"), "c/c.go": ours("same"), "d/e/f.go": ours("more")}
		if err := run(t, dir, want); err != nil {
			t.Fatal(err)
		}
		expect(t, dir, want)
		if _, err := os.Stat(filepath.Join(dir, "b")); err == nil {
			t.Error("the empty folder of a removed file is left")
		}
	})
	t.Run("keeps files that somebody else wrote", func(t *testing.T) {
		t.Parallel()
		dir := world(t, map[string]string{"a/a.go": ours("old"), "a/hand.go": "mine\n", "notes.txt": "a line\nof mine\nand then\n" + marker})
		if err := run(t, dir, nil); err != nil {
			t.Fatal(err)
		}
		expect(t, dir, map[string]string{"a/hand.go": "mine\n", "notes.txt": "a line\nof mine\nand then\n" + marker})
	})
	t.Run("changes nothing when a file of somebody else is in the way", func(t *testing.T) {
		t.Parallel()
		before := map[string]string{"a.go": ours("old"), "b.go": "mine\n", "z.go": ours("stale")}
		dir := world(t, before)
		err := run(t, dir, map[string]string{"a.go": ours("new"), "b.go": ours("new")})
		if err == nil || !strings.Contains(err.Error(), "b.go is in the way") {
			t.Errorf("the error is %v, want one that names b.go", err)
		}
		expect(t, dir, before)
	})
	t.Run("changes nothing when something that is no file is in the way", func(t *testing.T) {
		t.Parallel()
		before := map[string]string{"a.go": ours("old"), "b.go/inner.txt": "mine\n"}
		dir := world(t, before)
		if err := run(t, dir, map[string]string{"a.go": ours("new"), "b.go": ours("new")}); err == nil {
			t.Error("no error")
		}
		expect(t, dir, before)
	})
	t.Run("does not write through a symbolic link", func(t *testing.T) {
		t.Parallel()
		dir := world(t, map[string]string{"elsewhere.go": ours("theirs")})
		if err := os.Symlink(filepath.Join(dir, "elsewhere.go"), filepath.Join(dir, "a.go")); err != nil {
			t.Fatal(err)
		}
		if err := run(t, dir, map[string]string{"a.go": ours("new")}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("puts everything back when a file cannot be moved to its place", func(t *testing.T) {
		t.Parallel()
		before := map[string]string{"a.go": ours("old"), "b.go": ours("old"), "c.go": ours("stale")}
		dir := world(t, before)
		tree := Tree{Marker: marker, Roots: []Root{{Path: dir, Depth: 1}}}
		changes, err := tree.Plan([]File{
			{Path: filepath.Join(dir, "a.go"), Data: []byte(ours("new"))},
			{Path: filepath.Join(dir, "b.go"), Data: []byte(ours("new"))},
			{Path: filepath.Join(dir, "n.go"), Data: []byte(ours("new"))},
		})
		if err != nil {
			t.Fatal(err)
		}
		// After the plan something gets in the way of the last file.
		if err := os.MkdirAll(filepath.Join(dir, "n.go", "x"), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := tree.Commit(changes); err == nil {
			t.Fatal("no error")
		}
		expect(t, dir, before)
	})
}

func TestPlanOfAMissingFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "there")
	changes, err := Tree{Marker: marker, Roots: []Root{{Path: dir, Depth: 1}}}.Plan([]File{{Path: filepath.Join(dir, "a.go"), Data: []byte("x")}})
	if err != nil || len(changes) != 1 || changes[0].Old != nil {
		t.Errorf("changes are %v, error %v; want one new file", changes, err)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	numbered := func(skip int) string {
		var b strings.Builder
		for i := 1; i <= 20; i++ {
			if i != skip {
				b.WriteString("line " + string(rune('a'+i-1)) + "\n")
			}
		}
		return b.String()
	}
	cases := []struct {
		name     string
		old, new []byte
		want     string
	}{
		{"shows a new file", nil, []byte("a\nb\n"), "--- /dev/null\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"shows a removed file", []byte("a\n"), nil, "--- f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n"},
		{"shows a change with its surroundings", []byte("a\nb\nc\nd\ne\n"), []byte("a\nb\nX\nd\ne\n"),
			"--- f\n+++ f\n@@ -1,5 +1,5 @@\n a\n b\n-c\n+X\n d\n e\n"},
		{"leaves out what is far away", []byte(numbered(0)), []byte(numbered(10)),
			"--- f\n+++ f\n@@ -7,7 +7,6 @@\n line g\n line h\n line i\n-line j\n line k\n line l\n line m\n"},
		{"joins changes that are near each other, and splits those that are not",
			[]byte("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n"),
			[]byte("one\n2\n3\n4\n5\nsix\n7\n8\n9\n10\n11\n12\n13\n14\n15\nsixteen\n"),
			"--- f\n+++ f\n@@ -1,9 +1,9 @@\n-1\n+one\n 2\n 3\n 4\n 5\n-6\n+six\n 7\n 8\n 9\n@@ -13,4 +13,4 @@\n 13\n 14\n 15\n-16\n+sixteen\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Diff([]Change{{Path: "f", Old: c.old, New: c.new}}); got != c.want {
				t.Errorf("diff is\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// FuzzDiff applies every diff to the old file, which must give the new one.
func FuzzDiff(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd\n")
	f.Add("", "x\n")
	f.Fuzz(func(t *testing.T, old, changed string) {
		var got []string
		var before []string
		for _, e := range edits(lines([]byte(old)), lines([]byte(changed))) {
			if e.kind != '-' {
				got = append(got, e.line)
			}
			if e.kind != '+' {
				before = append(before, e.line)
			}
		}
		if !slices.Equal(got, lines([]byte(changed))) || !slices.Equal(before, lines([]byte(old))) {
			t.Errorf("the edits from %q to %q give %q from %q", old, changed, got, before)
		}
	})
}
