package yamldoc

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
)

// docs reads the comments of the types and their fields: "Spec" and "Spec.Name" to text.
func (l *Language) docs() map[string]string {
	docs := map[string]string{}
	err := fs.WalkDir(l.Sources, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		source, err := fs.ReadFile(l.Sources, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
		if err != nil {
			return err
		}
		addDocs(docs, file)
		return nil
	})
	if err != nil {
		panic(err) // the files have been compiled and embedded
	}
	return docs
}

func addDocs(docs map[string]string, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		declaration, ok := n.(*ast.GenDecl)
		if !ok || len(declaration.Specs) != 1 {
			return true
		}
		typ, ok := declaration.Specs[0].(*ast.TypeSpec)
		if !ok {
			return true
		}
		name := typ.Name.Name
		docs[name] = predicate(name, flowing(declaration.Doc.Text()))
		if fields, ok := typ.Type.(*ast.StructType); ok {
			for _, f := range fields.Fields.List {
				docs[name+"."+f.Names[0].Name] = flowing(f.Doc.Text())
			}
		}
		return true
	})
}

// predicate is a type's comment without its subject: "One provider." for "Spec is one provider."
func predicate(name, comment string) string {
	text := strings.TrimPrefix(comment, name+" ")
	for _, verb := range []string{"is ", "are "} {
		text = strings.TrimPrefix(text, verb)
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// flowing puts text into one line.
func flowing(text string) string { return strings.Join(strings.Fields(text), " ") }
