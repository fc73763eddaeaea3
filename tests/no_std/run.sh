#!/usr/bin/env bash
# Proves that the core needs neither std nor alloc: builds it and all it depends on against a sysroot that has only `core`,
# links it into a program without a C library, and runs that. Prints a line a claim: `test NAME ... ok`.
set -euo pipefail
cd "$(dirname "$0")/../.."

host=$(rustc -vV | sed -n 's/^host: //p')
libraries=$(rustc --print sysroot)/lib/rustlib/$host/lib
work=${CARGO_TARGET_DIR:-$PWD/target}/no_std
sysroot=$work/sysroot
status=0

test_case() { # NAME COMMAND...
    local name=$1
    shift
    local code=0
    "$@" >"$work/output" 2>&1 || code=$?
    if [ "$code" = 0 ]; then
        echo "test $name ... ok"
    else
        echo "test $name ... FAILED"
        tail -n 20 "$work/output"
        echo "exit status $code"
        status=1
    fi
}

# A sysroot of the toolchain's own libcore and compiler_builtins (what it needs of a CPU's missing instructions).
rm -rf "$sysroot" "$work/probe"
mkdir -p "$sysroot/lib/rustlib/$host/lib"
ln -s "$libraries"/libcore-*.{rlib,rmeta} "$libraries"/libcompiler_builtins-*.{rlib,rmeta} "$sysroot/lib/rustlib/$host/lib/"

compile() { rustc --sysroot "$sysroot" --edition 2024 "$@"; }
refuses() { # CRATE: a source that uses this crate is refused because the crate cannot be found
    printf '#![no_std]\nextern crate %s;\n' "$1" >"$work/uses_$1.rs"
    ! compile --crate-type lib --emit metadata -o "$work/uses_$1.rmeta" "$work/uses_$1.rs" 2>"$work/refusal" \
        && grep -q "E0463.*can't find crate for .$1." "$work/refusal"
}
# With --target, cargo keeps build scripts and procedural macros on the whole sysroot.
build() {
    RUSTFLAGS="--sysroot=$sysroot" CARGO_PROFILE_RELEASE_PANIC=abort \
        cargo build --quiet --release --package ghostsched-core --target "$host" --target-dir "$work"
}
link() {
    compile -O -C panic=abort -C link-args='-nostartfiles -nostdlib -static' -C relocation-model=static \
        -L "dependency=$work/$host/release/deps" --extern "ghostsched_core=$work/$host/release/libghostsched_core.rlib" \
        -o "$work/probe" tests/no_std/probe.rs
}
no_interpreter() { [ -x "$work/probe" ] && ! grep -q 'ld-linux' "$work/probe"; } # not even a dynamic linker is asked for

test_case the_sysroot_has_no_std refuses std
test_case the_sysroot_has_no_alloc refuses alloc
test_case the_core_and_its_dependencies_build_on_libcore_alone build
case $host in
x86_64-*-linux-*)
    test_case a_program_of_the_core_links_with_no_library_at_all link
    test_case it_asks_for_no_dynamic_linker no_interpreter
    test_case it_runs_and_its_checks_pass "$work/probe"
    ;;
*) echo "SKIPPED: the program without a C library is written for x86-64 Linux, this is $host" >&2 ;;
esac
exit $status
