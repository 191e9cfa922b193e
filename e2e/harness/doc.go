// Package harness runs authorization servers and MCP clients that other projects wrote against
// latchkey: it starts and stops their processes, plays the user's browser, and keeps a log of every
// cell of the matrix.
package harness
