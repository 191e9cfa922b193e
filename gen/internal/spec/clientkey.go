package spec

// PrivateKeyJWT is the method of client authentication that needs a key in place of a secret.
const PrivateKeyJWT = "private_key_jwt"

// keyed are the config fields about the key of [PrivateKeyJWT], in the section of the given path.
type keyed struct {
	path, key, keyID, secret string
	// signs tells that the section's method is private_key_jwt, open that the configuration may
	// choose it.
	signs, open bool
	// shared tells that there is a key elsewhere, which stands in for one that is missing here.
	shared bool
}

// clientKey checks that a key is there where one is needed, and only there.
func (c templates) clientKey(k keyed) {
	c.typed("secret-type", k.key, k.path+".client_key", TypeSecret)
	c.typed("client-key", k.keyID, k.path+".client_key_id", TypeString)
	switch {
	case k.signs && k.key == "" && !k.shared && c.Known(k.path+".client_key"):
		c.ReportKeyf("client-key", k.path+".auth_method", "private_key_jwt needs client_key: the config field with the private key")
	case k.signs && k.secret != "":
		c.ReportKeyf("client-key", k.path+".client_secret", "client_secret does nothing: private_key_jwt signs with client_key")
	case !k.signs && !k.open && k.key != "":
		c.ReportKeyf("client-key", k.path+".client_key", "client_key does nothing: auth_method is not private_key_jwt")
	case k.key == "" && k.keyID != "":
		c.ReportKeyf("client-key", k.path+".client_key_id", "client_key_id names a key, and there is none")
	}
}
