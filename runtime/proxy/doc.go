// Package proxy has the options of proxy mode, where the server stands in as the authorization
// server of its clients because the provider registers none, and the data that its pages show.
package proxy
