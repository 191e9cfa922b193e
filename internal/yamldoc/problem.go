package yamldoc

import (
	"cmp"
	"slices"
)

// Severity separates problems that stop a run from those that do not.
type Severity string

const (
	// Error stops the run: nothing is generated.
	Error Severity = "error"
	// Warning is worth a look and stops nothing.
	Warning Severity = "warning"
)

// Position is a place in a file. Line and Column count from 1; Column counts characters. Line 0 is
// the file as a whole.
type Position struct {
	File   string
	Line   int
	Column int
}

// Problem is one thing that is wrong.
type Problem struct {
	Position

	// Rule is the stable identifier of the broken rule.
	Rule     string
	Severity Severity
	// Message says what is wrong and what to do, for people.
	Message string
	// Suggestion is what may have been meant, where there is a near spelling.
	Suggestion string
	// Source is the line of the file that Position points to.
	Source string
}

// Problems are any number of problems.
type Problems []Problem

// HasErrors reports whether one of the problems stops the run.
func (l Problems) HasErrors() bool {
	return slices.ContainsFunc(l, func(p Problem) bool { return p.Severity == Error })
}

// Sorted returns the problems by file, line, column, rule and message, without repetitions.
func (l Problems) Sorted() Problems {
	sorted := slices.Clone(l)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(sorted)
}
