#!/usr/bin/env bash
# The demo: three small cgroups compete for two CPUs for some seconds, and ghostsched says why their threads waited.
# Where BPF is not permitted, replays a recorded trace of the same workload instead. Expects `make release` to be done.
#
#   /ghostsched-demo/api      four threads of 2 ms bursts, the weight of everybody
#   /ghostsched-demo/batch    four hogs of a low weight
#   /ghostsched-demo/limited  one hog with a quota of 20 % of a CPU
set -euo pipefail
cd "$(dirname "$0")/.."
built=${CARGO_TARGET_DIR:-target}/release
ghostsched=$built/ghostsched
load=$built/load
seconds=${DEMO_SECONDS:-10}

loads=()
tree=
messages=$(mktemp)
cleanup() {
    trap - EXIT INT TERM
    [ ${#loads[@]} = 0 ] || kill "${loads[@]}" 2>/dev/null || true
    wait
    # The kernel lets go of a cgroup's last process a moment after its end.
    if [ -n "$tree" ]; then
        for _ in 1 2 3 4 5; do
            if remove_cgroups "$tree"; then break; fi
            sleep 0.2
        done
    fi
    rm -f "$messages"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

replay() { # in one line, why
    echo "Live measurement is not possible here ($1); replaying the recorded trace tests/data/demo.trace instead."
    "$ghostsched" latency --trace tests/data/demo.trace --matrix
    exit
}

# The folder where the cpu controller's cgroups are made: sets `version` and `mount`, which is empty where there is none.
find_cgroups() {
    local point type options
    version= mount=
    while read -r _ point type options _; do
        case $type in
        cgroup) if [[ ,$options, == *,cpu,* ]]; then version=1 mount=$point; fi ;;
        cgroup2)
            if [ -z "$mount" ] && grep -qw cpu "$point/cgroup.controllers" 2>/dev/null; then version=2 mount=$point; fi
            ;;
        esac
    done </proc/self/mounts
}

# make_cgroup NAME WEIGHT QUOTA: weight 100 is everybody's; the quota is a percentage of one CPU, or max.
make_cgroup() {
    local folder=$tree/$1
    mkdir "$folder" || return 1
    case $version in
    1)
        echo $(($2 * 1024 / 100)) >"$folder/cpu.shares" || return 1
        [ "$3" = max ] || echo $(($3 * 1000)) >"$folder/cpu.cfs_quota_us"
        ;;
    2)
        echo "$2" >"$folder/cpu.weight" || return 1
        [ "$3" = max ] || echo "$(($3 * 1000)) 100000" >"$folder/cpu.max"
        ;;
    esac
}

remove_cgroups() { # FOLDER: what is in it and then itself, as far as no process is inside
    rmdir "$1"/*/ 2>/dev/null || true
    rmdir "$1" 2>/dev/null
}

# Runs as a condition, where bash does not stop at the first failure, hence the ||.
make_cgroups() {
    find_cgroups
    [ -n "$mount" ] || { echo "no cpu controller is mounted"; return 1; }
    local wanted=$mount/ghostsched-demo
    remove_cgroups "$wanted" || true # what a killed demo left
    [ ! -e "$wanted" ] || { echo "$wanted exists: another demo runs, or ran until less than a minute ago"; return 1; }
    # Version 2 hands a controller down level by level; a container may be refused that.
    if [ "$version" = 2 ]; then echo +cpu >"$mount/cgroup.subtree_control" || return 1; fi
    mkdir "$wanted" || return 1
    tree=$wanted
    if [ "$version" = 2 ]; then echo +cpu >"$tree/cgroup.subtree_control" || return 1; fi
    make_cgroup api 100 max && make_cgroup batch 20 max && make_cgroup limited 100 20
}

# start CGROUP LOAD...: on the demo's CPUs; each ends by itself, should this script be killed.
start() {
    local group=$1
    shift
    set -- "$load" "$@" --seconds $((seconds + 20))
    [ -z "$tree" ] || set -- "$@" --cgroup "$tree/$group"
    taskset -c "$cpus" "$@" >/dev/null 2>>"$messages" &
    loads+=($!)
}

# The command itself knows best whether it can measure: what it says is the reason.
if ! "$ghostsched" latency --for 100ms >/dev/null 2>"$messages"; then
    replay "$(head -n 1 "$messages" | sed 's/^ghostsched: *//; s/^error: *//')"
fi

# The first two CPUs we may use, so that a large machine is not filled with hogs.
cpus=$(taskset -cp $$ | sed 's/.*: //' | tr , '\n' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done | head -n 2 | paste -sd ,)
: >"$messages"
if ! make_cgroups >"$messages" 2>&1; then
    echo "No cgroups can be made here ($(tail -n 1 "$messages" | sed 's/.*: line [0-9]*: //')): the workload runs in this shell's own."
    if [ -n "$tree" ]; then remove_cgroups "$tree" || true; fi
    tree=
    : >"$messages"
fi

echo "Three workloads compete for CPU $cpus for $seconds s; measuring why their threads wait."
start api burst --run 2ms --sleep 8ms --threads 4
start batch hog --threads 4
start limited hog
sleep 0.5
"$ghostsched" latency --for "${seconds}s" --matrix
if [ -s "$messages" ]; then cat "$messages" >&2; fi
