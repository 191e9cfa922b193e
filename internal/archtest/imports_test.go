package archtest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/latchkey-auth/latchkey"
)

// listed is what `go list -deps -json` says of a package, whose imports are those of its non-test
// files.
type listed struct {
	ImportPath string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Module     *struct{ Path string }
}

// packages are all packages of the module and everything below them, by import path.
type packages map[string]listed

func load(t *testing.T) packages {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,GoFiles,Imports,Module", "./...")
	command.Dir = root
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := packages{}
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all[p.ImportPath] = p
	}
}

// own returns the module's packages relative to its root, in order.
func (all packages) own() []string {
	var paths []string
	for path := range all {
		if path == module || strings.HasPrefix(path, module+"/") {
			paths = append(paths, strings.TrimPrefix(strings.TrimPrefix(path, module), "/"))
		}
	}
	slices.Sort(paths)
	return paths
}

// closure returns everything that a package of ours needs, itself included.
func (all packages) closure(path string) map[string]bool {
	seen := map[string]bool{}
	queue := []string{module + "/" + path}
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		if !seen[next] {
			seen[next] = true
			queue = append(queue, all[next].Imports...)
		}
	}
	return seen
}

// matches reports whether a package is one of the patterns: a path, or a path with everything below
// it ("gen/...").
func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		tree, whole := strings.CutSuffix(pattern, "/...")
		return path == tree || whole && strings.HasPrefix(path, tree+"/")
	})
}

// The modules that only some rooms may know.
const (
	jwx       = "github.com/lestrrat-go/jwx/v2"
	echo      = "github.com/labstack/echo/v4"
	mcpSDK    = "github.com/modelcontextprotocol/go-sdk"
	yaml      = "gopkg.in/yaml.v3"
	validator = "github.com/go-playground/validator/v10"
	jennifer  = "github.com/dave/jennifer"
	kong      = "github.com/alecthomas/kong"
	lru       = "github.com/hashicorp/golang-lru/v2"
	xsync     = "golang.org/x/sync"
	flock     = "github.com/gofrs/flock"
	xtime     = "golang.org/x/time"
	valkey    = "github.com/valkey-io/valkey-go"
	xnet      = "golang.org/x/net"
	xcrypto   = "golang.org/x/crypto"
)

// room is one row of the architecture's table.
type room struct {
	packages []string
	// may are the packages of ours that the room may import, modules the foreign modules. "*" is
	// any.
	may     []string
	modules []string
	// never are the packages of ours and foreign modules that the room must not need, directly or
	// through others.
	never []string
}

// rooms is the table of the architecture. A package belongs to the first room that names it.
func rooms() []room {
	return slices.Concat(generatorRooms(), brokerRooms(), engineRooms(), otherRooms())
}

// generatorRooms are the rooms of the generator, in the order of its steps: parse and validate,
// model, emit, format.
func generatorRooms() []room {
	own := func(names ...string) []string {
		for i, name := range names {
			names[i] = "gen/internal/" + name
		}
		return names
	}
	const yamldoc, visible = "internal/yamldoc", "internal/visible"
	rooms := []room{
		{packages: []string{"gen"}, may: own("cli"), modules: []string{kong}},
		{packages: []string{"gen/specfacts"}, may: own("spec")},
		{
			packages: own("cli"), may: append(own("generate", "draft", "output", "prose", "spec"), yamldoc),
			modules: []string{kong, "golang.org/x/mod"},
		},
		{packages: own("generate"), may: append(own("spec", "model", "emit", "format", "pages", "prose"), yamldoc)},
		{packages: own("spec"), may: append(own("names"), yamldoc, "internal/plainurl")},
		{packages: own("model"), may: own("names", "spec")},
		{packages: own("emit"), may: own("model", "names", "prose", "spec"), modules: []string{jennifer}},
		{packages: own("format"), modules: []string{jennifer}},
		{packages: own("pages"), may: append(own("model", "prose", "spec"), yamldoc)},
		{packages: own("draft"), may: append(own("spec"), "internal/plainurl")},
		{packages: own("output"), modules: []string{flock}},
		{packages: own("names")},
		{packages: own("prose"), may: []string{visible}},
		{packages: []string{yamldoc}, may: []string{visible}, modules: []string{yaml, validator}},
		{packages: []string{visible}},
	}
	for i := range rooms {
		rooms[i].never = []string{"runtime/...", "oauth", "internal/jose", "providers_gen/...", jwx, echo}
	}
	return rooms
}

