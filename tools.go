//go:build tools || generate

package latchkey

//go:generate go run ./cmd/latchkey-gen generate
//go:generate go test ./internal/archtest -run "^(TestThePublicSurfaceIsListed|TestTheVocabularyIsDocumented)$" -count=1 -update
