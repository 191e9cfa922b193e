//go:build tools || generate

package latchkey

//go:generate go run ./cmd/latchkey-gen generate
