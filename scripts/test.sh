#!/usr/bin/env bash
# Runs all tests, quick ones first, and ends with the line `N passed, N failed, N skipped`.
#   scripts/test.sh [STEP...]   steps: lock format lint no_std unit doc crates loom fuzz cpp py product vm; default: all
#
# What a step prints is kept in target/test.log and counted from there: cargo's "test result:" lines, and the lines
# "test NAME ... ok" of steps that are scripts. A test that cannot run here prints "SKIPPED: why" to fd 2, once, and
# returns; it counts as skipped, not as passed. A step that fails without naming a test counts as one failure.
set -euo pipefail
set -m # each step is a process group of its own, so that it can be ended as a whole and keeps its SIGINT
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} CARGO_TERM_COLOR=never RUST_BACKTRACE=1
export PATH=$CARGO_TARGET_DIR/tools/bin:$PATH:/usr/sbin:/sbin
# In CI a missing tool is a fault of the set-up, so a test that lacks one fails; only what the machine lacks is skipped.
if [ "${CI:-}" = true ]; then export GHOSTSCHED_REQUIRE_ALL=1; fi
limit=${GHOSTSCHED_STEP_SECONDS:-1500}

log=$CARGO_TARGET_DIR/test.log
part=$CARGO_TARGET_DIR/test.part
mkdir -p "$CARGO_TARGET_DIR"
: >"$log"
passed=0 failed=0 skipped=0 child= finished=0
failures=()
skips=()

say() { printf '%s\n' "$*" | tee -a "$log"; }

finish() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$child" ] && kill -TERM -- "-$child" 2>/dev/null; then
        sleep 1
        kill -KILL -- "-$child" 2>/dev/null || true
    fi
    rm -f "$part"
    if [ "$finished" = 0 ]; then failed=$((failed + 1)) failures+=("the run was interrupted"); fi
    say ""
    for line in "${failures[@]}"; do say "FAILED: $line"; done
    for line in "${skips[@]}"; do say "SKIPPED: $line"; done
    say "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ] && [ "$status" = 0 ] || exit 1
    exit 0
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step NAME HOW COMMAND...: HOW to count is cargo (its results), lines (test NAME ... ok) or whole (the step is one test).
step() {
    local name=$1 how=$2 status=0 start=$SECONDS ok=0 bad=0 skip=0 line
    shift 2
    say "== $name: $*"
    : >"$part"
    timeout -k 15 "$limit" "$@" </dev/null >"$part" 2>&1 &
    child=$!
    # Through a file and not a pipe: a process that a failed test leaves behind cannot hold up the run.
    tail -s 0.2 -n +1 -f --pid="$child" "$part" &
    local tail=$!
    wait "$child" || status=$?
    wait "$tail" || true
    child=
    cat "$part" >>"$log"

    case $how in
    cargo)
        read -r ok bad skip < <(awk '/test result: / {
            for (i = 2; i <= NF; i++) {
                if ($i == "passed;") ok += $(i - 1)
                if ($i == "failed;") bad += $(i - 1)
                if ($i == "ignored;") skip += $(i - 1)
            } } END { print ok + 0, bad + 0, skip + 0 }' "$part")
        ;;
    lines)
        ok=$(grep -c '^test .* \.\.\. ok$' "$part" || true)
        bad=$(grep -c '^test .* \.\.\. FAILED$' "$part" || true)
        ;;
    whole)
        if [ "$status" = 0 ]; then ok=1; else bad=1 failures+=("$name"); fi
        ;;
    esac
    # Counted already, from the results.
    while IFS= read -r line; do skips+=("$name: $line"); done < <(sed -n 's/^test \(.*\) \.\.\. ignored/\1: ignored/p' "$part")
    # A skipped test returned like a passed one; libtest's "test NAME ... " may stand before the word.
    while IFS= read -r line; do
        skips+=("$name: $line")
        skip=$((skip + 1))
        if [ "$how" != lines ] && [ "$ok" -gt 0 ]; then ok=$((ok - 1)); fi
    done < <(sed -n 's/^\(test .* \.\.\. \)\{0,1\}SKIPPED: //p' "$part")
    case $how in
    cargo) # libtest lists the names once more at its end, where no output of the tests is in between
        while IFS= read -r line; do failures+=("$name: $line"); done \
            < <(awk '/^failures:$/ { listing = 1; next } !/^    [^ ]+( - .*)?$/ && NF { listing = 0 } listing && NF { print $1 }' "$part")
        ;;
    lines)
        while IFS= read -r line; do failures+=("$name: $line"); done \
            < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$part")
        ;;
    esac
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        bad=1
        case $status in
        124 | 137) failures+=("$name: no end after $limit s") ;;
        *) failures+=("$name: exit status $status, and no test named") ;;
        esac
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    say "-- $name: $ok passed, $bad failed, $skip skipped, $((SECONDS - start)) s"
    say ""
}

