// Package chromium drives a real browser, Chromium, for tests: driver.mjs holds its strings, by the
// DevTools protocol, and this package holds the driver's.
package chromium

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// Config says what to run.
type Config struct {
	// Root is the folder of the end-to-end tests, Node the program that runs the driver, Chromium
	// the browser.
	Root, Node, Chromium string
	// LogDir receives browser.log: every document that was asked for and every complaint, without
	// queries.
	LogDir string
	// Hosts are rules for names of the test's own sites: "MAP client.example.com 127.0.0.1:4711".
	Hosts string
}

// Browser is a running Chromium.
type Browser struct {
	process *harness.Process
	url     string
	http    *http.Client
}

// Start starts the browser.
func Start(ctx context.Context, c Config) (*Browser, error) {
	listening := make(chan string, 1)
	process, err := harness.Start(ctx, harness.Command{
		Name: "browser", LogDir: c.LogDir,
		Path: c.Node, Args: []string{filepath.Join(c.Root, "chromium", "driver.mjs")},
		Env: []string{"E2E_CHROMIUM=" + c.Chromium, "E2E_HOSTS=" + c.Hosts},
		Output: func(line string) {
			var first struct {
				Listening string `json:"listening"`
			}
			if json.Unmarshal([]byte(line), &first) == nil && first.Listening != "" {
				select {
				case listening <- first.Listening:
				default:
				}
			}
		},
	})
	if err != nil {
		return nil, err
	}
	b := &Browser{process: process, http: &http.Client{Timeout: 3 * time.Minute}}
	select {
	case b.url = <-listening:
		return b, nil
	case <-process.Done():
		err = errors.New("the browser's driver ended")
	case <-ctx.Done():
		err = ctx.Err()
	}
	process.Stop()
	return nil, fmt.Errorf("%w\n%s", err, process.Tail())
}

// Stop ends the browser.
func (b *Browser) Stop() { b.process.Stop() }

// Window is a window with cookies of its own.
type Window struct {
	browser *Browser
	number  int
}

// Settings are those of a window.
type Settings struct {
	// NoScript runs no script of any page.
	NoScript bool
}

// Window opens a window.
func (b *Browser) Window(ctx context.Context, s Settings) (*Window, error) {
	w := &Window{browser: b}
	return w, b.run(ctx, "window", map[string]any{"script": !s.NoScript}, &w.number)
}

// Close closes the window with its tabs.
func (w *Window) Close(ctx context.Context) error {
	return w.browser.run(ctx, "close", map[string]any{"window": w.number}, nil)
}

// Cookie is a cookie as the browser keeps it.
type Cookie struct {
	Name     string `json:"name"`
	Domain   string `json:"domain"`
	Path     string `json:"path"`
	HTTPOnly bool   `json:"httpOnly"`
	Secure   bool   `json:"secure"`
	SameSite string `json:"sameSite"`
}

// Cookies are those of a window.
func (w *Window) Cookies(ctx context.Context) (cookies []Cookie, err error) {
	return cookies, w.browser.run(ctx, "cookies", map[string]any{"window": w.number}, &cookies)
}

// Tab is a tab of a window.
type Tab struct {
	browser *Browser
	number  int
}

// Tab opens a tab.
func (w *Window) Tab(ctx context.Context) (*Tab, error) {
	t := &Tab{browser: w.browser}
	return t, w.browser.run(ctx, "tab", map[string]any{"window": w.number}, &t.number)
}

// Run has the tab do one of the driver's commands and reads its answer, unless answer is nil.
func (t *Tab) Run(ctx context.Context, command string, args map[string]any, answer any) error {
	all := map[string]any{"tab": t.number}
	maps.Copy(all, args)
	return t.browser.run(ctx, command, all, answer)
}

// Look is what a tab shows, and what the browser said of it since the last look. URLs other than
// the document's own are without query.
type Look struct {
	URL        string      `json:"url"`
	Title      string      `json:"title"`
	Status     int         `json:"status"`
	Complaints []Complaint `json:"complaints"`
	// Documents are the requests for documents, such as "GET https://example.com/".
	Documents []string `json:"documents"`
}

// Complaint is an error or warning of the browser about a page: of its console, or an issue that
// DevTools lists.
type Complaint struct {
	Page string `json:"page"`
	Text string `json:"text"`
}

func (b *Browser) run(ctx context.Context, command string, args map[string]any, answer any) error {
	args["run"] = command
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := b.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return err
	}
	var reply struct {
		Value json.RawMessage `json:"value"`
		Error string          `json:"error"`
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		return err
	}
	if reply.Error != "" {
		return fmt.Errorf("browser: %s: %s", command, reply.Error)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(reply.Value, answer)
}
