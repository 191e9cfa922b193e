package tickets

import (
	"encoding/json"

	"github.com/latchkey-auth/latchkey/oauth"
)

// Access is a sealed access token.
type Access struct {
	Family ID
	// Confidential says that the client must authenticate to revoke the token.
	Confidential bool
	// Info is the caller. ClientID, Resource, Provider, Issuer, Subject, Permissions, Scopes and
	// the user's own fields are in the token; nothing else is.
	Info *oauth.AuthInfo
	// Upstream is the provider's access token, which the client must not see.
	Upstream string
}

// accessFormat has the version 2 since there is Confidential.
func accessFormat() format[Access] {
	return format[Access]{
		purpose: "access", version: 2, least: 1, write: writeAccess, read: readAccess,
		bound: func(a Access) bool { return a.Confidential },
	}
}

func writeAccess(w writer, a Access) []byte {
	info, u := a.Info, &a.Info.User
	w.id(a.Family)
	for _, field := range []string{
		info.ClientID, info.Resource, info.Provider, info.Issuer, info.Subject,
		u.ID, u.Email, u.Name, u.Username, u.Nickname, u.Picture,
	} {
		w.text(field)
	}
	w.texts(u.Roles)
	w.texts(info.Permissions)
	w.texts(info.Scopes)
	extra, err := json.Marshal(u.Extra)
	if err != nil || u.Extra.Len() == 0 {
		extra = nil
	}
	w.text(string(extra))
	w.text(a.Upstream)
	w.flag(a.Confidential)
	return w.b
}

func readAccess(r reader) (Access, error) {
	a := Access{Family: r.id(), Info: &oauth.AuthInfo{}}
	info, u := a.Info, &a.Info.User
	for _, field := range []*string{
		&info.ClientID, &info.Resource, &info.Provider, &info.Issuer, &info.Subject,
		&u.ID, &u.Email, &u.Name, &u.Username, &u.Nickname, &u.Picture,
	} {
		*field = r.text()
	}
	u.Roles, info.Permissions, info.Scopes = r.texts(), r.texts(), r.texts()
	extra := r.text()
	a.Upstream = r.text()
	if r.version >= 2 {
		a.Confidential = r.flag()
	}
	err := r.end()
	if err == nil && extra != "" {
		u.Extra, err = oauth.ParseClaims(extra)
	}
	return a, err
}
