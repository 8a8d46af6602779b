# Every target does its own set-up on a fresh machine: Rust, Node.js, gcc and Python are all it needs.
#
#   make run               a three-node cluster in one process, and the links to open
#   make test              all that CI runs
#   make lint              the fast part of it: formatting, clippy, documentation
#   make e2e               browsers against real processes and etcd
#   make chaos TRIALS=20   the same, with kills
#   make bench             what a forwarded packet costs, beside the floor
#   make fuzz RUNS=1000000 every parser of network bytes
#   make k8s               renders and checks deploy/ and k8s/
#   make deny              advisories and licences, if cargo-deny is installed
#
# e2e, chaos and bench print a table and leave target/reports/<name>.json.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
TRIALS ?= 20
RUNS ?= 1000000
NODES ?= 3

# Half of CI's time is compiling; tests that need the network of this machine to themselves say so
# with a group in .config/nextest.toml.
export CARGO_TERM_COLOR ?= always

.PHONY: run web test lint fmt-check clippy doc unit e2e e2e-short chaos bench fuzz k8s deny \
        setup-build setup-e2e help

help:
	@sed -n '3,13p' Makefile | cut -c3-

setup-build:
	@tests/setup.sh build
setup-e2e:
	@tests/setup.sh build web e2e

run: setup-build web
	$(CARGO) build --release -p starling-node
	$(TARGET)/release/starling dev --nodes $(NODES)

# The call page: node/web/dist, which the binary embeds.
web:
	@tests/setup.sh web
	cd node/web && npm ci --no-audit --no-fund && npm run build

test: lint unit k8s e2e-short

lint: fmt-check clippy doc

fmt-check:
	$(CARGO) fmt --all --check

clippy: setup-build
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

doc: setup-build
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

# nextest where it is installed, because it shows slow tests and retries nothing; cargo's own runner
# elsewhere.
unit: setup-build web
	if command -v cargo-nextest >/dev/null; then \
	  $(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else \
	  $(CARGO) test --workspace --locked --no-fail-fast --lib --bins --tests; \
	fi

k8s: setup-build
	@tests/setup.sh k8s
	$(CARGO) build --locked -p starling-node
	tests/manifests/run.sh $(TARGET)/debug/starling

e2e: setup-e2e web
	$(CARGO) build --release --locked -p starling-node
	cd tests/e2e && npm ci --no-audit --no-fund
	cd tests/e2e && STARLING=$(abspath $(TARGET))/release/starling node run.mjs all

# The suite that CI runs: three nodes in one process, on the binary that the tests built anyway.
e2e-short: setup-e2e web
	$(CARGO) build --locked -p starling-node
	cd tests/e2e && npm ci --no-audit --no-fund
	cd tests/e2e && STARLING=$(abspath $(TARGET))/debug/starling node run.mjs dev

chaos: setup-e2e web
	$(CARGO) build --release --locked -p starling-node
	cd tests/e2e && npm ci --no-audit --no-fund
	cd tests/e2e && TRIALS=$(TRIALS) STARLING=$(abspath $(TARGET))/release/starling node run.mjs chaos

bench: setup-build web
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	$(TARGET)/release/starling-load bench

fuzz: setup-build
	$(CARGO) run --release --locked -p starling-tests --bin fuzz -- --runs $(RUNS)

deny:
	@command -v cargo-deny >/dev/null || { echo "make deny: install it with: cargo install --locked cargo-deny"; exit 1; }
	$(CARGO) deny check
