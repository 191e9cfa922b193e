// Package seal keeps short-lived state outside the server: a sealed value is encrypted and
// authenticated, made for one purpose and one server, and may expire. A party that carries it can
// neither read nor change it, nor use it elsewhere.
//
// A sealed value is the unpadded base64url text of
//
//	version (1 byte) | key id (2) | nonce (24) | XChaCha20-Poly1305 ciphertext and tag (16 more than its content)
//
// whose content is the purpose, the expiry in seconds since 1970 (0 for never) and the payload.
// XChaCha20-Poly1305 is used because its nonces are long enough to be drawn at random without ever
// counting messages (draft-irtf-cfrg-xchacha). Each purpose and server has a key of its own,
// derived with HKDF-SHA256 (RFC 5869).
//
// One value has one spelling: a text that differs in a single character is refused.
package seal
