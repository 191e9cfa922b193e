package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// sealingKeySize is that of the keys in MCP_USE_OAUTH_SEALING_KEYS, in bytes.
const sealingKeySize = 32

type keysCommand struct {
	New newKeyCommand `cmd:"" help:"Print a new sealing key, for MCP_USE_OAUTH_SEALING_KEYS on all replicas."`
}

type newKeyCommand struct{}

// Run prints a key.
func (newKeyCommand) Run(env environment) error {
	key := make([]byte, sealingKeySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	_, err := fmt.Fprintln(env.stdout, base64.StdEncoding.EncodeToString(key))
	return err
}
