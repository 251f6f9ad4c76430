# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Two commands show what there is: make demo, and make test. Both as root.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
BIN := $(CURDIR)/bin
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Not stamped by go itself, which fails in a clone that another user owns.
GOBUILD := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false
FUZZTIME ?= 10s
TESTTIMEOUT ?= 45m
TESTFLAGS ?=
GOVULNCHECK := v1.9.0

# How the tests run that start whole nodes: TESTNODES packages at a time, since all of them
# share one machine; -count=1, since go's cache of results does not know of the programs
# that a test starts. A test that fails runs once more by itself, and what it printed first stays
# on the screen: a kubelet or an emulator that comes late on a busy machine is no fault of
# nodegate's. More than three failures are not run again.
NODETEST := NODEGATE_REQUIRE=1 $(BIN)/gotestsum --format pkgname-and-test-fails --format-icons text --rerun-fails=1 \
	--rerun-fails-max-failures=3 --rerun-fails-run-root-test --packages
TESTNODES ?= 1
NODEFLAGS = -- -count=1 -p $(TESTNODES) -timeout $(TESTTIMEOUT) $(TESTFLAGS)

# The tests find built programs by this, and skip where there are none unless
# NODEGATE_REQUIRE=1 or CI is set.
export NODEGATE_BIN := $(BIN)

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

.PHONY: build
build: programs kubectl-nodegate ## Build bin/nodegate (and the other programs under cmd/)

# sudo has a PATH of its own, without /usr/local/go/bin.
.PHONY: go
go:
	@command -v $(GO) >/dev/null || { echo "make: no $(GO) in PATH: install the Go that go.mod names (https://go.dev/dl); with sudo write: sudo env PATH=\$$PATH make $(MAKECMDGOALS)" >&2; exit 1; }

.PHONY: programs
programs: go
	@mkdir -p $(BIN)
	@for dir in cmd/nodegate*/; do \
		$(GOBUILD) -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/ ./$$dir; \
	done

# The plugin of kubectl has a go.mod of its own, with the versions and the tags of
# hack/pins/kubernetes: what both are made of is compiled once.
PLUGINFLAGS := -trimpath -buildvcs=false -tags=osusergo,netgo

.PHONY: kubectl-nodegate
kubectl-nodegate: go
	@mkdir -p $(BIN)
	@cd cmd/kubectl-nodegate && CGO_ENABLED=0 $(GO) build $(PLUGINFLAGS) -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/ .
	@cp cmd/kubectl-nodegate/kubectl_complete-nodegate $(BIN)/

.PHONY: deps
deps: go ## Install the Debian packages that are missing (as root)
	@hack/deps.sh

# One containerd, as the demo needs it.
.PHONY: runtime
runtime: probe ## Build the pinned default containerd, runc and CNI
	@hack/deps.sh node
	@hack/runtimes.sh

.PHONY: runtimes
runtimes: deps probe ## Build these, BuildKit and every other containerd that the tests run on
	@hack/runtimes.sh all

.PHONY: images
images: deps ## Build the Debian images that the tests run (as root)
	@hack/images.sh

# What Debian machines start from: their packages, an image, a saved state. A quarter of an
# hour once; what is made is kept in bin/machines.
.PHONY: machines
machines: runtimes images ## Make the Debian machines that the tests run (as root)
	$(GO) run -buildvcs=false ./hack/machine build trixie

# The test image's program, what stands before runc on a node with cgroup v2, and what a
# machine runs beside Debian.
.PHONY: probe
probe: go
	@mkdir -p $(BIN)
	@$(GOBUILD) -ldflags '-s -w' -o $(BIN)/ ./integration/probe ./integration/node/limitless ./integration/machines/guest

# The machine is compared before and after: what make itself installs and builds is there
# by then. -k: what fails does not hide what would fail after it.
.PHONY: test
test: prepare machines build golangci-lint ## Run all tests and the linter (as root)
	hack/unchanged.sh $(MAKE) -k --no-print-directory TESTNODES=2 beside-machines on-nodes

# Debian's packages are waited for while the pinned programs are compiled.
.PHONY: prepare
prepare: deps
	$(MAKE) -j2 --no-print-directory runtimes images

# An emulator leaves a good part of two cores idle, which the linter and the unit tests take.
# They yield to it a little only: some of them have limits of time.
.PHONY: beside-machines
beside-machines: machines build deb
	$(MAKE) -k -j2 -O --no-print-directory LOW='nice -n 5' TESTNODES=1 test-machines lint test-unit

