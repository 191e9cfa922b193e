package pageform_test

import (
	"maps"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/pageform"
)

func TestAPageIsReadAsABrowserReadsIt(t *testing.T) {
	t.Parallel()
	const consent = `<form method="post" action="/mcp/consent?a=b&amp;c=d">
<input type="hidden" name="form" value="a&#43;b">
<input type="hidden" name="empty" value="">
<input type="text" name="shown" value="x"></form>`
	if got := pageform.Action(consent); got != "/mcp/consent?a=b&c=d" {
		t.Errorf("the form goes to %q", got)
	}
	if got := pageform.Hidden(consent); !maps.Equal(got, map[string]string{"form": "a+b", "empty": ""}) {
		t.Errorf("it hides %q", got)
	}
	if got := pageform.Refresh(consent); got != "" {
		t.Errorf("it leads to %q", got)
	}
	const next = `<meta http-equiv="refresh" content="0;url=https://idp.example.com/auth?a=b&amp;c=d">`
	if got := pageform.Refresh(next); got != "https://idp.example.com/auth?a=b&c=d" {
		t.Errorf("the page leads to %q", got)
	}
	if pageform.Action(next) != "" || len(pageform.Hidden(next)) > 0 {
		t.Error("a form is found where none is")
	}
}
