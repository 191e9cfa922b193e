package archtest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// drawn returns the imports that docs/design.md gives the rooms of a table, by room. The table's
// first cell names it.
func drawn(t *testing.T, title string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| "+title+" | what lives there | imports |\n")
	if !found {
		t.Fatalf("docs/design.md has no table with the title %q", title)
	}
	drawn := map[string][]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 {
			break
		}
		room := strings.Trim(cells[0], " `")
		drawn[room] = nil
		for imported := range strings.FieldsFuncSeq(cells[2], func(r rune) bool { return r == ',' || r == ';' }) {
			if imported = strings.Trim(imported, " `"); imported != "the standard library" {
				drawn[room] = append(drawn[room], imported)
			}
		}
		slices.Sort(drawn[room])
	}
	delete(drawn, "---")
	return drawn
}

// shortNames are what the page calls libraries.
var shortNames = map[string]string{
	kong: "kong", jennifer: "jennifer", "golang.org/x/mod": "x/mod", flock: "gofrs/flock",
	valkey: "valkey-go",
	xnet:   "x/net", xcrypto: "x/crypto", xtime: "x/time",
}

func TestTheGeneratorsRoomsAreDrawnAsTheyAreHeld(t *testing.T) {
	t.Parallel()
	drawnAsHeld(t, "room", "gen/internal/", generatorRooms())
}

func TestTheBrokersRoomsAreDrawnAsTheyAreHeld(t *testing.T) {
	t.Parallel()
	drawnAsHeld(t, "room of the broker", "runtime/internal/broker/", brokerRooms())
}

func TestTheRuntimesRoomsAreDrawnAsTheyAreHeld(t *testing.T) {
	t.Parallel()
	drawnAsHeld(t, "room of the runtime", "", engineRooms())
}

// drawnAsHeld compares a table of docs/design.md with the rooms below a folder that are held.
func drawnAsHeld(t *testing.T, title, folder string, rooms []room) {
	t.Helper()
	drawn, held := drawn(t, title), 0
	for _, r := range rooms {
		for _, path := range r.packages {
			name, inside := strings.CutPrefix(path, folder)
			if !inside {
				continue
			}
			held++
			var want []string
			for _, imported := range r.may {
				want = append(want, strings.TrimPrefix(imported, folder))
			}
			for _, library := range r.modules {
				want = append(want, shortNames[library])
			}
			slices.Sort(want)
			if got, ok := drawn[name]; !ok || !slices.Equal(got, want) {
				t.Errorf("%s may import %q, docs/design.md says %q", name, want, got)
			}
		}
	}
	if held != len(drawn) {
		t.Errorf("docs/design.md draws %d rooms, %d are held", len(drawn), held)
	}
}
