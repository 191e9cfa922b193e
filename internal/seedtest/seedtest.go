// Package seedtest holds the built-in providers to the words that people who come from mcp-use
// know: their messages, variables, defaults and field names.
package seedtest