// brokerRooms are the rooms of proxy mode, from the ground up. Only the endpoints know all of them.
func brokerRooms() []room {
	const broker = "runtime/internal/broker/"
	told := []string{"oauth", "runtime/observe", "runtime/internal/events"}
	ground := slices.Concat(told, []string{"internal/params", broker + "refusal", broker + "tickets"})
	return []room{
		{packages: []string{broker + "refusal"}, may: []string{"oauth"}},
		{packages: []string{broker + "tickets"}, may: []string{"oauth", "runtime/internal/seal"}},
		{packages: []string{broker + "pages"}, may: slices.Concat(told, []string{"internal/httpanswer", "runtime/proxy"})},
		{
			packages: []string{broker + "clients"},
			may: slices.Concat(ground, []string{
				"internal/flight", "internal/jose", "internal/plainurl", "internal/recent", "internal/redirecturi", "internal/visible",
				"runtime/egress", "runtime/proxy", "runtime/internal/keys", "runtime/internal/upstream",
			}),
		},
		{
			packages: []string{broker + "grants"},
			may: slices.Concat(ground, []string{
				"internal/flight", "internal/recent", "runtime/store", "runtime/proxy", "runtime/internal/seal", "runtime/internal/upstream",
			}),
		},
	}
}

func otherRooms() []room {
	contract := []string{"oauth", "internal/strictjson"}
	subjects := []string{
		"internal/flight", "internal/httpanswer", "internal/noredirect", "internal/plainurl", "internal/ratelimit",
		"internal/pageform", "internal/params", "internal/recent", "internal/redirecturi", "internal/callerkey", "internal/pacedbody",
	}
	generator := []string{yaml, validator, jennifer}
	return []room{
		{packages: []string{"internal/callerkey", "internal/pacedbody", "internal/secretenv", "internal/strictjson", "internal/plainurl", "internal/httpanswer", "internal/noredirect", "internal/pageform"}},
		{packages: []string{"internal/recent"}, modules: []string{lru}},
		{packages: []string{"internal/flight"}, modules: []string{xsync}},
		{packages: []string{"internal/ratelimit"}, may: []string{"internal/recent"}, modules: []string{xtime}},
		{packages: []string{"internal/redirecturi"}, may: []string{"internal/plainurl"}},
		{packages: []string{"internal/params"}, may: []string{"oauth"}},
		{
			packages: []string{"oauth"}, may: []string{"internal/callerkey", "internal/strictjson", "internal/plainurl"},
			never: []string{jwx, echo},
		},
		{packages: []string{"internal/jose"}, may: []string{"internal/strictjson"}, modules: []string{jwx}},
		{
			packages: []string{"providers_gen/all"},
			may:      append(contract, "runtime/...", "providers_gen/..."),
			never:    append(generator, echo, kong),
		},
		{packages: []string{"providers_gen/..."}, may: []string{"oauth", "runtime/..."}, never: append(generator, echo, kong)},
		{ // what the generator wrote in its tests: provider packages like any
			packages: []string{"gen/internal/golden/..."},
			may:      []string{"oauth", "runtime/...", "gen/internal/golden/providers/..."},
			never:    append(generator, echo, kong),
		},
		{
			packages: []string{"echoadapter"}, may: []string{"oauth", "runtime/...", "internal/pacedbody"}, modules: []string{echo},
			never: append(generator, "providers_gen/...", "devidp"),
		},
		{packages: []string{"mcpadapter"}, may: []string{"oauth", "runtime/observe"}, modules: []string{mcpSDK}, never: []string{echo, jwx}},
		{
			packages: []string{"devidp"}, may: slices.Concat(contract, subjects, []string{"internal/jose"}),
			never: append(generator, "runtime/...", echo),
		},
		{packages: []string{"internal/browser"}, may: []string{"internal/noredirect", "internal/pageform"}},
		{
			packages: []string{"internal/embedded"}, may: []string{"oauth", "devidp", "runtime", "runtime/facts"},
			never: append(generator, "providers_gen/...", echo),
		},
		{ // for tests: the only library above both devidp and the runtime
			packages: []string{"devidp/devidptest"}, may: []string{"oauth", "devidp", "runtime", "internal/embedded", "internal/browser"},
			never: append(generator, "providers_gen/...", echo),
		},
		{
			packages: []string{"cmd/latchkey-gen"}, may: []string{"gen"}, modules: []string{kong},
			never: []string{"providers_gen/...", "runtime/...", echo, jwx},
		},
		{packages: []string{"cmd/..."}, may: []string{"*"}, modules: []string{"*"}},
		// The command line runs these. No library may import them, since no other row names them.
		{
			packages: []string{"internal/server", "internal/dev", "internal/demo", "internal/originguard", "internal/readiness", "internal/logs", "internal/gateway"},
			may:      []string{"*"}, modules: []string{"*"}, never: []string{"providers_gen/...", "gen/..."},
		},

		{packages: []string{"internal/clientshapes", "internal/redistest"}},
		{packages: []string{"internal/archtest", "internal/readme", "internal/newprovider", "internal/seedtest", "internal/tutorial", "internal/othermodule"}},
		{ // what a user can write: nothing internal
			packages: []string{"examples/..."},
			may:      []string{"oauth", "runtime/...", "providers_gen/...", "echoadapter", "mcpadapter", "devidp", "devidp/devidptest"},
			modules:  []string{echo, mcpSDK},
		},
	}
}

