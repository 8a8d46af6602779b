# Every target does its own set-up on a fresh machine: Rust, Node.js, gcc and Python are all it needs.
#
#   make run               a three-node cluster in one process, and the links to open
#   make test              all that CI runs
#   make lint              the fast part of it: formatting, clippy, documentation
#   make e2e               browsers against real processes and etcd
#   make codecs            each codec and each kind of its layers, switched (docs/codecs.md)
#   make chaos TRIALS=50   kills, hangs and cuts of nodes, links and etcd, measured and drawn (docs/failure-model.md)
#   make regions           thirty people in three regions: what crosses, and what does not (docs/links.md)
#   make links             a link that loses, delays, reorders or is narrow (docs/links.md)
#   make drain, make storm 60 people whose nodes are drained and restarted; 1,000 whose node dies
#   make sim SEEDS=300     whole clusters on a virtual clock, under faults; and make sim-scale: 1,000 nodes
#   make bench             what a forwarded packet costs, beside the floor; and make bandwidth
#   make instructions      instructions of a forwarded packet, counted by valgrind
#   make bandwidth         narrow and lossy links, measured and drawn (docs/bandwidth.md)
#   make fuzz RUNS=1000000 every parser of network bytes, each that often, the cheap ones ten times; part of make test
#   make attack            a node under attack while people talk on it (docs/security-tests.md)
#   make soak MINUTES=30   two nodes under people who come and go: memory, descriptors, what is left
#   make openapi           writes docs/openapi.json, its examples and docs/events.md anew, from a node that is asked
#   make api-fuzz CASES=20000  requests made up from docs/openapi.json: no error of the server may come of one
#   make k8s               renders and checks deploy/ and k8s/
#   make k8s-processes     the pods of k8s/ as local processes: scaled, rolled, evicted, killed (k8s/README.md)
#   make sbom              what is inside of the program, as CycloneDX: target/sbom.cdx.json
#   make docs              every page: its links, and its commands typed in; and make book: a web site of them
#   make watch             alerts, dashboards and figures, with Prometheus' own parsers
#   make deny              advisories and licences, if cargo-deny is installed
#
# e2e, codecs, chaos, drain, moves, storm, regions, links, k8s-processes, bench, bandwidth, attack and soak print a
# table and leave target/reports/<name>.json.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
TRIALS ?= 20
SWITCHES ?= 100
RUNS ?= 1000000
CHEAP_RUNS ?= $(RUNS)0
NODES ?= 3
SEEDS ?= 300
FROM ?= 0
CASES ?= 20000
MINUTES ?= 30
ROWS ?=

export CARGO_TERM_COLOR ?= always

.PHONY: run web test lint fmt-check clippy doc unit e2e e2e-short codecs chaos bench instructions \
        bandwidth drain moves storm regions links fuzz attack attack-short api-fuzz api-fuzz-short soak sim \
        sim-scale k8s watch k8s-processes sbom docs book openapi deny browsers setup-build help

help:
	@sed -n '3,26p' Makefile | cut -c3-

setup-build:
	@tests/setup.sh build

run: setup-build web
	$(CARGO) build --release -p starling-node
	$(TARGET)/release/starling dev --nodes $(NODES)

# The call page: node/web/dist, which the binary embeds. Made again when one of its sources is newer, or
# when it is gone: every other time would relink the binary for nothing.
PAGE := $(TARGET)/page.stamp
PAGE_SOURCES := $(shell find node/web -type f -not -path '*/node_modules/*' -not -path '*/dist/*')
ifeq ($(wildcard node/web/dist/app.js),)
.PHONY: $(PAGE)
endif

web: $(PAGE)

$(PAGE): $(PAGE_SOURCES)
	@tests/setup.sh web
	cd node/web && npm ci --no-audit --no-fund && npm run build
	@mkdir -p $(@D) && touch $@

test: lint unit fuzz k8s watch api-fuzz-short attack-short e2e-short

