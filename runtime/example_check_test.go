package runtime_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/latchkey-auth/latchkey/providers_gen/keycloak"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/check"
)

// A program that starts looks at its provider, and says what has to be changed.
func ExampleProvider_Check() {
	provider, err := keycloak.New(keycloak.Config{ServerURL: "http://127.0.0.1:1", Realm: "staff"}, runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	report := provider.Check(context.Background(), check.Passive)
	for _, finding := range report.Failed() {
		fmt.Println(finding.ID, "at", finding.Where)
	}
	// Output:
	// discovery at Keycloak
	// keys at Keycloak
}

// A guard also looks whether its own public URL leads to it.
func ExampleGuard_Check() {
	provider, err := keycloak.New(keycloak.Config{ServerURL: "http://127.0.0.1:1", Realm: "staff"}, runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "http://127.0.0.1:1/mcp"})
	if err != nil {
		log.Fatal(err)
	}
	failed := guard.Check(context.Background()).Failed()
	fmt.Println(failed[len(failed)-1].ID, "at", failed[len(failed)-1].Where)
	// Output:
	// public_url at this server
}
