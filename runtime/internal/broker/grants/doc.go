// Package grants keeps track of what the broker gave: codes that are good for one use, and the
// tokens of a login with their refreshes and their end. It asks the provider for its tokens, makes
// ours of them, and notices a code or refresh token that comes twice.
//
// A grant type is one [Type], in a file of its own, and one line in [New].
package grants
