// Package keycloak runs a Keycloak server (Java) and makes realms in it, one for each test. Its
// start takes long, so that all tests share one. A realm is sent to it as the representation that
// an import reads: what differs from test to test, such as the audience mapper, cannot be in a file
// that is read at the start. It runs as it was built (start --optimized), on plain http.
package keycloak

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// Test values: they open nothing but a server that lives as long as its test.
const (
	adminName    = "admin"
	userName     = "ada"
	userEmail    = "ada@example.com"
	userPassword = "test-password-of-ada"
)

// startTime bounds how long a start may take.
const startTime = 8 * time.Minute

// Config says what to run.
type Config struct {
	// Home is the folder of a Keycloak that was built before (kc.sh build). LogDir receives
	// keycloak.log.
	Home, LogDir string
	Port         int
	// Database is the path of the database's file, without its ending, which survives a restart. By
	// default everything is kept in memory.
	Database string
}

// Instance is a running Keycloak.
type Instance struct {
	config        Config
	process       *harness.Process
	origin        string
	adminPassword string
	http          *http.Client

	mu         sync.Mutex
	token      string
	tokenUntil time.Time
}

// Start starts a Keycloak and returns when it answers. It lives until Stop, or as long as ctx.
func Start(ctx context.Context, c Config) (*Instance, error) {
	i := &Instance{
		config: c, origin: fmt.Sprintf("http://127.0.0.1:%d", c.Port), adminPassword: rand.Text(),
		http: &http.Client{Timeout: 2 * time.Minute},
	}
	return i, i.start(ctx)
}

func (i *Instance) start(ctx context.Context) error {
	args := []string{
		"start", "--optimized", "--cache=local", "--http-enabled=true", "--http-host=127.0.0.1",
		fmt.Sprintf("--http-port=%d", i.config.Port), "--hostname-strict=false",
	}
	if i.config.Database != "" {
		// Further settings are those of Keycloak's own for H2.
		args = append(args, "--db-url=jdbc:h2:file:"+i.config.Database+";NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE")
	}
	var err error
	i.process, err = harness.Start(ctx, harness.Command{
		Name: "keycloak", LogDir: i.config.LogDir, Path: filepath.Join(i.config.Home, "bin", "kc.sh"), Args: args,
		Env: []string{
			"KC_BOOTSTRAP_ADMIN_USERNAME=" + adminName, "KC_BOOTSTRAP_ADMIN_PASSWORD=" + i.adminPassword,
			"JAVA_OPTS_APPEND=-Xmx512m -XX:TieredStopAtLevel=1",
		},
	})
	if err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := i.process.WaitReady(ready, i.origin+"/realms/master"); err != nil {
		i.Stop()
		return err
	}
	return nil
}

// End ends the server by a signal and returns when it is gone.
func (i *Instance) End(ctx context.Context, s syscall.Signal) error { return i.process.End(ctx, s) }

// StartAgain starts the server that ended, at the same address. Config.Database decides what it
// still knows.
func (i *Instance) StartAgain(ctx context.Context) error { return i.start(ctx) }

// Stop ends the server.
func (i *Instance) Stop() { i.process.Stop() }

// object is a JSON object of the admin API.
type object = map[string]any

// admin calls the admin API. into may be nil.
func (i *Instance) admin(ctx context.Context, method, path string, body, into any) error {
	token, err := i.adminToken(ctx)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, i.origin+"/admin/realms"+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	return i.send(request, into)
}

// adminToken logs in as the administrator, and again after half of the minute that such tokens
// live: to check the password is slow on purpose.
func (i *Instance) adminToken(ctx context.Context) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if time.Now().Before(i.tokenUntil) {
		return i.token, nil
	}
	form := url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {adminName}, "password": {i.adminPassword},
	}
	target := i.origin + "/realms/master/protocol/openid-connect/token"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var tokens harness.Tokens
	if err := i.send(request, &tokens); err != nil {
		return "", err
	}
	i.token, i.tokenUntil = tokens.AccessToken, time.Now().Add(30*time.Second)
	return i.token, nil
}

func (i *Instance) send(request *http.Request, into any) error {
	response, err := i.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("keycloak: %s %s answers %d: %s", request.Method, request.URL.Path, response.StatusCode, answer)
	}
	if into == nil || len(answer) == 0 {
		return nil
	}
	return json.Unmarshal(answer, into)
}
