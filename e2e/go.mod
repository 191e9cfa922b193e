module github.com/latchkey-auth/latchkey/e2e

go 1.26.0

replace github.com/latchkey-auth/latchkey => ../

require golang.org/x/net v0.61.0
