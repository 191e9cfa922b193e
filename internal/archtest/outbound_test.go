package archtest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// outbound are the ways to reach the network past runtime/egress. For a type, only its use as a
// pointer is harmless: that takes a client which somebody else made.
func outbound() map[string][]string {
	return map[string][]string{
		"net/http": {
			"Client", "Transport", "DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm", "NewFileTransport",
		},
		"net/http/httputil": {"ReverseProxy", "NewSingleHostReverseProxy", "NewClientConn", "NewProxyClientConn"},
		"net":               {"Dial", "DialTimeout", "Dialer", "DialTCP", "DialUDP", "DialUnix", "DialIP"},
		"crypto/tls":        {"Dial", "DialWithDialer", "Dialer"},
		"net/smtp":          {"Dial", "SendMail"},
		"net/rpc":           {"Dial", "DialHTTP", "DialHTTPPath"},
	}
}

// exceptions are the files that may, each with its reason.
func exceptions() map[string]string {
	return map[string]string{
		"internal/gateway/transport.go":     "the operator's own upstream: unix sockets, streams without end, no limit of a body",
		"internal/noredirect/noredirect.go": "copies its caller's client to switch redirects off",
		"runtime/providertest/world.go":     "the transport is a fake inside the process",
		"gen/internal/cli/init.go":          "a developer's command for the address that they typed; gen must not import runtime",
		"devidp/start.go":                   "a test's client for the test's own server; devidp must not import runtime",
	}
}

// finding is one place that reaches out.
type finding struct {
	line int
	name string
}

// findOutbound returns the places of a Go file that reach the network by themselves.
func findOutbound(name string, source []byte) ([]finding, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	watched, found := watchedImports(files, file)
	harmless := map[*ast.SelectorExpr]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.StarExpr:
			if selector, ok := n.X.(*ast.SelectorExpr); ok {
				harmless[selector] = true
			}
		case *ast.SelectorExpr:
			qualifier, ok := n.X.(*ast.Ident)
			if !ok || harmless[n] || !slices.Contains(watched[qualifier.Name], n.Sel.Name) {
				return true
			}
			found = append(found, finding{files.Position(n.Pos()).Line, qualifier.Name + "." + n.Sel.Name})
		}
		return true
	})
	return found, nil
}

// watchedImports returns the watched names by the name under which the file imports their package.
// A dot import hides them, so it is a finding by itself.
func watchedImports(files *token.FileSet, file *ast.File) (map[string][]string, []finding) {
	watched := map[string][]string{}
	var found []finding
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		names, ok := outbound()[path]
		if !ok {
			continue
		}
		local := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == "." {
			found = append(found, finding{files.Position(spec.Pos()).Line, "import . " + spec.Path.Value})
		}
		watched[local] = append(watched[local], names...)
	}
	return watched, found
}

// goFiles returns the module's non-test Go files, relative to its root. Nested modules are not part
// of it.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(root, path)
		switch name := entry.Name(); {
		case entry.IsDir() && relative != "." && (name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case entry.IsDir() && relative != ".":
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return fs.SkipDir
			}
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			files = append(files, filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestNothingReachesOutExceptThroughEgress(t *testing.T) {
	t.Parallel()
	files := goFiles(t)
	if len(files) < 50 {
		t.Fatalf("only %d files were found: this test looks in the wrong place", len(files))
	}
	for _, name := range files {
		if strings.HasPrefix(name, "runtime/egress/") {
			continue
		}
		source, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		found, err := findOutbound(name, source)
		if err != nil {
			t.Fatal(err)
		}
		_, excepted := exceptions()[name]
		if excepted && len(found) == 0 {
			t.Errorf("the exception for %s is no longer needed", name)
		}
		for _, f := range found {
			if !excepted {
				t.Errorf("%s:%d uses %s: make the client with egress.NewClient, or take one as a parameter", name, f.line, f.name)
			}
		}
	}
}

func TestTheFinderFinds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, imports, code string
		want                string
	}{
		{"a literal", `"net/http"`, `var c = http.Client{}`, "http.Client"},
		{"a pointer to a literal", `"net/http"`, `var c = &http.Client{}`, "http.Client"},
		{"new", `"net/http"`, `var c = new(http.Client)`, "http.Client"},
		{"a zero value", `"net/http"`, `var c http.Client`, "http.Client"},
		{"an embedded client", `"net/http"`, `type t struct { http.Client }`, "http.Client"},
		{"a transport", `"net/http"`, `var c = &http.Transport{}`, "http.Transport"},
		{"Get", `"net/http"`, `var _, _ = http.Get("x")`, "http.Get"},
		{"PostForm as a value", `"net/http"`, `var f = http.PostForm`, "http.PostForm"},
		{"the default client", `"net/http"`, `var c = http.DefaultClient`, "http.DefaultClient"},
		{"another import name", `web "net/http"`, `var c = web.DefaultTransport`, "web.DefaultTransport"},
		{"a dot import", `. "net/http"`, `var c = DefaultClient`, `import . "net/http"`},
		{"a plain dial", `"net"`, `var _, _ = net.Dial("tcp", "x")`, "net.Dial"},
		{"a reverse proxy", `"net/http/httputil"`, `var p httputil.ReverseProxy`, "httputil.ReverseProxy"},
		{"not a client that somebody else made", `"net/http"`, `func f(c *http.Client) { var d *http.Client = c; _ = d }`, ""},
		{"not an interface", `"net/http"`, `func f(t http.RoundTripper, h http.Handler) {}`, ""},
		{"not another package's Get", `"example.com/http2"`, `var x = http2.Get`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source := fmt.Sprintf("package p\n\nimport %s\n\n%s\n", test.imports, test.code)
			found, err := findOutbound("p.go", []byte(source))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(found) > 0 {
				got = found[0].name
			}
			if got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}
