#!/usr/bin/env bash
# Builds the C and C++ tests with all warnings as errors and runs them against the peer: shared and static library, two
# compilers, sanitizers, valgrind; and installs the library and builds a program by pkg-config and by CMake.
# Prints a line a claim: `test VARIANT::NAME ... ok`. Arguments: the variants to run; default all.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/cpp
libraries=$target/debug
status=0
mkdir -p "$work"

warnings=(-Wall -Wextra -Wpedantic -Werror)
includes=(-Iinclude -Itests/peer)
c=(-std=c11)
cpp=(-std=c++17 -fno-exceptions -fno-rtti)

claim() { # NAME COMMAND...
    local name=$1 code=0
    shift
    "$@" >"$work/output" 2>&1 || code=$?
    if [ "$code" = 0 ]; then
        echo "test $name ... ok"
    else
        echo "test $name ... FAILED"
        tail -n 30 "$work/output"
        echo "exit status $code"
        status=1
    fi
}

lacks() { # PROGRAM VARIANT: says so, once
    command -v "$1" >/dev/null && return 1
    if [ -n "${GHOSTSCHED_REQUIRE_ALL:-}" ]; then
        echo "test $2 ... FAILED"
        status=1
    fi
    echo "SKIPPED: $2: no $1 on this machine"
}

# build CC CXX OPTIONS...: the four programs, in $out.
build() {
    local cc=$1 cxx=$2
    shift 2
    rm -rf "$out"
    mkdir -p "$out"
    "$cc" "${c[@]}" "${warnings[@]}" "${includes[@]}" -o "$out/header" tests/c/header.c "$@" &&
        "$cxx" "${cpp[@]}" "${warnings[@]}" "${includes[@]}" -o "$out/classes" tests/cpp/classes.cc tests/cpp/odr.cc "$@" &&
        "$cxx" "${cpp[@]}" "${warnings[@]}" "${includes[@]}" -o "$out/hostile" tests/cpp/hostile.cc "$@" -pthread &&
        "$cxx" "${cpp[@]}" "${warnings[@]}" "${includes[@]}" -o "$out/fifo" tests/cpp/fifo.cc "$@"
}

# programs VARIANT [RUNNER...]: runs them, each with its own claims; one that ends otherwise is a failure too.
programs() {
    local variant=$1 program code
    shift
    for program in header classes hostile fifo; do
        code=0
        "$@" "$out/$program" "$variant" >"$work/output" 2>&1 || code=$?
        grep -v '^==' "$work/output" || true
        if [ "$code" != 0 ] && ! grep -q '\.\.\. FAILED$' "$work/output"; then
            echo "test $variant::$program ... FAILED"
            tail -n 40 "$work/output"
            echo "exit status $code"
        fi
        [ "$code" = 0 ] || status=1
    done
}

# The peer always comes as a shared library: two static libraries of Rust in one program have two of its standard library.
peer=(-L"$libraries" -lghostsched_peer -Wl,-rpath,"$work/lib:$libraries")
shared=(-L"$work/lib" -lghostsched)
static=("$libraries/libghostsched.a" -lpthread -ldl -lm)

prepare() {
    cargo build --quiet --package ghostsched-ffi --package ghostsched-peer || exit 1
    mkdir -p "$work/lib"
    cp "$libraries/libghostsched.so" "$work/lib/libghostsched.so.0"
    ln -sf libghostsched.so.0 "$work/lib/libghostsched.so"
}

soname() { readelf -d "$work/lib/libghostsched.so" | grep -q 'SONAME.*\[libghostsched.so.0\]'; }
exports() { # nothing but gs_* is exported, and all that the header names
    nm -D --defined-only "$work/lib/libghostsched.so" | awk '{ print $3 }' | sort >"$work/exported"
    grep -o '\bgs_[a-z_]*(' include/ghostsched.h | tr -d '(' | sort -u >"$work/named"
    ! grep -v '^gs_' "$work/exported" && diff "$work/exported" "$work/named"
}
standalone() { # HEADER: compiles alone in C11 and C++17, by both compilers
    local compiler
    for compiler in "gcc -std=c11 -x c" "g++ -std=c++17 -x c++" "clang -std=c11 -x c" "clang++ -std=c++17 -x c++"; do
        case $1 in *.hpp) case $compiler in *c11*) continue ;; esac ;; esac
        command -v "${compiler%% *}" >/dev/null || continue
        # The words of a compiler's command are split on purpose.
        echo "#include \"$1\"" | $compiler "${warnings[@]}" -Iinclude -fsyntax-only - || return 1
    done
}
nodiscard() { # an answer that nobody looks at is a warning
    printf '#include "ghostsched.hpp"\nvoid f(ghostsched::Queue &q);\nvoid f(ghostsched::Queue &q) { q.consume(); }\n' >"$work/drops.cc"
    ! g++ "${cpp[@]}" "${warnings[@]}" -Iinclude -fsyntax-only "$work/drops.cc" 2>"$work/refusal" && grep -q 'unused-result' "$work/refusal"
}

