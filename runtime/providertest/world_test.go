package providertest

import (
	"reflect"
	"slices"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
)

func TestAudiencePath(t *testing.T) {
	t.Parallel()
	for claim, want := range map[string][]string{
		"": {"aud"}, "cid": {"cid"}, "kitchen.recipients": {"kitchen", "recipients"}, `https://acme\.com/aud`: {"https://acme.com/aud"},
	} {
		w := &world{suite: Suite{AudienceClaim: claim}}
		if got := w.audiencePath(); !slices.Equal(got, want) {
			t.Errorf("the path of %q is %q, want %q", claim, got, want)
		}
	}
}

func TestPlaceLeavesTheOriginalAlone(t *testing.T) {
	t.Parallel()
	inner := map[string]any{"cook": 1}
	claims := map[string]any{"kitchen": inner}
	place(claims, []string{"kitchen", "recipients"}, "us")
	want := map[string]any{"kitchen": map[string]any{"cook": 1, "recipients": "us"}}
	if !reflect.DeepEqual(claims, want) || len(inner) != 1 {
		t.Errorf("claims are %v, the inner object is %v", claims, inner)
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	w := &world{description: oauth.Description{Issuer: "https://id.example.com", Audience: "api"}}
	got := w.expand(map[string]any{"a": "{issuer}/x", "b": []any{"{audience}", 7, map[string]any{"c": "{resource}"}}})
	want := map[string]any{"a": "https://id.example.com/x", "b": []any{"api", 7, map[string]any{"c": Resource}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestVerifierReadsClaimsOfSignedTokensOnly(t *testing.T) {
	t.Parallel()
	claims, err := Verifier(t).VerifyToken(t.Context(), presented("e30.eyJzdWIiOiJ1In0.c2ln"))
	if err != nil || claims.String("sub") != "u" {
		t.Errorf("claims %v, error %v", claims, err)
	}
	for name, token := range map[string]string{
		"nothing": "", "one part": "opaque", "two parts": "a.b", "a payload that is no base64": "a.!.c",
		"a payload with padding": "a.e30=.c", "a payload that is a list": "a.W10.c",
	} {
		if _, err := Verifier(t).VerifyToken(t.Context(), presented(token)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
