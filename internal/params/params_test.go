package params

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func FuzzParams(f *testing.F) {
	for _, seed := range []string{"a=b&c=d", "a=b&a=c", "a", "=", "&&", "a=%0d%0a", "a=%ff", "%zz", "a=+b%20c", "a=&a=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		var p Params
		if p.add(encoded) != nil {
			return
		}
		if len(p.values) > maxParams {
			t.Fatalf("%d parameters", len(p.values))
		}
		for name, value := range p.values {
			if !IsPlainText(name) || !IsPlainText(value) || name == "" {
				t.Fatalf("%q has %q=%q", encoded, name, value)
			}
		}
	})
}

func TestParametersAreReadOnceEach(t *testing.T) {
	t.Parallel()
	var p Params
	if err := p.add("a=1&b=&b=2&c&d=%20+&a=1"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "1", "b": "2", "c": "", "d": "  "}
	if !reflect.DeepEqual(p.values, want) || !reflect.DeepEqual(p.repeated, []string{"b", "a"}) {
		t.Errorf("%v, repeated %v", p.values, p.repeated)
	}
}

// Anybody can announce a long body. No memory is kept for what does not come.
func TestAnAnnouncedBodyTakesNoMemory(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "https://mcp.example.com/mcp/token", strings.NewReader("a=b"))
	r.ContentLength = maxBytes
	body, err := ReadBody(r, maxBytes)
	if err != nil || string(body) != "a=b" || cap(body) > 2*usualBody {
		t.Errorf("%q in %d bytes, %v", body, cap(body), err)
	}
}

// covers: R4
func TestResourceMayComeSeveralTimes(t *testing.T) {
	t.Parallel()
	var p, form Params
	if err := p.add("resource=r&a=1&resource=r&resource=s&resource="); err != nil {
		t.Fatal(err)
	}
	if err := form.add("resource=s&resource=t"); err != nil {
		t.Fatal(err)
	}
	p.Merge(form)
	if got := p.Resources(); !reflect.DeepEqual(got, []string{"r", "s", "t"}) || p.OnceEach() != nil {
		t.Errorf("resources %q, %v", got, p.OnceEach())
	}
	if err := p.add("resource=1&resource=2&resource=3&resource=4&resource=5&resource=6&resource=7&resource=8&resource=9"); err == nil {
		t.Error("any number of resources is taken")
	}
}
