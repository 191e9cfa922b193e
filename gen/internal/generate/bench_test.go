package generate_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/generate"
)

// BenchmarkGenerateFiftySpecs is a repository with many providers: everything that one run of the
// generator does, but for the disk.
func BenchmarkGenerateFiftySpecs(b *testing.B) {
	template := read(b, "../../../specs/keycloak.yaml")
	specs := make([]generate.Spec, 50)
	for i := range specs {
		name := fmt.Sprintf("provider%d", i)
		specs[i] = generate.Spec{
			File: "specs/" + name + ".yaml",
			Data: bytes.Replace(template, []byte("name: keycloak"), []byte("name: "+name), 1),
		}
	}
	for b.Loop() {
		files, problems, err := generate.Files(specs, generate.Options{ImportPath: module})
		if err != nil || len(problems) > 0 || len(files) < 150 {
			b.Fatalf("%d files, %v, %v", len(files), problems, err)
		}
	}
}
