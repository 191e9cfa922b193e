// Package emit writes models as Go: the package of a provider, its test, and the package that knows
// all of them.
package emit

import (
	"path"
	"strconv"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/prose"
)

// Import paths of what generated code uses. The generator knows them as text only.
const (
	modulePath       = "github.com/latchkey-auth/latchkey"
	oauthPath        = modulePath + "/oauth"
	runtimePath      = modulePath + "/runtime"
	factsPath        = runtimePath + "/facts"
	proxyPath        = runtimePath + "/proxy"
	providertestPath = runtimePath + "/providertest"
)

// Source is an emitted file that still has to be formatted.
type Source struct {
	// Path is relative to the folder of the generated packages.
	Path string
	File *jen.File
}

// Provider returns the sources of one provider: the package and its test. importPath is that of the
// folder of all packages.
func Provider(m *model.Model, importPath string) []Source {
	own := path.Join(importPath, m.Name)
	return []Source{
		{Path: m.Name + "/" + m.Name + "_gen.go", File: emitPackage(m, own)},
		{Path: m.Name + "/" + m.Name + "_gen_test.go", File: emitTest(m, own)},
	}
}

// newFile starts a file with the header.
func newFile(importPath, packageName, specs string) *jen.File {
	f := jen.NewFilePathName(importPath, packageName)
	f.NoFormat = true // Format does it, where its problems can be reported
	f.HeaderComment("// " + prose.Header(specs))
	for _, imported := range []string{oauthPath, runtimePath, factsPath, proxyPath, providertestPath} {
		f.ImportName(imported, path.Base(imported))
	}
	return f
}

// member is one key of a composite literal.
type member struct {
	key   string
	value jen.Code
}

// literal is a composite literal with one member a line; members without a value are left out. Type
// may be nil.
func literal(typ *jen.Statement, members ...member) *jen.Statement {
	var lines []jen.Code
	for _, m := range members {
		if m.value != nil {
			lines = append(lines, jen.Id(m.key).Op(":").Add(m.value))
		}
	}
	return jen.Add(typ).Custom(jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}, lines...)
}

// text is a string literal, nil for none. It is quoted, never between backquotes, so that nothing
// can end it.
func text(s string) jen.Code {
	if s == "" {
		return nil
	}
	return quoted(s)
}

func quoted(s string) *jen.Statement { return jen.Op(strconv.Quote(s)) }

// yes is the literal true, nil for false.
func yes(b bool) jen.Code {
	if !b {
		return nil
	}
	return jen.True()
}

// number is a literal, nil for zero.
func number(n int) jen.Code {
	if n == 0 {
		return nil
	}
	return jen.Lit(n)
}

// texts is a []string literal in one line, nil for none.
func texts(list []string) jen.Code {
	if len(list) == 0 {
		return nil
	}
	return jen.Index().String().ValuesFunc(func(g *jen.Group) {
		for _, s := range list {
			g.Add(quoted(s))
		}
	})
}

// expressions is a []string literal of expressions, nil for none.
func expressions(list []model.Expression) jen.Code {
	if len(list) == 0 {
		return nil
	}
	return jen.Index().String().ValuesFunc(func(g *jen.Group) {
		for _, e := range list {
			g.Add(expression(e))
		}
	})
}

// expression is Go that puts the text together: base + "/token".
func expression(e model.Expression) *jen.Statement {
	code := jen.Null()
	for i, part := range e.Parts {
		if i > 0 {
			code.Op("+")
		}
		if part.Local != "" {
			code.Id(part.Local)
		} else {
			code.Add(quoted(part.Text))
		}
	}
	return code
}

// list is a slice literal with one element a line, nil for none.
func list(typ *jen.Statement, elements []jen.Code) jen.Code {
	if len(elements) == 0 {
		return nil
	}
	return jen.Index().Add(typ).Custom(jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}, elements...)
}

// inline is a composite literal in one line; members without a value are left out. Type may be nil.
func inline(typ *jen.Statement, members ...member) *jen.Statement {
	var values []jen.Code
	for _, m := range members {
		if m.value != nil {
			values = append(values, jen.Id(m.key).Op(":").Add(m.value))
		}
	}
	return jen.Add(typ).Values(values...)
}
