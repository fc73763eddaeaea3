#!/usr/bin/env bash
# What google/ghost-userspace costs on this machine, beside ours: benches/peer/run.sh
#   GHOSTSCHED_GHOST_USERSPACE=DIR   a git checkout of google/ghost-userspace, at any commit, that has the one below
# Prints `peer NAME MIN MEDIAN` in ns, one line a figure; ghost_userspace.cc explains the names. Needs no ghOSt kernel.
# Exit status: 0 measured, 3 skipped with the reason on standard error, else failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
commit=ad357d42037bdd64af6e05812c2b7a4c0b9b9c4a # the last of ABI 69

skip() { echo "SKIPPED: $*" >&2; exit 3; }
peer=${GHOSTSCHED_GHOST_USERSPACE:-}
[ -n "$peer" ] || skip "set GHOSTSCHED_GHOST_USERSPACE to a checkout of google/ghost-userspace (commit ${commit:0:8})"
git -C "$peer" cat-file -e "$commit^{commit}" 2>/dev/null ||
    skip "$peer has no commit ${commit:0:8}: set GHOSTSCHED_GHOST_USERSPACE to a full clone of google/ghost-userspace"
command -v g++ >/dev/null || skip "no C++ compiler: apt-get install g++"
pkg-config --exists absl_flat_hash_map 2>/dev/null || skip "no abseil: apt-get install libabsl-dev pkg-config"

build=${CARGO_TARGET_DIR:-$here/../../target}/peer/$commit
program=$build/ghost_userspace
source=$build/source
if [ ! -d "$source" ]; then
    mkdir -p "$build"
    rm -rf "$source.new"
    mkdir "$source.new"
    git -C "$peer" archive "$commit" kernel lib shared bpf/user third_party | tar -x -C "$source.new"
    # Headers of things that never run here, so that libbpf and libnuma need not be installed.
    mkdir -p "$source.new/unused/libbpf"
    : >"$source.new/unused/libbpf/bpf.h"
    echo 'struct bpf_map; struct bpf_program;' >"$source.new/unused/libbpf/libbpf.h"
    echo 'static inline int numa_node_of_cpu(int) { return 0; }' >"$source.new/unused/numa.h"
    mv "$source.new" "$source"
fi

# lib/agent.cc stays out: its static initialiser ends a process that has no ghOSt kernel. What refers to it is never
# called, and the linker drops it with its section. NDEBUG and GHOST_LOGGING: as the peer's own optimised build.
options=(-O3 -std=gnu++17 -DNDEBUG -DGHOST_LOGGING -ffunction-sections -fdata-sections -I "$source/unused")
packages=(absl_flat_hash_map absl_flat_hash_set absl_node_hash_map absl_flags absl_str_format absl_strings
    absl_symbolize absl_synchronization absl_statusor)
objects=()
for name in base channel enclave ghost topology; do
    object=$build/$name.o
    objects+=("$object")
    if [ ! "$object" -nt "$here/run.sh" ]; then
        g++ "${options[@]}" -w -I "$source" -c "$source/lib/$name.cc" -o "$object.new"
        mv "$object.new" "$object"
    fi
done
if [ ! "$program" -nt "$here/run.sh" ] || [ ! "$program" -nt "$here/ghost_userspace.cc" ]; then
    read -ra libraries <<<"$(pkg-config --libs "${packages[@]}")"
    g++ "${options[@]}" -Wall -Wextra -isystem "$source" "$here/ghost_userspace.cc" "${objects[@]}" -Wl,--gc-sections \
        "${libraries[@]}" -lpthread -o "$program.new"
    mv "$program.new" "$program"
fi
exec "$program"
