package archtest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// docsIndex is the page by which readers find the others.
const docsIndex = "README.md"

func TestTheIndexOfTheDocsLinksEveryPage(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(root, "docs")
	index, err := os.ReadFile(filepath.Join(folder, docsIndex))
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{docsIndex: true}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllSubmatch(index, -1) {
		name := string(link[1])
		linked[name] = true
		if _, err := os.Stat(filepath.Join(folder, filepath.FromSlash(name))); err != nil {
			t.Errorf("docs/%s links to nothing: %v", docsIndex, err)
		}
	}
	pages, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); !linked[name] {
			t.Errorf("docs/%s does not link to %s: add the question that the page answers", docsIndex, name)
		}
	}
}
