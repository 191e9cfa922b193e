package archtest_test

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
)

const surfaceHeader = `# What other modules can name: exported names, their fields and methods. Of the generated providers one stands for all.
# Written by go generate; a test compares it. Reasons of refusals (oauth.Reason) are listed and not counted.
`

// String returns the list.
func (s *surface) String() string {
	var b strings.Builder
	b.WriteString(surfaceHeader)
	for _, p := range s.packages {
		fmt.Fprintf(&b, "\n## %s\n\n", strings.TrimPrefix(p.Path(), module+"/"))
		objects := exported(p)
		slices.SortStableFunc(objects, func(a, b types.Object) int { return order(a) - order(b) })
		for _, object := range objects {
			writeObject(&b, object)
		}
	}
	return b.String()
}

// order puts constants first, then variables, functions and types.
func order(object types.Object) int {
	switch object.(type) {
	case *types.Const:
		return 0
	case *types.Var:
		return 1
	case *types.Func:
		return 2
	default:
		return 3
	}
}

// qualifier names the packages of other types as code does.
func qualifier(own *types.Package) types.Qualifier {
	return func(other *types.Package) string {
		if other == own {
			return ""
		}
		return other.Name()
	}
}

func writeObject(b *strings.Builder, object types.Object) {
	in := qualifier(object.Pkg())
	typeString := func(t types.Type) string { return types.TypeString(t, in) }
	switch o := object.(type) {
	case *types.Const:
		of := " " + typeString(o.Type())
		if basic, ok := o.Type().(*types.Basic); ok && basic.Info()&types.IsUntyped != 0 {
			of = ""
		}
		fmt.Fprintf(b, "const %s%s = %s\n", o.Name(), of, o.Val().ExactString())
	case *types.Var:
		fmt.Fprintf(b, "var %s %s\n", o.Name(), typeString(o.Type()))
	case *types.Func:
		fmt.Fprintf(b, "func %s%s\n", o.Name(), strings.TrimPrefix(typeString(o.Type()), "func"))
	case *types.TypeName:
		writeType(b, o, typeString)
	}
}

func writeType(b *strings.Builder, o *types.TypeName, typeString func(types.Type) string) {
	own := o.Type()
	if alias, ok := own.(*types.Alias); ok {
		own = alias.Rhs()
		fmt.Fprintf(b, "type %s = %s\n", o.Name(), typeString(own))
		if named, ok := types.Unalias(own).(*types.Named); !ok || !isInternal(named.Obj().Pkg().Path()) {
			return // it stands where it is declared
		}
		own = types.Unalias(own)
	} else {
		fmt.Fprintf(b, "type %s %s\n", o.Name(), kind(own, typeString))
	}
	lines := fields(own.Underlying(), typeString)
	for _, m := range methods(own) {
		signature := strings.TrimPrefix(typeString(m.Type()), "func")
		if types.IsInterface(own) {
			lines = append(lines, m.Obj().Name()+signature)
			continue
		}
		receiver := o.Name()
		if types.NewMethodSet(own).Lookup(m.Obj().Pkg(), m.Obj().Name()) == nil {
			receiver = "*" + receiver
		}
		lines = append(lines, fmt.Sprintf("func (%s) %s%s", receiver, m.Obj().Name(), signature))
	}
	for _, line := range lines {
		fmt.Fprintf(b, "\t%s\n", line)
	}
}

// kind is what follows a type's name in its declaration.
func kind(t types.Type, typeString func(types.Type) string) string {
	switch u := t.Underlying().(type) {
	case *types.Struct:
		return "struct"
	case *types.Interface:
		return "interface"
	default:
		return typeString(u)
	}
}

// fields are the exported fields of a struct, in their order, which literals without names depend
// on.
func fields(t types.Type, typeString func(types.Type) string) []string {
	s, ok := t.(*types.Struct)
	if !ok {
		return nil
	}
	var lines []string
	for field := range s.Fields() {
		switch {
		case !field.Exported() && field.Embedded(): // whose own fields can be named all the same
			lines = append(lines, fields(field.Type().Underlying(), typeString)...)
		case !field.Exported():
		case field.Embedded():
			lines = append(lines, typeString(field.Type()))
		default:
			lines = append(lines, field.Name()+" "+typeString(field.Type()))
		}
	}
	return lines
}

// methods are the exported methods of a type or of its pointer, sorted by name, without those of
// exported embedded fields, which stand where they are declared.
func methods(t types.Type) []*types.Selection {
	set := types.NewMethodSet(t)
	if !types.IsInterface(t) {
		set = types.NewMethodSet(types.NewPointer(t))
	}
	var found []*types.Selection
	for m := range set.Methods() {
		s, embeds := t.Underlying().(*types.Struct)
		promoted := embeds && len(m.Index()) > 1 && s.Field(m.Index()[0]).Exported()
		if m.Obj().Exported() && !promoted {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b *types.Selection) int { return strings.Compare(a.Obj().Name(), b.Obj().Name()) })
	return found
}
