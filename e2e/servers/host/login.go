package host

import (
	"context"
	"crypto/subtle"
	"errors"
	"html/template"
	"net/http"
	"net/url"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// User is the one user of a server.
type User struct{ ID, Username, Password, Name, Email string }

var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Sign in</title></head>
<body>
<h1>Sign in to continue to {{.Client}}</h1>
{{if .Failed}}<p role="alert">The user name or the password is wrong.</p>{{end}}
<form method="post">
<label>User name <input name="username" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button name="action" value="login">Sign in</button>
</form>
</body>
</html>
`))

// LoggedIn reports whether a request is the login page, filled in correctly. If not, it answers
// with the page, which comes back to the address that it is shown at.
func (u User) LoggedIn(w http.ResponseWriter, r *http.Request, client string) bool {
	post := r.Method == http.MethodPost
	if post && r.PostFormValue("username") == u.Username &&
		subtle.ConstantTimeCompare([]byte(r.PostFormValue("password")), []byte(u.Password)) == 1 {
		return true
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = loginPage.Execute(w, map[string]any{"Client": client, "Failed": post}) // the browser is gone when this fails
	return false
}

// SignIn plays the user's browser at the server with the given origin: see [harness.Server].
func (u User) SignIn(ctx context.Context, origin, authorizeURL string) (string, error) {
	isClient := func(target *url.URL) bool { return target.Scheme+"://"+target.Host != origin }
	browser := harness.NewBrowser()
	page, err := browser.Visit(ctx, authorizeURL, isClient)
	if err != nil {
		return "", err
	}
	if page.Status == 0 { // refused without a login
		return page.URL.String(), nil
	}
	form, err := page.Form("password")
	if err != nil {
		return "", err
	}
	form.Values.Set("username", u.Username)
	form.Values.Set("password", u.Password)
	if err := form.Press("action", "login"); err != nil {
		return "", err
	}
	if page, err = browser.Submit(ctx, form, isClient); err != nil {
		return "", err
	}
	if page.Status != 0 {
		return "", errors.New("the server does not return to the client: " + page.Excerpt())
	}
	return page.URL.String(), nil
}
