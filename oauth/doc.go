// Package oauth is the contract between identity providers and the servers that trust them: what a
// provider is, what a verified caller looks like, how OAuth errors and challenges are spelled, and
// where RFC metadata lives.
//
// It imports the standard library alone, so a hand-written [Provider] costs no dependency.
package oauth
