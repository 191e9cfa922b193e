# Two commands do all the set-up on a fresh machine: `make demo` and `make test`. Everything else installs what it needs,
# pinned, into .cache/ (ignored by git).

GO       ?= go
CACHE    := $(CURDIR)/.cache
LINT_VERSION := v2.15.0
LINT     := $(CACHE)/bin/golangci-lint-$(LINT_VERSION)

# -race needs cgo and a C compiler. CI has one; elsewhere the tests run without, and say so.
CC_FOUND := $(shell command -v $${CC:-cc} 2>/dev/null || command -v gcc 2>/dev/null || command -v clang 2>/dev/null)
ifneq ($(CC_FOUND),)
RACE     := -race
RACE_ENV := CGO_ENABLED=1
endif

.PHONY: help demo test generate check lint e2e e2e-all compatibility bench bench-check clean

help: ## Show the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: ## Play a whole MCP login against the embedded identity provider, step by step
	@$(GO) run ./cmd/latchkey demo

test: check ## Check for drift and run all Go tests, with -race where a C compiler is found
	@$(if $(RACE),,echo "no C compiler found: running without -race (install gcc or clang to have it)")
	$(RACE_ENV) $(GO) test $(RACE) ./...
	cd examples/chi && $(RACE_ENV) $(GO) test $(RACE) ./...

generate: ## Generate everything from the specs
	$(GO) generate ./...

check: ## Fail when generated files differ from the specs
	@$(GO) run ./cmd/latchkey-gen generate --check

lint: $(LINT) ## Run the pinned golangci-lint over all modules
	$(LINT) run ./...
	@for module in e2e bench examples/chi; do if [ -f $$module/go.mod ]; then (cd $$module && $(LINT) run ./...) || exit 1; fi; done

$(LINT):
	@mkdir -p $(CACHE)/bin
	GOBIN=$(CACHE)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv $(CACHE)/bin/golangci-lint $@

e2e: ## Log in to real servers with real clients: all, or CELL=keycloak/ts-v2 (Node 20, Python 3, Java 17, Maven, Chromium)
	@./e2e/run

e2e-all: ## As e2e, with what takes more time or disk: the cells with `in: all`, Codex, opencode (1 GB more; Linux, root)
	@E2E_ALL=1 ./e2e/run

compatibility: ## Write docs/compatibility.md from the results of the last e2e or e2e-all
	@cd e2e && $(GO) run ./cmd/compatibility

bench: ## Measure everything, print ratios, write docs/performance.md (ten minutes; Node 20 or later, Python 3)
	@cd bench && $(GO) run ./cmd/report

bench-check: ## Fail when allocations or ratios are above bench/ceilings.json (under two minutes)
	@cd bench && $(GO) run ./cmd/check

clean: ## Remove downloads and build results
	rm -rf $(CACHE) bin e2e/.run
