// Package secretenv reads secrets from variables, or from files that variables name: container
// platforms mount secrets as files, and a file shows in no list of processes.
package secretenv

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// FileSuffix is what the name of a variable with a secret ends in where its value is the path of a
// file with that secret.
const FileSuffix = "_FILE"

// maxBytes is the size of the largest file that is read: more than any list of keys, less than a
// mistake such as a disk.
const maxBytes = 64 << 10

// Lookup returns the secret in the variable name, or in the file that the variable name_FILE names.
// One trailing line break of a file is dropped. The secret is empty where neither is set; source is
// the variable that was used. Errors hold no secret.
func Lookup(lookupEnv func(name string) (string, bool), name string) (secret, source string, err error) {
	value, _ := lookupEnv(name)
	file, _ := lookupEnv(name + FileSuffix)
	switch {
	case file == "":
		return value, name, nil
	case value != "":
		return "", name, fmt.Errorf("%s and %s are both set: keep one", name, name+FileSuffix)
	}
	secret, err = read(file)
	if err != nil {
		return "", name + FileSuffix, fmt.Errorf("%s: %w", name+FileSuffix, err)
	}
	return secret, name + FileSuffix, nil
}

func read(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	switch {
	case err != nil:
		return "", err
	case len(data) > maxBytes:
		return "", fmt.Errorf("%s has more than %d bytes, which is no secret", file, maxBytes)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if strings.TrimSpace(text) == "" {
		return "", errors.New(file + " is empty")
	}
	return text, nil
}
