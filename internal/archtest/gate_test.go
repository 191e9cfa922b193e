package archtest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sends are the calls of package egress that send a request.
var sends = regexp.MustCompile(`\begress\.(Fetch|GetJSON|Do)\(`)

// The engine's rooms reach a provider through the gate of runtime/internal/upstream, where budgets
// are kept: no room sends a request past it.
func TestTheEngineSendsThroughTheGateAlone(t *testing.T) {
	t.Parallel()
	found := 0
	for _, name := range goFiles(t) {
		if !strings.HasPrefix(name, "runtime/internal/") {
			continue
		}
		source, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !sends.Match(source) {
			continue
		}
		if found++; name != "runtime/internal/upstream/gate.go" {
			t.Errorf("%s sends a request past the gate: use a call of upstream.Gate", name)
		}
	}
	if found == 0 {
		t.Error("not even the gate sends anything: this test looks for the wrong calls")
	}
}
