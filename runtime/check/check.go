// Package check says whether a provider and a server are set up so that people can log in: what was
// asked, what was seen, and what to change where. [runtime.Provider.Check] and
// [runtime.Guard.Check] make the reports.
package check

import "slices"

// schemaVersion is that of the JSON of reports.
const schemaVersion = 1

// Report is what was found. It holds no secret and no token, so that it may be shown and stored.
type Report struct {
	// SchemaVersion is the version of the report's JSON. It grows with changes that readers of an
	// older one would not understand.
	SchemaVersion int `json:"schemaVersion"`
	// OK reports whether nothing is wrong, as far as was looked.
	OK bool `json:"ok"`
	// Findings are the findings in the order of their questions.
	Findings []Finding `json:"findings"`
}

// NewReport returns the report of some findings.
func NewReport(findings ...Finding) Report {
	ok := !slices.ContainsFunc(findings, func(f Finding) bool { return f.Outcome == Failed })
	return Report{SchemaVersion: schemaVersion, OK: ok, Findings: findings}
}

// Failed returns the findings of what is wrong.
func (r Report) Failed() []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Outcome != Failed })
}

// Outcome is the answer to a question.
type Outcome string

// The outcomes.
const (
	Passed Outcome = "passed"
	Failed Outcome = "failed"
	// Skipped is a question that means nothing here, or that nobody could answer: Seen says why.
	Skipped Outcome = "skipped"
)

// Finding is the answer to one question.
type Finding struct {
	// ID is the question's stable name, such as "keys".
	ID      string  `json:"id"`
	Outcome Outcome `json:"outcome"`
	// Asked is what was asked of whom, such as the URL of a request.
	Asked string `json:"asked,omitempty"`
	// Seen is what came back, in short and without secrets.
	Seen string `json:"seen,omitempty"`
	// Fix is what to change, and Where the place to do so: the provider's title, for its console, or
	// "this server" for a setting here. Both are empty for what passed.
	Fix   string `json:"fix,omitempty"`
	Where string `json:"where,omitempty"`
}

// ThisServer is the [Finding.Where] of settings of the server itself.
const ThisServer = "this server"

// Option leaves something out.
type Option int

const (
	// Passive leaves out all that sends credentials, and the request to the public URL: what remains
	// may be asked at every start.
	Passive Option = iota + 1
	// NotPublic leaves out the request to the public URL, for a server that does not run yet.
	NotPublic
)
