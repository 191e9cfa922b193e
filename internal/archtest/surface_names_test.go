package archtest_test

import (
	"fmt"
	"go/types"
	"maps"
	"slices"
)

// unnameable says which exported names mention a type of this module that the importer cannot name:
// one that is unexported, or of an internal package. A public alias is a name. Function types may
// take an unexported type: so options are opaque.
func (s *surface) unnameable() []string {
	w := walk{nameable: map[*types.TypeName]bool{}, found: map[string]bool{}}
	for _, p := range s.packages {
		for _, object := range exported(p) {
			if alias, ok := object.Type().(*types.Alias); ok {
				if named, ok := types.Unalias(alias).(*types.Named); ok {
					w.nameable[named.Obj()] = true
				}
			}
		}
	}
	for _, p := range s.packages {
		for _, object := range exported(p) {
			w.at = p.Path() + "." + object.Name()
			w.object(object)
		}
	}
	return slices.Sorted(maps.Keys(w.found))
}

// walk goes through the types that an exported name mentions.
type walk struct {
	nameable map[*types.TypeName]bool
	at       string
	opaque   bool
	found    map[string]bool
}

func (w *walk) object(object types.Object) {
	name, isType := object.(*types.TypeName)
	if !isType {
		w.mention(object.Type())
		return
	}
	own := types.Unalias(name.Type())
	if name.IsAlias() {
		w.mention(own)
	}
	if s, ok := own.Underlying().(*types.Struct); ok {
		w.fields(s)
	} else {
		_, w.opaque = own.Underlying().(*types.Signature)
		w.mention(own.Underlying())
		w.opaque = false
	}
	for _, m := range methods(own) {
		w.mention(m.Type())
	}
}

func (w *walk) fields(s *types.Struct) {
	for field := range s.Fields() {
		if field.Exported() {
			w.mention(field.Type())
		} else if inner, ok := field.Type().Underlying().(*types.Struct); ok && field.Embedded() {
			w.fields(inner)
		}
	}
}

// mention looks at a type where it is used: what a named type is made of counts where that is
// declared.
func (w *walk) mention(t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		w.named(t.Obj())
	case *types.Named:
		w.named(t.Obj())
		for argument := range t.TypeArgs().Types() {
			w.mention(argument)
		}
	case *types.Struct:
		w.fields(t)
	case *types.Interface:
		for method := range t.ExplicitMethods() {
			w.mention(method.Type())
		}
		for embedded := range t.EmbeddedTypes() {
			w.mention(embedded)
		}
	case *types.Signature:
		for variable := range t.Params().Variables() {
			w.mention(variable.Type())
		}
		for variable := range t.Results().Variables() {
			w.mention(variable.Type())
		}
	case *types.Map:
		w.mention(t.Key())
		w.mention(t.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		w.mention(t.Elem())
	}
}

func (w *walk) named(name *types.TypeName) {
	if ours(name.Pkg()) && !w.nameable[name] && (!name.Exported() && !w.opaque || isInternal(name.Pkg().Path())) {
		w.found[fmt.Sprintf("%s mentions %s.%s, which its importer cannot name", w.at, name.Pkg().Path(), name.Name())] = true
	}
}
