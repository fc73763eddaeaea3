#!/usr/bin/env bash
# Puts promtool and prometheus into target/tools/bin for the tests of the metrics, unless they are installed.
# Unpacks Debian's package and does not install it: installing would start a service.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${CARGO_TARGET_DIR:-target}/tools
if command -v promtool >/dev/null && command -v prometheus >/dev/null; then exit 0; fi
if [ -x "$tools/bin/promtool" ] && [ -x "$tools/bin/prometheus" ]; then exit 0; fi
command -v apt-get >/dev/null || { echo "prometheus.sh: not a Debian system: install promtool and prometheus" >&2; exit 0; }

echo "Unpacking Debian's prometheus into $tools (not installing it)"
mkdir -p "$tools/bin"
rm -rf "$tools/prometheus"
mkdir "$tools/prometheus"
cd "$tools/prometheus"
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
download() { apt-get -qq download ${release:+-t "/^$release(|-security|-updates)\$/"} prometheus; }
# apt warns that its unprivileged user cannot write here, and downloads all the same.
if ! { download || { apt-get -qq update && download; }; } >apt.log 2>&1; then
    tail -n 3 apt.log >&2
    echo "prometheus.sh: cannot download it; tests that need it will be skipped" >&2
    exit 0
fi
dpkg-deb -x prometheus_*.deb .
rm prometheus_*.deb
ln -sf ../prometheus/usr/bin/promtool ../prometheus/usr/bin/prometheus ../bin/
