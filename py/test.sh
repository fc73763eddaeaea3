#!/usr/bin/env bash
# Tests the Python package as its users get it: a new environment, `pip install ./py`, then its tests.
# Prints a line a test, `test NAME ... ok`, for scripts/test.sh to count.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
work=$CARGO_TARGET_DIR/py
venv=$CARGO_TARGET_DIR/py-venv
python=${PYTHON:-python3}
status=0
mkdir -p "$work"

# A missing tool is a fault of the set-up in CI, and elsewhere a reason to skip.
missing() {
    if [ -n "${GHOSTSCHED_REQUIRE_ALL:-}" ] || [ "${CI:-}" = true ]; then
        echo "$1"
        echo "test python_package ... FAILED"
        exit 1
    fi
    echo "SKIPPED: $1"
    exit 0
}

test_case() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "test $name ... ok"
    else
        tail -n 40 "$work/output"
        echo "test $name ... FAILED"
        status=1
    fi
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || missing "py: needs python3, 3.11 or newer"
rm -rf "$venv"
"$python" -m venv "$venv" >"$work/output" 2>&1 || missing "py: python3 -m venv does not work: install python3-venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
pip install --retries 1 --requirement py/requirements-test.txt >"$work/output" 2>&1 ||
    missing "py: the package index cannot be reached: $(tail -n 1 "$work/output")"

# Rust's own steps, which the workspace's do not reach.
rust() { (cd py && env CARGO_TARGET_DIR="$work" PYO3_BUILD_EXTENSION_MODULE=1 PYO3_PYTHON="$venv/bin/python" cargo "$@"); }
test_case the_native_half_is_formatted rust fmt --check -- -l
test_case the_lock_file_is_current rust metadata --locked --quiet --format-version 1
test_case the_native_half_is_free_of_warnings rust clippy --release --locked --quiet -- -D warnings
CARGO_TARGET_DIR=$work test_case pip_installs_it pip install --no-deps ./py
[ "$status" = 0 ] || exit 1

# What the tests compare with: the command, and the stand-in for a ghOSt kernel.
cargo build --quiet --locked --package ghostsched --bin ghostsched
export GHOSTSCHED_COMMAND=$CARGO_TARGET_DIR/debug/ghostsched
if [ -d tests/peer ]; then
    cargo build --quiet --locked --package ghostsched-peer
    export GHOSTSCHED_PEER=$CARGO_TARGET_DIR/debug/libghostsched_peer.so
fi

export GHOSTSCHED_TEST_LINES=1 PYTHONDONTWRITEBYTECODE=1
cd py
"$venv/bin/python" -m pytest --quiet --no-header || status=$?
exit "$status"
