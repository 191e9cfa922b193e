package cli

import (
	"github.com/latchkey-auth/latchkey/gen/internal/prose"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// Schema is the command that prints the JSON Schema of specs.
type Schema struct{}

// Run prints the schema.
func (*Schema) Run(streams *Streams) error {
	schema, err := spec.Schema(prose.Marker + ". DO NOT EDIT.")
	if err != nil {
		return err
	}
	_, err = streams.Out.Write(schema)
	return err
}
