// Package audit records the security decisions of a server: who, on whose behalf, through which
// client, at which resource, with what outcome and why. A [Log] is an observer that writes a JSON
// object a line, of the shape that [Schema] publishes; docs/audit.md explains its members.
//
// No record carries a token, a code or a secret. Personal data is in the member person alone.
package audit
