// Package facts is a provider as plain data: the rules for its tokens, where the caller is found in
// them, how opaque tokens are checked, and the application that the server has at the provider.
// Specs say these facts and generated code writes them down; package runtime compiles them.
package facts
