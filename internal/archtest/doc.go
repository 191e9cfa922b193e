// Package archtest holds the module to its architecture: who may import whom, that nothing fetches
// anything except through runtime/egress, what other modules can name, and that tests and the pages
// whose rows they hold name each other. It has tests only.
package archtest
