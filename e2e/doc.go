// Package e2e tests latchkey against authorization servers and MCP clients that other projects
// wrote, over real HTTP on loopback. Each pair of a server and a client is a cell of a matrix;
// `CELL=betterauth/ts-v2` selects one. Start it with the script run beside this file, which
// installs what the cells need.
package e2e