# targets DIR: the integration tests in DIR, by name.
targets() {
    local file
    for file in "$1"/*.rs "$1"/*/main.rs; do
        case $file in
        *'*'*) ;;
        */main.rs) basename "$(dirname "$file")" ;;
        *) basename "$file" .rs ;;
        esac
    done
}

# integration NAME FOLDER PATTERN [OPTION...]: the integration tests of the package in FOLDER whose name matches.
integration() {
    local name=$1 folder=$2 pattern=$3 arguments=() target
    shift 3
    for target in $(targets "$folder/tests"); do
        if [[ $target =~ $pattern ]]; then arguments+=(--test "$target"); fi
    done
    [ ${#arguments[@]} = 0 ] || step "$name" cargo cargo test --package "$(sed -n 's/^name = "\(.*\)"/\1/p' "$folder/Cargo.toml" | head -n 1)" \
        "${arguments[@]}" --no-fail-fast -- "$@"
}

members() { sed -n 's/^members = \[\(.*\)\]$/\1/p' Cargo.toml | tr -d '",'; }

run() {
    case $1 in
    lock) step lock whole sh -c 'cargo metadata --locked --quiet --format-version 1 --no-deps >/dev/null' ;;
    format) step format whole cargo fmt --all --check -- -l ;;
    lint) step lint whole cargo clippy --workspace --all-targets --quiet -- -D warnings ;;
    no_std) step no_std lines tests/no_std/run.sh ;;
    cpp) step cpp lines tests/cpp/run.sh ;;
    unit) step unit cargo cargo test --workspace --lib --bins --examples --no-fail-fast ;;
    doc) step doc cargo cargo test --workspace --doc --no-fail-fast ;;
    # Every interleaving of the atomics' users; loom's atomics need a build of their own.
    loom)
        step loom cargo env RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="$CARGO_TARGET_DIR/loom" \
            cargo test --release --package ghostsched-core $(targets core/tests | sed -n 's/^loom_/--test loom_/p') --no-fail-fast
        ;;
    fuzz) step fuzz lines scripts/fuzz.sh "${FUZZ_SECONDS:-60}" wire queue ;;
    # What loads BPF programs and compares counts of the whole machine runs one at a time.
    crates)
        for crate in $(members); do
            case $crate in
            tests/vm) ;;
            bpf) integration "$crate" "$crate" . --test-threads=1 ;;
            *) integration "$crate" "$crate" . ;;
            esac
        done
        ;;
    py) step py lines py/test.sh ;;
    product) integration product . '^([^v]|v[^m])' --test-threads=1 ;;
    vm)
        integration vm . '^vm' --test-threads=1
        integration tests/vm tests/vm . --test-threads=1
        ;;
    *) echo "test.sh: no step '$1'" >&2; return 2 ;;
    esac
}

if [ $# = 0 ]; then set -- lock format lint no_std unit doc crates loom fuzz cpp py product vm; fi
scripts/packages.sh build
case " $* " in *" product "* | *" crates "*) scripts/packages.sh --optional test bpf; scripts/prometheus.sh ;; esac
case " $* " in *" fuzz "*) scripts/packages.sh fuzz ;; esac
case " $* " in *" py "*) scripts/packages.sh --optional py ;; esac
case " $* " in *" cpp "*) scripts/packages.sh --optional cpp ;; esac
case " $* " in *" vm "*) scripts/packages.sh --optional vm ;; esac
for name in "$@"; do run "$name"; done
finished=1
