package names

import "testing"

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, exported, local string }{
		{"authURL", "AuthURL", "authURL"},
		{"serverUrl", "ServerURL", "serverURL"},
		{"frontendApiUrl", "FrontendAPIURL", "frontendAPIURL"},
		{"projectId", "ProjectID", "projectID"},
		{"jwtSecret", "JWTSecret", "jwtSecret"},
		{"jwksUrl", "JWKSURL", "jwksURL"},
		{"getUserInfo", "GetUserInfo", "getUserInfo"},
		{"userInfoEndpoint", "UserInfoEndpoint", "userInfoEndpoint"},
		{"realm_access", "RealmAccess", "realmAccess"},
		{"org_id", "OrgID", "orgID"},
		{"sid", "SID", "sid"},
		{"email_verified", "EmailVerified", "emailVerified"},
		{"HTTPServer", "HTTPServer", "httpServer"},
		{"client2Id", "Client2ID", "client2ID"},
		{"https://acme.com/org", "HTTPSAcmeComOrg", "httpsAcmeComOrg"},
		{"cognito:groups", "CognitoGroups", "cognitoGroups"},
		{"urn:x-y", "UrnXY", "urnXY"},
		{"2fa", "", "2fa"},
		{"élan", "Lan", "lan"},
		{"\u65e5\u672c", "", ""},
		{"", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Exported(c.name); got != c.exported {
				t.Errorf("exported is %q, want %q", got, c.exported)
			}
			if got := Local(c.name); got != c.local {
				t.Errorf("local is %q, want %q", got, c.local)
			}
		})
	}
}
