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

.PHONY: library
library: cargo ## Build the C library, shared and static
	@scripts/packages.sh build
	$(CARGO) build --release --locked --package ghostsched-ffi

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

.PHONY: headers
headers: cargo ## Regenerate include/ghostsched.h from ffi-c/src and include/ghostsched_abi.h from core/src/abi
	@scripts/packages.sh build
	$(CARGO) run --quiet --package xtask -- abi-header
	$(CARGO) run --quiet --package xtask -- header

.PHONY: fuzz
fuzz: cargo ## Fuzz the core for FUZZ_SECONDS (60) a target
	@scripts/packages.sh build fuzz
	@scripts/fuzz.sh $(FUZZ_SECONDS)

.PHONY: install
install: install-library release ## Install command, C library and headers under PREFIX (/usr/local), below DESTDIR if set
	install -D -m 755 $(RELEASE)/ghostsched $(DESTDIR)$(PREFIX)/bin/ghostsched
	install -d $(DESTDIR)$(PREFIX)/share/doc/ghostsched
	install -m 644 README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE $(DESTDIR)$(PREFIX)/share/doc/ghostsched
	install -m 644 bpf/c/LICENSE $(DESTDIR)$(PREFIX)/share/doc/ghostsched/LICENSE-GPL-2.0

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
LIB = $(DESTDIR)$(PREFIX)/lib

.PHONY: install-library
install-library: library ## Install only the C library, its headers, and the pkg-config and CMake files
	install -d $(DESTDIR)$(PREFIX)/include $(LIB)/pkgconfig $(LIB)/cmake/ghostsched
	install -m 644 include/ghostsched.h include/ghostsched.hpp include/ghostsched_abi.h include/ghostsched_pnt.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(RELEASE)/libghostsched.a $(LIB)
	install -m 755 $(RELEASE)/libghostsched.so $(LIB)/libghostsched.so.$(VERSION)
	ln -sf libghostsched.so.$(VERSION) $(LIB)/libghostsched.so.0
	ln -sf libghostsched.so.0 $(LIB)/libghostsched.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' ffi-c/package/ghostsched.pc.in >$(LIB)/pkgconfig/ghostsched.pc
	sed 's|@VERSION@|$(VERSION)|' ffi-c/package/ghostschedConfigVersion.cmake.in >$(LIB)/cmake/ghostsched/ghostschedConfigVersion.cmake
	install -m 644 ffi-c/package/ghostschedConfig.cmake ffi-c/package/ghostschedTargets.cmake $(LIB)/cmake/ghostsched

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
