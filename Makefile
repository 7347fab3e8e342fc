# nemoclaw: everything goes through here. `make demo` and `make test` do all
# the set-up they need; downloads are kept in .cache, which git ignores.
SHELL      := /bin/bash
export CGO_ENABLED := 0
GO         ?= go
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS    := -s -w -X github.com/nemoclaw/nemoclaw/internal/version.String=$(VERSION)
INIT       := internal/launch/program/init/nemoclaw-init
TRIES      := internal/launch/program/init/nemoclaw-tries
FIRST      := ./internal/early,./internal/supervisor/throwaway,./internal/operator/quick
# Where the program begins, on processors for which there is such a place: ahead of
# Go's runtime. Elsewhere a run takes a millisecond longer.
ENTRY      := $(if $(wildcard internal/launch/birth/ahead/enter_$(shell $(GO) env GOARCH).s),-E github.com/nemoclaw/nemoclaw/internal/launch/birth/ahead.enter)
LINT       := .cache/bin/golangci-lint
GO_SOURCES := $(shell find cmd internal blueprints presets -name '*.go' -o -name '*.s' -o -name '*.json' -o -name '*.yaml' 2>/dev/null)

.PHONY: build demo test check race fuzz bench escapes install clean needs needs-test

build: bin/nemoclaw bin/openshell ## the product: one file, two names

$(INIT): $(shell find cmd/init internal/confine internal/bare -name '*.go' -o -name '*.s' 2>/dev/null) go.mod
	@mkdir -p $(@D)
	$(GO) build -trimpath -ldflags "-s -w" -o $@ ./cmd/init

$(TRIES): $(shell find cmd/tries internal/tries internal/confine/spec -name '*.go' 2>/dev/null) go.mod
	@mkdir -p $(@D)
	$(GO) build -trimpath -ldflags "-s -w" -o $@ ./cmd/tries

bin/nemoclaw: $(INIT) $(TRIES) $(GO_SOURCES) $(wildcard scripts/inits/*.go) go.mod
	@mkdir -p bin
	$(GO) build -trimpath -ldflags "$(LDFLAGS) $(ENTRY)" -o $@.linked ./cmd/nemoclaw
	@# What `run` needs is initialised first, and the rest never; see the tool. Without it
	@# the program is the same, but a start takes 0.6 ms longer.
	$(GO) run ./scripts/inits -first $(FIRST) $@.linked $@.new ./cmd/nemoclaw || \
	  dd if=$@.linked of=$@.new bs=32M status=none
	@chmod 755 $@.new && mv -f $@.new $@ && rm $@.linked

bin/openshell: bin/nemoclaw
	@ln -sf nemoclaw $@

needs:
	@scripts/needs.sh build

needs-test: needs
	@scripts/needs.sh test
	@$(GO) run ./test/e2e/warm .cache/blueprints openclaw shell
	@$(GO) run ./test/e2e/warm .cache/agent-blueprints claude-code codex gemini-cli opencode pi

demo: needs ## a sandbox with the real OpenClaw, one message, and a rogue model that gets nowhere
	@$(MAKE) --no-print-directory build
	@demo/demo.sh

test: needs-test build ## all tests
	@set -o pipefail; $(GO) test -json -timeout 45m ./... | $(GO) run ./test/judge

check: needs build $(LINT) ## format, vet, lint with the import arrows, known holes, race detector, tidy
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "not gofmt clean"; exit 1; }
	$(GO) vet ./...
	$(LINT) run ./...
	scripts/holes.sh
	CGO_ENABLED=1 $(GO) test -race -timeout 40m ./internal/...
	@cp go.mod go.mod.was && cp go.sum go.sum.was && $(GO) mod tidy && \
	  { cmp -s go.mod go.mod.was && cmp -s go.sum go.sum.was; r=$$?; mv go.mod.was go.mod; mv go.sum.was go.sum; \
	    [ $$r = 0 ] || { echo "go mod tidy is not clean"; exit 1; }; }

$(LINT):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

race: needs-test $(INIT) $(TRIES) ## the race detector over the tests in test/, in all that they start
	@scripts/race.sh $(TESTS)

fuzz: needs $(INIT) $(TRIES) ## ten CPU-minutes of every fuzz target that there is
	@scripts/fuzz.sh $(FUZZ_SECONDS)

bench: needs-test build ## side by side with the peers, as ratios
	$(GO) run ./bench

escapes: $(INIT) $(TRIES) ## what must be refused, a line a case: its wall, verdict and event
	@mkdir -p .cache
	$(GO) test -c -o .cache/escape.test ./test/escape
	@cd test/escape && ../../.cache/escape.test -test.timeout 10m -table

install: build
	./install.sh --from-source

clean:
	rm -rf bin $(INIT) $(TRIES)
