// Package jose reads and checks signed tokens (JWS, RFC 7515) and key sets (JWK, RFC 7517), and
// signs for tests and the embedded identity provider.
//
// It is the only importer of jwx, and nothing that it exports shows jwx's types: replacing that
// library is a change of this package alone. jwx turns JWK texts into Go keys and back. The compact
// serialization is read here, byte by byte, since every lenience of a parser is a second spelling
// of a token; signatures are checked by the standard library.
package jose
