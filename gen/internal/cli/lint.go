package cli

import (
	"path/filepath"

	"github.com/latchkey-auth/latchkey/gen/internal/generate"
)

// Lint is the command that reports problems of specs.
type Lint struct {
	Reporting

	Files []string `arg:"" name:"file" help:"Specs." type:"existingfile"`
}

// Run lints.
func (l *Lint) Run(streams *Streams) error {
	specs, err := readFiles(l.Files)
	if err != nil {
		return err
	}
	unsuitable, err := readUnsuitable(filepath.Dir(l.Files[0]))
	if err != nil {
		return err
	}
	_, problems := generate.Check(specs, unsuitable)
	return l.report(streams, problems)
}
