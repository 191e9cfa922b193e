package broker

import (
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

func TestNewSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no resource":                    {func(c *Config) { c.Resource = "" }, "resource URL must be absolute"},
		"plain http":                     {func(c *Config) { c.Resource = "http://mcp.example.com/mcp" }, "must use https"},
		"a foreign subresource":          {func(c *Config) { c.Subresources = []string{"https://mcp.example.com/other"} }, "must be below"},
		"no verifier":                    {func(c *Config) { c.Verify = nil }, "Verify function is required"},
		"another token mode":             {func(c *Config) { c.Tokens = "opaque" }, `"opaque" must be "sealed" or "passthrough"`},
		"65 scopes":                      {func(c *Config) { c.UsualScopes = make([]string, 65) }, "65 scopes, at most 64"},
		"a scope with a space":           {func(c *Config) { c.UsualScopes = []string{"a b"} }, `scope "a b" has characters`},
		"access tokens of two days":      {func(c *Config) { c.AccessLifetime = 48 * time.Hour }, "AccessLifetime 48h0m0s must be between"},
		"a negative lifetime":            {func(c *Config) { c.RefreshLifetime = -1 }, "RefreshLifetime must not be negative"},
		"a forbidden scheme":             {func(c *Config) { c.CustomSchemes = []string{"javascript"} }, `"javascript" cannot be allowed`},
		"an origin with a path":          {func(c *Config) { c.AllowedOrigins = []string{"https://a.example/"} }, "allowed origin"},
		"an origin with a star":          {func(c *Config) { c.AllowedOrigins = []string{"https://*.example"} }, "allowed origin"},
		"a short secret without a key":   {func(c *Config) { c.Upstream.ClientSecret = "test-short" }, "openssl rand -base64 32"},
		"a key that is none":             {func(c *Config) { c.SealingKeys = []oauth.Secret{"test"} }, "sealing key 1"},
		"a logo that is no image":        {func(c *Config) { c.Logo = []byte("hello") }, "not a PNG"},
		"a logo of 100 KB":               {func(c *Config) { c.Logo = make([]byte, 100<<10) }, "at most 65536"},
		"no name":                        {func(c *Config) { c.Upstream.Name = "" }, "upstream Name is required"},
		"no client id":                   {func(c *Config) { c.Upstream.ClientID = "" }, "upstream ClientID is required"},
		"no authorization endpoint":      {func(c *Config) { c.Upstream.Authorization = "" }, "upstream Authorization is required"},
		"a token endpoint without TLS":   {func(c *Config) { c.Upstream.Token = "http://idp.example.com/token" }, "upstream Token must use https"},
		"a revocation endpoint of noise": {func(c *Config) { c.Upstream.Revocation = "revoke" }, "upstream Revocation must be an absolute URL"},
		"credentials in an endpoint":     {func(c *Config) { c.Upstream.Token = "https://u:p@idp.example.com/token" }, "without credentials"},
		"basic without a secret":         {func(c *Config) { c.Upstream.AuthMethod, c.Upstream.ClientSecret = facts.AuthBasic, "" }, "ClientSecret is required"},
		"an unknown method":              {func(c *Config) { c.Upstream.AuthMethod = "tls" }, `AuthMethod "tls" is not known`},
		"a nonce without openid":         {func(c *Config) { c.Upstream.CodeProtection = facts.ProtectNonce }, `must have "openid"`},
		"no protection without reason":   {func(c *Config) { c.Upstream.CodeProtection = facts.ProtectNothing }, "UnprotectedReason is required"},
		"an unknown protection":          {func(c *Config) { c.Upstream.CodeProtection = "x" }, `CodeProtection "x" is not known`},
		"an unknown resource handling":   {func(c *Config) { c.Upstream.Resource = "x" }, `Resource "x" is not known`},
		"a resource as no scope":         {func(c *Config) { c.Upstream.Resource = facts.ResourceAsScope }, "ResourceScope is required"},
		"an unknown revocation style":    {func(c *Config) { c.Upstream.RevocationStyle = "x" }, `RevocationStyle "x" is not known`},
		"response_mode": {
			func(c *Config) { c.Upstream.AuthorizeParams = map[string]string{"response_mode": "form_post"} },
			"must not set response_mode: a form post arrives without the cookie",
		},
		"a state of one's own":              {func(c *Config) { c.Upstream.AuthorizeParams = map[string]string{"state": "x"} }, "must not set state"},
		"a reserved parameter in the query": {func(c *Config) { c.Upstream.Authorization += "?redirect_uri=x" }, "must not set redirect_uri"},
		"private_key_jwt without a key":     {func(c *Config) { c.Upstream.AuthMethod = facts.AuthPrivateKeyJWT }, "ClientKey is not a private key in PEM"},
		"a secret as token parameter":       {func(c *Config) { c.Upstream.TokenParams = map[string]string{"client_secret": "x"} }, "must not set client_secret"},
		"a parameter without a name":        {func(c *Config) { c.Upstream.TokenParams = map[string]string{"": "x"} }, "without a name"},
		"a template that fails": {
			func(c *Config) { c.Templates = template.Must(template.New("consent").Parse(`{{.Nothing}}`)) }, "Nothing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := newWorld(t, 0).config
			c.change(&config)
			_, err := New(config)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want it to contain %q", err, c.want)
			}
			if strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), "test-short") {
				t.Errorf("the message shows a secret: %v", err)
			}
		})
	}
	t.Run("everything at once", func(t *testing.T) {
		t.Parallel()
		_, err := New(Config{})
		for _, want := range []string{"Name", "ClientID", "Authorization", "Token", "resource URL", "Verify"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not reported in %v", want, err)
			}
		}
	})
}

