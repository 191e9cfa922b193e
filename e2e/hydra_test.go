package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/hydra"
)

// buildTime bounds how long the build of a server may take on a machine that tests keep busy.
const buildTime = 20 * time.Minute

// built is a server's program that e2e/run builds while tests run.
func built(ctx context.Context, t *testing.T, variable, why string) string {
	t.Helper()
	binary := needed(t, variable, why)
	folder := filepath.Dir(binary)
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	exists := func(file string) bool { _, err := os.Stat(file); return !errors.Is(err, os.ErrNotExist) }
	waitUntil(ctx, t, func() bool { return exists(binary) || exists(filepath.Join(folder, "failed")) }, binary+" is not built")
	if !exists(binary) {
		t.Fatalf("%s was not built: see build.log there", binary)
	}
	return binary
}

// startHydra starts a server whose tokens are JWTs or opaque.
func startHydra(jwt bool) func(context.Context, *testing.T, string) harness.Server {
	return func(ctx context.Context, t *testing.T, resource string) harness.Server {
		t.Helper()
		server, err := hydra.Start(ctx, hydra.Config{
			Binary: built(t.Context(), t, "E2E_HYDRA", "Ory Hydra needs a C compiler"), LogDir: logDir(t), JWT: jwt,
			Port: port(ctx, t), AdminPort: port(ctx, t), PagesPort: port(ctx, t),
			RedirectURI: resource + "/oauth/callback", Scopes: []string{stepUpScope},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Stop)
		return server
	}
}

// waitsForItsBuild puts a server among those whose cells come last.
func waitsForItsBuild() {}
