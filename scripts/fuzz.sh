#!/usr/bin/env bash
# Fuzzes each target in fuzz/ for some seconds with libFuzzer, on the stable toolchain and without cargo-fuzz.
#   scripts/fuzz.sh [SECONDS] [TARGET...]     default: 60 seconds, all targets
#   scripts/fuzz.sh --keep [TARGET...]        packs what was found new, reduced, into fuzz/seeds/TARGET.tar.gz, to be committed
# Prints `test fuzz::TARGET ... ok` or FAILED for each. A run starts from fuzz/seeds and goes on in fuzz/corpus, which is not
# committed; an input that fails is left in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds=60 keep=0
case ${1:-} in
--keep) keep=1; shift ;;
[0-9]*) seconds=$1; shift ;;
esac
[ $# -gt 0 ] || set -- $(sed -n '/^\[\[bin\]\]/,/^$/s/^name = "\(.*\)"/\1/p' Cargo.toml)

# What cargo-fuzz passes to the compiler, but for the sanitizers, which need a nightly toolchain.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --quiet --release --target "$host"

status=0
for target in "$@"; do
    program=$CARGO_TARGET_DIR/$host/release/$target corpus=corpus/$target seeds=seeds/$target.tar.gz
    mkdir -p "$corpus" "artifacts/$target" seeds
    [ ! -e "$seeds" ] || tar -xzf "$seeds" -C "$corpus"
    if [ "$keep" = 1 ]; then
        reduced=$(mktemp -d)
        "$program" -merge=1 -max_len=512 "$reduced" "$corpus" 2>/dev/null
        # The same files make the same archive.
        tar -C "$reduced" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=644 -cf - \
            --transform 's,^\./,,' . | gzip -9n >"$seeds"
        echo "fuzz/$seeds: $(find "$reduced" -type f | wc -l) inputs, $(stat -c %s "$seeds") bytes"
        rm -rf "$reduced"
        continue
    fi
    log=$CARGO_TARGET_DIR/$target.log
    if "$program" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="artifacts/$target/" "$corpus" >"$log" 2>&1; then
        grep -E '^(Done|stat::number_of_executed_units)' "$log" | sed "s/^/$target: /" || true
        echo "test fuzz::$target ... ok"
    else
        tail -n 40 "$log"
        echo "test fuzz::$target ... FAILED"
        status=1
    fi
done
exit $status
