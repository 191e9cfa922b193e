// Package clientshapes records what the MCP clients that people use send when they log in: how each
// identifies itself, its redirect URIs, and the parameters of its requests. It is data, for tests
// and diagnoses that play a client without having it.
//
// A record is no better than its source: [Shape.Sources] says of each part whether it was seen on
// the wire, read in what the client's maker publishes, or told by somebody else.
//
// Texts of a record have marks for what differs from login to login, such as {redirect_uri} and
// {scope}; [Values] fills them.
package clientshapes
