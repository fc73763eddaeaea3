# Everything a person types. The work is done by cargo and by the scripts in scripts/.

PREFIX ?= /usr/local
CARGO ?= cargo
CARGO_TARGET_DIR ?= target
FUZZ_SECONDS ?= 60
# Absolute, so that scripts and tests agree on it wherever they run.
override CARGO_TARGET_DIR := $(abspath $(CARGO_TARGET_DIR))
export CARGO_TARGET_DIR
RELEASE = $(CARGO_TARGET_DIR)/release

.PHONY: help
help: ## Show this help
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: cargo
cargo:
	@command -v $(CARGO) >/dev/null || { echo "cargo not found: install a Rust toolchain (1.88 or newer), https://rustup.rs" >&2; exit 1; }

.PHONY: release
release: cargo
	@scripts/packages.sh build
	$(CARGO) build --release --locked --package ghostsched --package ghostsched-load --bins

.PHONY: demo
demo: release ## Build, run a small competing workload for 10 s and say why its threads waited
	@scripts/demo.sh

.PHONY: test
test: cargo ## Run all tests: formatting, lints, unit, no_std, live and virtual-machine tests
	@scripts/test.sh

.PHONY: test-vm
test-vm: cargo ## Run only the tests that boot kernels in QEMU
	@scripts/test.sh vm

.PHONY: bench
bench: cargo ## Measure: cost on the live kernel beside every installed peer, and the speed of the core
	@scripts/bench.sh

.PHONY: bpf
bpf: ## Rebuild bpf/prebuilt/*.bpf.o from bpf/c/*.bpf.c (clang 14)
	@scripts/packages.sh build bpf
	@bpf/build-bpf.sh

.PHONY: bindings
bindings: cargo ## Regenerate bpf/src/bindings.rs from include/ghostsched_bpf.h (libclang)
	@scripts/packages.sh build bpf
	$(CARGO) run --quiet --package xtask -- bindings

.PHONY: fuzz
fuzz: cargo ## Fuzz the core for FUZZ_SECONDS (60) a target
	@scripts/packages.sh build fuzz
	@scripts/fuzz.sh $(FUZZ_SECONDS)

.PHONY: install
install: release ## Install the command under PREFIX (/usr/local), below DESTDIR if set
	install -D -m 755 $(RELEASE)/ghostsched $(DESTDIR)$(PREFIX)/bin/ghostsched
	install -d $(DESTDIR)$(PREFIX)/share/doc/ghostsched
	install -m 644 README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE $(DESTDIR)$(PREFIX)/share/doc/ghostsched
	install -m 644 bpf/c/LICENSE $(DESTDIR)$(PREFIX)/share/doc/ghostsched/LICENSE-GPL-2.0

.PHONY: fmt
fmt: cargo ## Format all Rust code
	$(CARGO) fmt --all

.PHONY: clippy
clippy: cargo ## Lint as the tests do
	@scripts/packages.sh build
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: clean
clean: cargo ## Remove everything that was built
	$(CARGO) clean
	rm -rf fuzz/target
