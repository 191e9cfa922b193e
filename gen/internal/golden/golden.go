// Package golden holds specs that use every part of the language, and what the generator makes of
// them: real packages, which compile, and whose generated tests run with all others.
package golden

//go:generate go run ../../../cmd/latchkey-gen generate --out providers --env env.example
