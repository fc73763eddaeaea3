#!/usr/bin/env bash
# Compiles bpf/c/*.bpf.c to bpf/prebuilt/*.bpf.o, which are checked in, so that users of the crate need no clang.
#   bpf/build-bpf.sh           write them
#   bpf/build-bpf.sh --check   write nothing; compare with those checked in, byte for byte
#
# Exit status: 0 done or equal, 1 different or failed, 3 no clang 14 on this machine. The bytes depend on the compiler, so
# it is clang 14 (Debian 12's) and no other; CLANG and LLVM_STRIP name it where it has another name. libbpf's headers come
# from the libbpf that libbpf-sys brings and links; LIBBPF_SYS names its folder where cargo is not at hand.
set -euo pipefail
cd "$(dirname "$0")/.."

check=0
case ${1:-} in
"") ;;
--check) check=1 ;;
*) sed -n '2,5p' "$0" | cut -c3- >&2; exit 2 ;;
esac

none() { echo "build-bpf.sh: $1" >&2; exit 3; }
clang=${CLANG:-$(command -v clang-14 || command -v clang || true)}
strip=${LLVM_STRIP:-$(command -v llvm-strip-14 || command -v llvm-strip || true)}
[ -n "$clang" ] || none "no clang: the objects are compiled with clang 14"
[ -n "$strip" ] || none "no llvm-strip: it comes with clang 14's package llvm-14"
version=$("$clang" --version | sed -n 's/.*clang version \([0-9]*\).*/\1/p' | head -n 1 || true)
[ "$version" = 14 ] || none "$clang is version ${version:-unknown}, the objects are compiled with clang 14"

# The manifest's path ends in the package's name and version; cargo prints its JSON on one line.
packages() { cargo metadata --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')"; }
libbpf=${LIBBPF_SYS:-$(packages | grep -o '"manifest_path":"[^"]*/libbpf-sys-[^"/]*/Cargo.toml"' \
    | head -n 1 | cut -d '"' -f 4 | xargs dirname)}
[ -e "$libbpf/libbpf/src/bpf_helpers.h" ] || { echo "build-bpf.sh: no libbpf headers in '$libbpf'" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/include" "$work/out"
ln -s "$libbpf/libbpf/src" "$work/include/bpf" # they are included as <bpf/bpf_helpers.h>
# With -target bpf clang does not look into the folder of the host's architecture, where <asm/types.h> is.
multiarch=/usr/include/$(uname -m)-linux-gnu

status=0
for source in bpf/c/*.bpf.c; do
    [ -e "$source" ] || { echo "build-bpf.sh: no bpf/c/*.bpf.c" >&2; exit 1; }
    object=$(basename "$source" .c).o
    # -g for BTF, without which nothing is relocated to the running kernel; DWARF is stripped. No path of this machine stays.
    "$clang" -g -O2 -Wall -Werror -target bpf -mcpu=v3 \
        -ffile-prefix-map="$PWD=." -ffile-prefix-map="$work/include=libbpf" \
        -I include -I bpf/c -isystem "$work/include" -idirafter "$multiarch" \
        -c "$source" -o "$work/out/$object"
    "$strip" -g "$work/out/$object"
    if [ "$check" = 0 ]; then
        mkdir -p bpf/prebuilt
        cmp -s "$work/out/$object" "bpf/prebuilt/$object" || cp "$work/out/$object" "bpf/prebuilt/$object"
        echo "bpf/prebuilt/$object: $(stat -c %s "bpf/prebuilt/$object") bytes"
    elif ! cmp "$work/out/$object" "bpf/prebuilt/$object" >&2; then
        echo "build-bpf.sh: bpf/prebuilt/$object is not what $source compiles to: run \`make bpf\`" >&2
        status=1
    fi
done
for object in bpf/prebuilt/*.bpf.o; do
    [ -e "bpf/c/$(basename "$object" .o).c" ] || { echo "build-bpf.sh: $object has no source in bpf/c" >&2; status=1; }
done
exit $status