headers() {
    claim headers::ghostsched_h_compiles_alone standalone ghostsched.h
    claim headers::ghostsched_abi_h_compiles_alone_and_its_assertions_hold standalone ghostsched_abi.h
    claim headers::ghostsched_pnt_h_compiles_alone standalone ghostsched_pnt.h
    claim headers::ghostsched_hpp_compiles_alone standalone ghostsched.hpp
    claim headers::an_answer_that_is_dropped_is_a_warning nodiscard
    claim headers::the_library_has_its_soname soname
    claim headers::the_library_exports_what_the_header_names_and_nothing_else exports
}

variant() { # NAME CC CXX OPTIONS...
    local name=$1 before=$status
    out=$work/$name
    claim "$name::the_tests_compile_without_a_warning" build "${@:2}"
    [ "$status" = "$before" ] || return 0
    programs "$name"
}

memcheck=(valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect)
sees_a_lie() {
    g++ "${cpp[@]}" "${warnings[@]}" -Iinclude -g tests/cpp/lies.cc -o "$out/lies" "${shared[@]}" "${peer[@]}" && "$out/lies" || return 1
    local code=0
    "${memcheck[@]}" "$out/lies" || code=$?
    [ "$code" = 9 ]
}
with_valgrind() {
    out=$work/valgrind
    claim valgrind::the_tests_compile_without_a_warning build gcc g++ -O1 -g "${shared[@]}" "${peer[@]}"
    claim valgrind::it_sees_what_the_library_reads sees_a_lie
    programs valgrind "${memcheck[@]}"
}

# installed: `make install` below a folder, and a program built against what is there, by pkg-config and by CMake.
install_there() { rm -rf "$work/prefix" && make --no-print-directory install-library PREFIX="$work/prefix" >/dev/null; }
export_pc() { export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig; }
by_pkg_config() {
    export_pc
    # Its words are options, split on purpose.
    g++ "${cpp[@]}" tests/cpp/odr.cc tests/cpp/install/main.cc -o "$work/by_pkg_config" $(pkg-config --cflags --libs ghostsched) &&
        LD_LIBRARY_PATH=$work/prefix/lib "$work/by_pkg_config"
}
by_pkg_config_statically() {
    export_pc
    g++ "${cpp[@]}" tests/cpp/odr.cc tests/cpp/install/main.cc -o "$work/by_pkg_config_static" \
        $(pkg-config --cflags ghostsched) "$work/prefix/lib/libghostsched.a" $(pkg-config --static --libs-only-other ghostsched) \
        $(pkg-config --variable=static_libs ghostsched) && "$work/by_pkg_config_static"
}
by_cmake() {
    rm -rf "$work/cmake"
    cmake -S tests/cpp/install -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/prefix" && cmake --build "$work/cmake" &&
        "$work/cmake/shared" && "$work/cmake/static"
}
links() {
    [ "$(readlink "$work/prefix/lib/libghostsched.so")" = libghostsched.so.0 ] &&
        [ "$(readlink "$work/prefix/lib/libghostsched.so.0")" = "libghostsched.so.$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" ]
}

installed() {
    claim install::make_install_puts_it_below_a_prefix install_there
    claim install::the_shared_library_has_its_links links
    if ! lacks pkg-config install::by_pkg_config; then
        claim install::a_program_builds_and_runs_by_pkg_config by_pkg_config
        claim install::a_program_builds_and_runs_statically_by_pkg_config by_pkg_config_statically
    fi
    lacks cmake install::by_cmake || claim install::a_program_builds_and_runs_by_cmake by_cmake
}

# They see what is compiled here, the header and the tests; what the library reads is seen by valgrind.
sanitizers=(-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all)
prepare
[ $# -gt 0 ] || set -- headers shared static clang sanitized valgrind install
for name in "$@"; do
    case $name in
    headers) headers ;;
    shared) variant shared gcc g++ -O2 "${shared[@]}" "${peer[@]}" ;;
    static) variant static gcc g++ -O2 "${static[@]}" "${peer[@]}" ;;
    clang) lacks clang++ clang || variant clang clang clang++ -O2 "${shared[@]}" "${peer[@]}" ;;
    sanitized) variant sanitized gcc g++ "${sanitizers[@]}" "${shared[@]}" "${peer[@]}" ;;
    valgrind) lacks valgrind valgrind || with_valgrind ;;
    install) installed ;;
    *) echo "run.sh: no variant '$name'" >&2; exit 2 ;;
    esac
done
exit $status