func roomOf(path string) (room, bool) {
	for _, r := range rooms() {
		if matches(path, r.packages) {
			return r, true
		}
	}
	return room{}, false
}

func allowed(path string, patterns []string) bool {
	return slices.Contains(patterns, "*") || matches(path, patterns)
}

func TestImportsFollowTheArchitecture(t *testing.T) {
	t.Parallel()
	all := load(t)
	for _, path := range all.own() {
		if len(all[strings.TrimSuffix(module+"/"+path, "/")].GoFiles) == 0 {
			continue // nothing but tests
		}
		t.Run(path+" imports only what its room may import", func(t *testing.T) {
			t.Parallel()
			r, ok := roomOf(path)
			if !ok {
				t.Fatalf("no row of the table names %s: add it to the architecture's table and to this test", path)
			}
			for _, imported := range all[module+"/"+path].Imports {
				own, isOwn := strings.CutPrefix(imported, module+"/")
				p := all[imported]
				switch {
				case p.Standard:
				case isOwn && !allowed(own, r.may):
					t.Errorf("%s must not import %s", path, own)
				case !isOwn && !slices.Contains(r.modules, "*") && !slices.Contains(r.modules, p.Module.Path):
					t.Errorf("%s must not import %s", path, imported)
				}
			}
			for _, p := range all.forbidden(path, r.never) {
				t.Errorf("%s must not need %s, not even through others", path, p)
			}
		})
	}
}

// forbidden returns what of the closure the patterns and modules name.
func (all packages) forbidden(path string, never []string) []string {
	var found []string
	for needed := range all.closure(path) {
		own, isOwn := strings.CutPrefix(needed, module+"/")
		p := all[needed]
		if isOwn && matches(own, never) || !isOwn && p.Module != nil && slices.Contains(never, p.Module.Path) {
			found = append(found, needed)
		}
	}
	return found
}

func TestOAuthNeedsNoForeignModule(t *testing.T) {
	t.Parallel()
	all := load(t)
	for needed := range all.closure("oauth") {
		if p, ok := all[needed]; ok && !p.Standard && p.Module.Path != module { // "C" is no package
			t.Errorf("oauth needs %s of %s", needed, p.Module.Path)
		}
	}
}

// Each of these libraries has one importer, which speaks for it.
func TestOnlyOnePackageImports(t *testing.T) {
	t.Parallel()
	all := load(t)
	for library, importer := range map[string]string{
		jwx: "internal/jose", yaml: "internal/yamldoc", validator: "internal/yamldoc",
		lru: "internal/recent", xsync: "internal/flight", valkey: redisStore,
	} {
		t.Run(library, func(t *testing.T) {
			t.Parallel()
			importers := all.importers(library)
			if !slices.Equal(importers, []string{importer}) {
				t.Errorf("it is imported by %q, want %s alone", importers, importer)
			}
		})
	}
}

// importers returns the packages of ours that import a module.
func (all packages) importers(library string) []string {
	var importers []string
	for _, path := range all.own() {
		if slices.ContainsFunc(all[strings.TrimSuffix(module+"/"+path, "/")].Imports, func(imported string) bool {
			p := all[imported]
			return p.Module != nil && p.Module.Path == library
		}) {
			importers = append(importers, path)
		}
	}
	return importers
}

// A user's program with one provider carries the runtime and that provider: neither another one nor
// what the generator needs.
func TestAProviderBringsNothingButItself(t *testing.T) {
	t.Parallel()
	all := load(t)
	runtime := all.closure("runtime")
	providers := 0
	for _, path := range all.own() {
		if !strings.HasPrefix(path, "providers_gen/") || path == "providers_gen/all" {
			continue
		}
		providers++
		for needed := range all.closure(path) {
			if needed != module+"/"+path && !runtime[needed] && !all[needed].Standard {
				t.Errorf("%s needs %s, which the runtime does not", path, needed)
			}
		}
	}
	if providers == 0 {
		t.Error("there are no providers")
	}
}

// A user's program carries what runtime and the packages below it import: each foreign module
// stands in docs/design.md with the reason.
func TestLibrariesOfTheRuntimeAreDocumented(t *testing.T) {
	t.Parallel()
	design, err := os.ReadFile(filepath.Join(root, "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := load(t)
	needed := map[string]bool{}
	for _, path := range all.own() {
		if matches(path, []string{"runtime/..."}) {
			maps.Copy(needed, all.closure(path))
		}
	}
	for _, path := range all.own() {
		if !needed[module+"/"+path] {
			continue
		}
		for _, imported := range all[module+"/"+path].Imports {
			p := all[imported]
			if p.Standard || p.Module.Path == module {
				continue
			}
			row := fmt.Sprintf("| `%s` |", strings.TrimPrefix(p.Module.Path, "github.com/"))
			if !strings.Contains(string(design), row) {
				t.Errorf("%s imports %s, but docs/design.md has no row %q", path, imported, row)
			}
		}
	}
}
