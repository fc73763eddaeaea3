#!/usr/bin/env bash
# All benchmarks: instructions a call and speed of the core, then the cost on the live kernel beside every installed peer.
#   scripts/bench.sh [OPTION...]   options go to the cost benchmark: --check, --rounds N, --only NAME
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} PATH=$PATH:/usr/sbin:/sbin
scripts/packages.sh build
scripts/packages.sh --optional bench
cargo build --release --locked --package ghostsched --package ghostsched-load --bins
cargo bench --quiet --bench instructions --bench histogram --bench engine --bench cpus --bench tasks
# Beside google/ghost-userspace, if GHOSTSCHED_GHOST_USERSPACE names a checkout of it.
cargo bench --quiet --bench ghost
cargo bench --quiet --bench cost -- "$@"
