#!/usr/bin/env bash
# Installs the Debian packages that a job needs, if any is missing: scripts/packages.sh [--optional] GROUP...
# Says what it installs, touches nothing when nothing is missing, and takes packages of this Debian release only.
# --optional: where they cannot be installed, say so in one line and succeed; what needs them is skipped.
set -euo pipefail

optional=0
if [ "${1:-}" = --optional ]; then optional=1; shift; fi

packages_of() {
    case $1 in
    # libbpf-sys builds libelf, zlib and libbpf from the sources it ships, hence the autotools.
    build) echo gcc libc6-dev make pkg-config autoconf automake autopoint gawk flex bison ;;
    # To rebuild the BPF objects byte for byte, and the bindings of the shared header.
    bpf) echo clang-14 llvm-14 libclang1-14 ;;
    # Kernels in emulation; what the harness itself needs stands in tests/vm/packages.
    vm) if [ -r tests/vm/packages ]; then sed 's/#.*//' tests/vm/packages; else echo qemu-system-x86 busybox-static debian-archive-keyring ca-certificates; fi ;;
    # kill, as a program: the tests send signals with it; bpftool lists what is loaded.
    test) echo procps bpftool ;;
    # Two C++ compilers, valgrind, and what programs that use the library are built with.
    cpp) echo g++ clang valgrind cmake pkg-config binutils ;;
    bench) echo linux-perf util-linux bpftool libbpf-tools bpftrace valgrind g++ libabsl-dev ;;
    fuzz) echo g++ ;;
    # pip comes with the environment, all else from the package index.
    py) echo python3 python3-venv ;;
    *) echo "packages.sh: no group '$1': build, test, bpf, cpp, vm, bench, fuzz or py" >&2; exit 2 ;;
    esac
}

cd "$(dirname "$0")/.."
wanted=
for group in "$@"; do wanted+=" $(packages_of "$group")"; done

unavailable() { # one line, and success only for what is optional
    echo "packages.sh: $1" >&2
    exit $((1 - optional))
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "packages.sh: not a Debian system, so nothing is installed; expected are the equivalents of:$wanted" >&2
    exit 0
fi

missing=()
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
    unavailable "missing packages, and only root can install them: apt-get install ${missing[*]}"
fi

echo "Installing Debian packages: ${missing[*]}"
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The release with its security and update suites, so that a source of a newer Debian cannot bring in its libc.
if ! { apt update && apt install -y --no-install-recommends \
    ${release:+-t "/^$release(|-security|-updates)\$/"} "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    unavailable "apt could not install: ${missing[*]}"
fi