// covers: T-OPS-03
func TestNothingPrintsTheSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	b := w.brokers[0]
	for _, v := range []any{b, *b, w.config, w.config.Upstream} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, testSecret) {
				t.Errorf("%s of %T shows the secret", verb, v)
			}
		}
	}
	if got := fmt.Sprint(b); got != "[broker of https://mcp.example.com/mcp for fake]" {
		t.Errorf("printed %s", got)
	}
}

func TestOperatorsTemplates(t *testing.T) {
	t.Parallel()
	own := template.Must(template.New("").Funcs(template.FuncMap{"shout": strings.ToUpper}).Parse(
		`{{define "consent"}}{{template "style" .}}<h1>{{shout .Client.Name}} or not?</h1><form method=post action="{{.Action}}">` +
			`<input type="hidden" name="form" value="{{.Form}}"></form>{{end}}`))
	w := newWorld(t, 1, func(c *Config) { c.Templates = own })
	user := w.newBrowser()
	rec := user.open(authorizeURL(w.newClient(webRedirect), webRedirect))
	if body := rec.Body.String(); !strings.Contains(body, "TEST CLIENT or not?") || !strings.Contains(body, "<style nonce=") {
		t.Errorf("page:\n%s", body)
	}
	if !strings.Contains(rec.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("the policy is gone")
	}
	target(t, user.answer(rec.Body.String(), "allow"))                                 // the default page to continue
	wantPage(t, user.open(authorizeURL("nobody", webRedirect)), http.StatusBadRequest) // the default error page
	if again := w.newBroker(); again == nil || own.Lookup("error") != nil {
		t.Error("the operator's templates were changed")
	}
}

func TestRoutesAreBelowTheResource(t *testing.T) {
	t.Parallel()
	b := newWorld(t, 1).brokers[0]
	var paths []string
	for _, r := range b.Routes() {
		paths = append(paths, r.Path)
	}
	if got := strings.Join(paths, " "); got != "/register /authorize /consent /oauth/callback /token /revoke /jwks" {
		t.Errorf("routes %s", got)
	}
	if b.Issuer() != testResource || b.CallbackURL() != testResource+"/oauth/callback" {
		t.Errorf("%s %s", b.Issuer(), b.CallbackURL())
	}
}

func TestAMountAtTheRootOfItsHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) { c.Resource = "https://mcp.example.com" })
	if got := w.brokers[0].metadata.TokenEndpoint; got != "https://mcp.example.com/token" {
		t.Errorf("token endpoint %s", got)
	}
}
