// Package archtest holds the module to its architecture: who may import whom, and that nothing fetches anything except
// through runtime/egress. It has tests only.
package archtest
