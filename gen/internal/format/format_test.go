package format_test

import (
	"strings"
	"testing"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/format"
)

func TestGoGroupsImports(t *testing.T) {
	t.Parallel()
	f := jen.NewFile("p")
	f.NoFormat = true
	f.Var().Id("a").Op("=").List(jen.Qual("example.com/z", "Z"), jen.Qual("time", "Now"), jen.Qual("example.com/b", "B"), jen.Qual("go/ast", "X"))
	got, err := format.Go(f, "p/p.go")
	if err != nil {
		t.Fatal(err)
	}
	const want = "import (\n\t\"go/ast\"\n\t\"time\"\n\n\tb \"example.com/b\"\n\tz \"example.com/z\"\n)\n"
	if !strings.Contains(string(got), want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestGoNamesTheFileThatIsNoGo(t *testing.T) {
	t.Parallel()
	f := jen.NewFile("p")
	f.NoFormat = true
	f.Op("}")
	if _, err := format.Go(f, "p/p.go"); err == nil || !strings.Contains(err.Error(), "format p/p.go: ") {
		t.Errorf("the error is %v", err)
	}
}