lint: fmt-check clippy doc

fmt-check:
	$(CARGO) fmt --all --check

clippy: setup-build
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

doc: setup-build
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

# nextest where it is installed: it runs tests of all crates side by side and names slow ones. cargo's own
# runner elsewhere.
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
	node --test --test-reporter=dot tests/e2e/suites/kubernetes/kubernetes.test.mjs

k8s-processes: browsers
	@tests/setup.sh k8s
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	cd tests/e2e && STARLING=$(abspath $(TARGET))/release/starling \
	  STARLING_LOAD=$(abspath $(TARGET))/release/starling-load node run.mjs kubernetes

sbom:
	@mkdir -p $(TARGET)
	python3 deploy/sbom.py >$(TARGET)/sbom.cdx.json
	@echo $(TARGET)/sbom.cdx.json

watch: setup-build
	@tests/setup.sh k8s
	$(CARGO) build --locked -p starling-node
	tests/watch/run.sh $(TARGET)/debug/starling

# Real processes and real etcd, which is a crate's file: building the tests brings it.
e2e: browsers
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	cd tests/e2e && STARLING=$(abspath $(TARGET))/release/starling \
	  STARLING_LOAD=$(abspath $(TARGET))/release/starling-load node run.mjs all

# The suite that CI runs: three nodes in one process, on the binary that the tests built anyway, one codec,
# a hundredth of the messages, no losses, layers of two codecs switched a few times; and of a cluster of four, one
# node is killed, one hangs, and one link is cut. Of Kubernetes' pods: 1, 3, 2, and an eviction.
e2e-short: browsers
	@tests/setup.sh k8s
	$(CARGO) build --locked -p starling-node -p starling-tests
	cd tests/e2e && CODECS=vp8 LOSS=0 E2E_SECONDS=10 MESSAGES=1000 CASES=h265,vp8 SWITCHES=6 COLD=1 \
	  WHIP=simulcast,redirect,relay,relay_tls TRIALS=1 FAULTS=kill,stop3,cut MEMBERS=8 K8S=short \
	  STARLING=$(abspath $(TARGET))/debug/starling STARLING_LOAD=$(abspath $(TARGET))/debug/starling-load \
	  node run.mjs dev clients whip data codecs console operating docs examples bars chaos moves kubernetes

codecs: browsers
	$(CARGO) build --release --locked -p starling-node
	cd tests/e2e && SWITCHES=$(SWITCHES) STARLING=$(abspath $(TARGET))/release/starling node run.mjs codecs

# TRIALS is how often a node is killed; hangs, cuts and etcd are tried less often (tests/e2e/suites/chaos/faults.mjs),
# and FAULTS=kill,cut picks. It says first how long it will take.
chaos: browsers
	@tests/setup.sh plots
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	cd tests/e2e && TRIALS=$(TRIALS) STARLING=$(abspath $(TARGET))/release/starling \
	  STARLING_LOAD=$(abspath $(TARGET))/release/starling-load node run.mjs chaos \
	  && code=0 || code=$$?; ../../tests/e2e/plots/run.sh; exit $$code

# Sixty people whose nodes are drained and restarted under them; nine who are moved one by one; a thousand whose node
# dies.
drain moves storm: browsers
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	cd tests/e2e && STARLING=$(abspath $(TARGET))/release/starling \
	  STARLING_LOAD=$(abspath $(TARGET))/release/starling-load node run.mjs $@

# Nobody's browser: people of the load generator, and wires between namespaces.
regions links: setup-build web tests/e2e/node_modules/.package-lock.json
	@tests/setup.sh e2e
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	cd tests/e2e && STARLING=$(abspath $(TARGET))/release/starling \
	  STARLING_LOAD=$(abspath $(TARGET))/release/starling-load \
	  STARLING_WIRE=$(abspath $(TARGET))/release/starling-wire node run.mjs $@

