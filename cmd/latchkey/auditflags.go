package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/observe/audit"
)

// auditFlags say what a server records of its decisions.
type auditFlags struct {
	Audit           string `placeholder:"FILE" help:"Append a record, a JSON object a line, of each security decision to this file, or write it to standard output (-). SIGHUP opens the file again. The members are listed in docs/audit.md."`
	AuditPerson     string `name:"audit-person" enum:"plain,hash,omit" default:"plain" help:"Name users in these records as they are (plain), by keyed digests as with --log-subjects (hash), or not (omit)."`
	AuditFsync      bool   `name:"audit-fsync" help:"Have each record on the disk before it counts as written."`
	AuditFailClosed bool   `name:"audit-fail-closed" help:"Refuse, with 503, what cannot be recorded."`
}

// auditEnd is how long the records that wait may take to be written at the end.
const auditEnd = 10 * time.Second

// trail is the audit log of a server, or none.
type trail struct {
	log   *audit.Log
	stop  func()
	began bool // the start is recorded
}

// open opens the audit log that the flags ask for.
func (f *auditFlags) open(env environment, log *slog.Logger) (*trail, error) {
	toFile := f.Audit != "" && f.Audit != "-"
	switch {
	case f.Audit == "" && (f.AuditPerson != "plain" || f.AuditFsync || f.AuditFailClosed):
		return nil, errors.New("--audit-person, --audit-fsync and --audit-fail-closed need --audit with a file, or - for standard output")
	case f.Audit == "":
		return &trail{}, nil
	case f.AuditFsync && !toFile:
		return nil, errors.New("--audit-fsync needs a file in --audit: what reads standard output keeps the records")
	}
	config := audit.Config{Person: audit.Person(f.AuditPerson), Sync: f.AuditFsync, FailClosed: f.AuditFailClosed, Logger: log}
	if config.Person == audit.Hash {
		var err error
		if config.Key, err = logKey(env, "--audit-person hash"); err != nil {
			return nil, err
		}
	}
	if !toFile {
		records, err := audit.New(env.stdout, config)
		return &trail{log: records, stop: func() {}}, err
	}
	records, err := audit.Open(f.Audit, config)
	if err != nil {
		return nil, fmt.Errorf("--audit: %w", err)
	}
	return &trail{log: records, stop: reopening(records, log)}, nil
}

// reopening opens the file of records again with each SIGHUP, until it is stopped.
func reopening(records *audit.Log, log *slog.Logger) (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range signals {
			if err := records.Reopen(); err != nil {
				log.Error("the audit file could not be opened again: records go on in the old one", "error", err)
			} else {
				log.Info("the audit file was opened again")
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}

// observer is who records, nil where nobody does.
func (t *trail) observer() observe.Observer {
	if t.log == nil {
		return nil
	}
	return t.log
}

// started records that a server begins to serve, and how it is set up. Of flags the names alone are
// recorded: values may be secret.
func (t *trail) started(ctx context.Context, arguments *kong.Context, resource string, provider oauth.Description, address string) error {
	if t.log == nil {
		return nil
	}
	var flags []string
	for _, flag := range arguments.Flags() {
		if flag.Set {
			flags = append(flags, flag.Name)
		}
	}
	event := observe.Event{
		Kind: audit.ServerStarted, Time: time.Now(), Provider: provider.Name, Resource: resource,
		Details: []slog.Attr{
			slog.String("version", version()), slog.String("mode", string(provider.Mode)), slog.String("address", address),
			slog.String("flags", strings.Join(flags, " ")),
		},
	}
	if err := t.log.Decide(ctx, event); err != nil {
		return err
	}
	event.Decided = true
	t.log.Observe(ctx, event)
	t.began = true
	return nil
}

// close records that the server has ended, and waits for the records.
func (t *trail) close(ctx context.Context) error {
	if t.log == nil {
		return nil
	}
	t.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditEnd)
	defer cancel()
	if t.began {
		t.log.Observe(ctx, observe.Event{Kind: audit.ServerStopped, Time: time.Now()})
	}
	return t.log.Close(ctx)
}