# The race detector needs cgo, as the pinned runc does. Packages run one at a time, since
# each of them is built with it anew.
.PHONY: test-unit
test-unit: probe build ## Run the tests that need no containerd (as root)
	CGO_ENABLED=1 NODEGATE_REQUIRE=1 $(LOW) $(GO) test -race -timeout $(TESTTIMEOUT) $(TESTFLAGS) $$($(GO) list ./... | grep -vE '/integration(/|$$)')
	cd hack/release && $(LOW) $(GO) vet ./... && $(LOW) $(GO) test ./...
	cd cmd/kubectl-nodegate && CGO_ENABLED=0 $(LOW) $(GO) test $(PLUGINFLAGS) ./...
	cd hack/pins/admission && CGO_ENABLED=0 NODEGATE_REQUIRE=1 $(LOW) $(GO) test $(PLUGINFLAGS) ./...

ON_CONTAINERD = $$($(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./integration/... | \
	grep -vE '/integration/(cluster|kubernetes|machines.*|realnodes|soak|suites)$$' | xargs)
ON_KUBERNETES = ./integration/kubernetes ./integration/cluster

.PHONY: integration
integration: runtimes images build deb ## Run the tests on a real containerd alone (as root)
	$(NODETEST) "$(ON_CONTAINERD)" $(NODEFLAGS)

# Another Kubernetes than that of hack/pins/kubernetes: a pin's version, as 1.37.2.
KUBERNETES ?=

.PHONY: test-kubernetes
test-kubernetes: runtimes images build image ## Run the chart's tests on a real Kubernetes alone (KUBERNETES=1.37.2; as root)
	@$(if $(KUBERNETES),hack/runtimes.sh kubernetes-$(KUBERNETES))
	NODEGATE_KUBERNETES=$(KUBERNETES) $(NODETEST) "$(ON_KUBERNETES)" $(NODEFLAGS)

# Both, the longest first. A node waits much of its time, which another one takes.
.PHONY: on-nodes
on-nodes: runtimes images build deb image
	$(NODETEST) "$(ON_KUBERNETES) $(ON_CONTAINERD)" $(NODEFLAGS)

# The tests' own program goes to the machines: a small one.
MACHINEFLAGS = $(NODEFLAGS) -ldflags='-s -w'

# TestLearn is for a night: the kernels of emulated machines do not always survive tracing.
.PHONY: test-machines
test-machines: machines build deb ## Run the tests on Debian machines alone (as root)
	$(NODETEST) "./integration/machines/... ./integration/realnodes" $(MACHINEFLAGS) -skip '^Test(Learn|Troubles)$$'

# An hour more: by hand, or nightly.
.PHONY: test-machines-all
test-machines-all: test-machines image ## Run these, on machines with Debian 12 and with SELinux, with troubles, and learn from eight programs (as root)
	$(NODETEST) ./integration/realnodes $(MACHINEFLAGS) -run '^TestTroubles$$'
	NODEGATE_SYSTEM=bookworm $(NODETEST) ./integration/realnodes $(MACHINEFLAGS) -run '^TestInstall$$/^pods$$'
	$(NODETEST) ./integration/suites $(MACHINEFLAGS) -run '^TestSELinux$$'
	NODEGATE_LEARN=all $(NODETEST) ./integration/realnodes $(MACHINEFLAGS) -run '^TestLearn$$'

# A release's program has a go.mod of its own. The time of all that it writes is that of
# the last commit, so that a clean tree gives the same files everywhere.
RELEASE = cd hack/release && $(GO) run . -source $(CURDIR) -version $(VERSION) \
	-epoch $$(git -C $(CURDIR) log -1 --format=%ct 2>/dev/null || echo 0) -commit "$$(git -C $(CURDIR) rev-parse HEAD 2>/dev/null)"

.PHONY: image
image: ## Build the container image for all platforms into bin/release
	@$(RELEASE) -make image -out $(BIN)/release
	@cat $(BIN)/release/digests.txt

.PHONY: deb
deb: ## Build a deb for this machine's architecture into bin/deb
	@$(RELEASE) -make deb -out $(BIN)/deb

.PHONY: release
release: ## Build all that a release consists of into bin/release (VERSION=0.1.0)
	@$(RELEASE) -make all -out $(BIN)/release
	@if command -v lintian >/dev/null; then lintian --fail-on error,warning $(BIN)/release/*.deb; else echo "make: no lintian here: the debs are not checked" >&2; fi
	@cat $(BIN)/release/checksums.txt

# The values' file and table, the manifests: each has one source.
.PHONY: manifests
manifests: ## Write anew what is made from the chart's schema and templates
	NODEGATE_REQUIRE=1 $(GO) test -count=1 ./config/deploy -run '^Test(Values|Chart)' -update
	NODEGATE_REQUIRE=1 $(GO) test -count=1 ./config/deploy -run '^TestManifests' -update

# The agent and the wrapper in bin/ are built with it too, for this run alone. Not on emulated
# machines, which are too slow for it, nor in clusters, whose image is built without.
.PHONY: test-race
test-race: runtimes images build deb ## Run all that runs on a real containerd under the race detector (as root)
	@rm -rf $(BIN)/race && mkdir $(BIN)/race
	@find $(BIN) -mindepth 1 -maxdepth 1 ! -name race ! -name nodegate ! -name nodegate-runc -exec cp -al {} $(BIN)/race/ \;
	CGO_ENABLED=1 $(GO) build -race -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o $(BIN)/race/ ./cmd/...
	NODEGATE_BIN=$(BIN)/race GORACE=halt_on_error=1 NODEGATE_REQUIRE=1 CGO_ENABLED=1 $(GO) test -race -count=1 -p 1 -timeout $(TESTTIMEOUT) $(TESTFLAGS) \
		$(ON_CONTAINERD)

.PHONY: golangci-lint
golangci-lint:
	@hack/runtimes.sh golangci-lint

.PHONY: lint
lint: golangci-lint ## Run the pinned golangci-lint
	$(LOW) $(BIN)/golangci-lint run ./...
	cd cmd/kubectl-nodegate && CGO_ENABLED=0 GOFLAGS='$(PLUGINFLAGS)' $(LOW) $(BIN)/golangci-lint run ./...

# Not part of make test: it asks https://vuln.go.dev what is known today.
.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities of what is linked (needs the internet)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK) ./...

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (10s)
	@hack/fuzz.sh $(FUZZTIME)

SOAK ?= 1h
STARTS ?= 5m
CHAOS ?= 10000
.PHONY: soak
soak: runtimes build ## Run CHAOS (10000) pods while agents and containerd die, honest pods beside a hostile author for SOAK (1h), and twenty starts a second for STARTS (5m; as root)
	NODEGATE_REQUIRE=1 NODEGATE_CHAOS=$(CHAOS) $(GO) test -count=1 -timeout 0 ./integration/lifecycle -run '^TestChaos$$' -v
	NODEGATE_REQUIRE=1 NODEGATE_SOAK=$(SOAK) NODEGATE_SOAK_STARTS=$(STARTS) $(GO) test -count=1 -p 1 -timeout 0 \
		./integration/soak ./integration/lifecycle -run '^Test(Soak|Histogram)' -v

# What others test runc and CRI runtimes with, with nodegate in between: it takes hours, and
# is not part of make test.
.PHONY: suites
suites: machines build ## Run the CRI's, Kubernetes' and runc's own tests bare and with nodegate in between (as root)
	@hack/runtimes.sh kubernetes-1.37.2
	NODEGATE_REQUIRE=1 $(GO) test -count=1 -timeout 0 ./integration/suites -run '^Test(CRI|NodeE2E)$$' -parallel 3 -v
	$(GO) run -buildvcs=false ./hack/machine build trixie-suites
	NODEGATE_REQUIRE=1 $(GO) test -count=1 -timeout 0 ./integration/suites -run '^TestRunc$$' -v

# Some of them fail: where a ratio of times, or memory, is not what is promised.
.PHONY: bench
bench: build runtime ## Run the benchmarks, and check what they promise (as root)
	NODEGATE_REQUIRE=1 $(GO) test -p 1 -run '^$$' -bench . -benchmem -timeout $(TESTTIMEOUT) $(TESTFLAGS) ./...

# Not by go run, which a kill would end in the place of the demo.
.PHONY: demo
demo: runtime programs ## Show on a real containerd what nodegate changes (as root)
	@hack/images.sh systemd || echo "make: no Debian system for the demo" >&2
	@$(GOBUILD) -o $(BIN)/demo ./hack/demo
	@$(GOBUILD) -ldflags '-s -w -X main.configPath=$(BIN)/demo-runc.toml' -o $(BIN)/demo-runc ./cmd/nodegate-runc
	@$(BIN)/demo

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BIN)