browsers: setup-build web tests/e2e/node_modules/.package-lock.json
	@tests/setup.sh e2e clients
	$(CARGO) fetch --locked

tests/e2e/node_modules/.package-lock.json: tests/e2e/package-lock.json
	@tests/setup.sh web
	cd tests/e2e && npm ci --no-audit --no-fund
	@touch $@

bench: setup-build web
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	$(TARGET)/release/starling-load bench
	$(MAKE) bandwidth

# Counts, so that neither the machine nor its load matters: to be run before and after a change of media's plane.
instructions: setup-build
	$(CARGO) run --release --locked -p starling-media --example instructions

# Everything is in namespaces of its own that end with it. Quiet machines give better figures: two cores
# have to encode, forward and decode.
bandwidth: browsers
	@tests/setup.sh plots
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	cd tests/e2e && STARLING=$(abspath $(TARGET))/release/starling \
	  STARLING_WIRE=$(abspath $(TARGET))/release/starling-wire \
	  STARLING_LOAD=$(abspath $(TARGET))/release/starling-load node run.mjs wire bandwidth loss \
	  && code=0 || code=$$?; ../../tests/e2e/plots/run.sh; exit $$code

# Seeds are plans of a cluster and of what befalls it; the first 300 are part of `make unit`. A red one is
# seen again with: starling-sim --seed N --shrink --trace
sim: setup-build
	$(CARGO) run --release --locked -p starling-tests --bin starling-sim -- --seeds $(SEEDS) --from $(FROM)

sim-scale: setup-build
	$(CARGO) run --release --locked -p starling-tests --bin starling-sim -- --scale

fuzz: setup-build
	$(CARGO) run --release --locked -p starling-tests --bin fuzz -- --runs $(RUNS) \
	  --cheap-runs $(CHEAP_RUNS)

# Each row of docs/security-tests.md that needs a real node, on a node of its own; ROWS="T-M02 T-S01" picks.
# Quiet machines give better figures: two cores have to attack, be attacked, and talk.
attack: setup-build web
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	$(TARGET)/release/starling-load attack $(ROWS)

# The form that CI runs: a tenth of each, on the binary that the tests built anyway.
attack-short: setup-build web
	$(CARGO) build --locked -p starling-node -p starling-tests
	$(TARGET)/debug/starling-load attack --short $(ROWS)

# Requests that schemathesis makes up, against a node. `make test` has a tenth of them.
api-fuzz: setup-build web
	@tests/setup.sh k8s
	$(CARGO) build --locked -p starling-node
	tests/api/run.sh $(TARGET)/debug/starling $(CASES)

api-fuzz-short:
	@$(MAKE) api-fuzz CASES=2000

# Two nodes and etcd; people join, leave, are cut off and come back, rooms are made and ended.
soak: setup-build web
	$(CARGO) build --release --locked -p starling-node -p starling-tests
	$(TARGET)/release/starling-load soak --minutes $(MINUTES)

# The documentation as CI runs it, on the binary that is built; PAGES=README.md picks. The book is for reading.
docs: browsers
	$(CARGO) build --locked -p starling-node -p starling-tests
	cd tests/e2e && STARLING=$(abspath $(TARGET))/debug/starling \
	  STARLING_LOAD=$(abspath $(TARGET))/debug/starling-load node run.mjs docs examples

book:
	@tests/setup.sh web k8s
	docs/book.sh

# Twice: the description is compiled with the examples in it.
openapi: setup-build web
	UPDATE=1 $(CARGO) test --workspace --locked --lib http::tests::examples
	UPDATE=1 $(CARGO) test --workspace --locked --lib http::tests::described
	UPDATE=1 $(CARGO) test --workspace --locked --lib http::tests::events

deny:
	@command -v cargo-deny >/dev/null || { echo "make deny: install it with: cargo install --locked cargo-deny"; exit 1; }
	$(CARGO) deny check
