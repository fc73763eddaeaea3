"""Snapshots: of a recorded trace everywhere, of the live kernel where that is allowed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator

import ghostsched
import numpy as np
import pytest
from conftest import DATA, ROOT, missing_tool

TRACE = DATA / "demo.trace"
PARTS = ("same_ns", "other_ns", "idle_ns", "throttled_ns", "unattributed_ns")


@pytest.fixture(scope="module")
def replayed() -> ghostsched.Snapshot:
    return ghostsched.replay(TRACE)


def check(snapshot: ghostsched.Snapshot) -> None:
    """What must hold of every snapshot."""
    table = snapshot.to_numpy()
    assert table.dtype == ghostsched.ROW_DTYPE and len(table) == len(snapshot) == len(snapshot.rows)
    buckets = len(snapshot.bounds_ns) + 1
    assert (sum(table[part] for part in PARTS) == table["wait_ns"]).all()
    for row, element in zip(snapshot.rows, table):
        assert sum(getattr(row, part) for part in PARTS) == row.wait_ns
        assert row.counts.shape == (len(ghostsched.KINDS), buckets)
        for kind in ("wait", "same", "other", "idle", "throttled"):
            assert row.histogram(kind).sum() == row.waits
        assert (row.p50_ns is None) == (row.waits == 0)
        if row.waits:
            assert (row.p50_ns or 0) <= (row.p90_ns or 0) <= (row.p99_ns or 0) <= row.max_ns
        assert (element["cgroup"], element["p99_ns"]) == (row.cgroup, -1 if row.p99_ns is None else row.p99_ns)
        assert snapshot[row.cgroup] is row
    assert snapshot.histograms.shape == (len(table), buckets)
    assert (snapshot.histograms.sum(axis=1) == table["waits"]).all()
    labels, ns = snapshot.matrix
    assert list(labels[: len(table)]) == snapshot.cgroups == list(table["cgroup"])
    assert ns.shape == (len(labels), len(labels)) and ns.dtype == np.int64
    assert (ns.diagonal()[: len(table)] == table["same_ns"]).all()
    behind_others = ns.sum(axis=1) - ns.diagonal()
    # Finished waits and waits in progress are accounted at different moments; a replay has no such gap.
    if snapshot.method == "replay":
        assert (behind_others[: len(table)] <= table["other_ns"] + snapshot.quality.matrix_overflow_ns).all()
    assert snapshot.cost is None or 0 <= snapshot.cost < 1
    assert snapshot.missed == snapshot.quality.missed_waits
    assert "<Snapshot" in repr(snapshot)


def test_a_trace_is_replayed(replayed: ghostsched.Snapshot) -> None:
    check(replayed)
    assert replayed.method == "replay" and replayed.cpus == 2
    assert replayed["/ghostsched-demo/limited"].verdict == "limit"
    assert replayed["/ghostsched-demo/batch"].worst_neighbour == "/ghostsched-demo/api"
    with pytest.raises(KeyError):
        replayed["/nobody"]


def test_the_report_is_that_of_the_command(replayed: ghostsched.Snapshot) -> None:
    command = os.environ.get("GHOSTSCHED_COMMAND", "")
    if not Path(command).is_file():
        missing_tool("needs the command ghostsched: py/test.sh builds it")
    run = subprocess.run([command, "latency", "--trace", TRACE, "--json"], stdout=subprocess.PIPE, check=True)
    report = json.loads(run.stdout)
    for name in ("method", "kernel", "cpus", "interval_ns", "epoch", "level", "groups_total"):
        assert getattr(replayed, name) == report[name], name
    assert list(replayed.bounds_ns) == report["bounds_ns"]
    assert len(replayed) == len(report["groups"])
    for row, group in zip(replayed.rows, report["groups"]):
        wait, on, off = group["wait"], group["on"], group["off"]
        same = {name: wait[name] for name in (*PARTS, "max_ns", "p50_ns", "p90_ns", "p99_ns")}
        assert {name: getattr(row, name) for name in same} == same
        assert (row.id, row.cgroup, row.waits, row.wait_ns) == (group["id"], group["path"], wait["count"], wait["sum_ns"])
        assert (row.on_cpu_ns, row.off_cpu_ns) == (on["sum_ns"], off["sleep"]["sum_ns"] + off["block"]["sum_ns"])
        assert (row.verdict, row.verdict_text) == (group["verdict"], group["verdict_text"])
        assert (row.used_mcpu, row.throttled_on_ns) == (group["used_mcpu"], group["throttled_on_ns"])
        histograms: Dict[str, Any] = {**wait["parts"], "wait": wait, "on": on, **off}
        assert set(histograms) == set(ghostsched.KINDS)
        for kind, histogram in histograms.items():
            assert list(row.histogram(kind)) == histogram["buckets"]
    assert [list(pair) for pair in replayed.pairs] == [[p["victim_path"], p["by_path"], p["ns"]] for p in report["matrix"]]
    quality = dict(vars(replayed.quality))
    assert quality == report["quality"]
    assert [w.tid for w in replayed.in_progress] == [w["tid"] for w in report["in_progress"]]


def test_only_the_cgroups_asked_for_are_shown() -> None:
    snapshot = ghostsched.replay(TRACE, cgroup="**/api")
    check(snapshot)
    assert snapshot.cgroups == ["/ghostsched-demo/api"] and snapshot.groups_total == 4
    assert {victim for victim, _, _ in snapshot.pairs} == {"/ghostsched-demo/api"}
    assert "/ghostsched-demo/batch" in snapshot.matrix.labels
    folded = ghostsched.replay(TRACE, level=1)
    check(folded)
    assert set(folded.cgroups) == {"/", "/ghostsched-demo"}


def test_bounds_are_the_users() -> None:
    for bounds in ([1_000_000], np.array([10_000, 1_000_000, 10**9]), range(1000, 5000, 1000)):
        snapshot = ghostsched.replay(TRACE, bounds=bounds)
        check(snapshot)
        assert list(snapshot.bounds_ns) == list(bounds)


def test_a_snapshot_cannot_be_changed(replayed: ghostsched.Snapshot) -> None:
    for array in (replayed.bounds_ns, replayed.histograms, replayed.matrix.ns, replayed.rows[0].counts):
        with pytest.raises(ValueError):
            array[...] = 0
    with pytest.raises(AttributeError):
        replayed.rows[0].waits = 3
    mine = replayed.to_numpy()
    mine["waits"] = 0
    assert replayed.to_numpy()["waits"].all()


def test_a_notebook_shows_a_table(replayed: ghostsched.Snapshot) -> None:
    table = replayed._repr_html_()
    assert table.count("<tr>") == 1 + len(replayed) and "/ghostsched-demo/api" in table


def test_it_can_be_plotted(replayed: ghostsched.Snapshot) -> None:
    try:
        import matplotlib
    except ImportError:
        missing_tool("needs matplotlib")
    matplotlib.use("Agg")
    axes = replayed.plot()
    assert len(axes.patches) == 5 * len(replayed) and replayed.plot(axes) is axes


@pytest.mark.parametrize(
    ("arguments", "line"),
    (
        ({"bounds": []}, "no bounds: give 1 to 64"),
        ({"bounds": [2, 1]}, "is not above the one before it"),
        ({"bounds": [0]}, "a bound of 0"),
        ({"bounds": [1.5]}, "whole numbers of ns"),
        ({"bounds": 12}, "whole numbers of ns"),
        ({"cgroup": "/a//b"}, "an empty component"),
    ),
)
def test_arguments_that_make_no_sense_are_named(arguments: Dict[str, Any], line: str) -> None:
    for call in (lambda: ghostsched.replay(TRACE, **arguments), lambda: ghostsched.latency(**arguments)):
        with pytest.raises(ghostsched.InputError, match=line):
            call()


def test_other_errors_say_what_to_do() -> None:
    with pytest.raises(ghostsched.InputError, match="no method is called \"guess\""):
        ghostsched.latency(method="guess")
    for interval in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ghostsched.InputError, match="give seconds above 0"):
            ghostsched.latency(interval)
    with pytest.raises(ghostsched.InputError, match="read /no/such/file"):
        ghostsched.replay("/no/such/file")
    with pytest.raises(ghostsched.Error):
        ghostsched.replay(ROOT / "README.md")
    with pytest.raises(ghostsched.InputError, match="no kind of duration is called 'warp'"):
        ghostsched.replay(TRACE).histogram("warp")


def test_without_privileges_the_line_says_which() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to give it up")
    code = """if True:
        import os, ghostsched
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        try:
            ghostsched.latency()
        except ghostsched.PrivilegeError as error:
            print(error)
    """
    # The module is imported by root: its folder may be closed to others.
    run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
    assert run.stdout == "needs root, or CAP_BPF and CAP_PERFMON, to load BPF programs\n"


@pytest.fixture
def live() -> Iterator[Any]:
    """Starts the profiler, or skips where this machine cannot; whatever it started is closed."""
    started = []

    def start(*arguments: Any, **options: Any) -> ghostsched.Profiler:
        try:
            started.append(ghostsched.latency(*arguments, **options))
        except (ghostsched.PrivilegeError, ghostsched.UnsupportedError) as error:
            pytest.skip(str(error))
        return started[-1]

    yield start
    for profiler in started:
        profiler.close()


def bpf_files() -> int:
    """How many files of BPF this process has open."""
    names = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            pass
    return sum("bpf" in name for name in names)


def busy(seconds: float) -> None:
    """Threads that wait for each other and for a CPU."""
    code = f"import time; end = time.time() + {seconds}\nwhile time.time() < end: pass"
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2 * (os.cpu_count() or 1))]
    for worker in workers:
        worker.wait()


def test_live_intervals_come_and_end(live: Any) -> None:
    worker = threading.Thread(target=busy, args=(1.0,))
    worker.start()
    start = time.monotonic()
    snapshots = list(live(0.4, 3))
    assert 1.2 <= time.monotonic() - start
    worker.join()
    assert len(snapshots) == 3 and sum(snapshot.to_numpy()["waits"].sum() for snapshot in snapshots) > 0
    for snapshot in snapshots:
        check(snapshot)
        assert snapshot.method in ("log", "clock") and snapshot.interval_ns > 0.3e9
    assert snapshots[0].end_unix_ns <= snapshots[1].start_unix_ns + 1e9


def test_a_with_detaches_the_programs(live: Any) -> None:
    before = bpf_files()
    with live(60.0) as profiler:
        assert bpf_files() > before and not profiler.closed and "method" in repr(profiler)
        check(profiler.snapshot())
    assert bpf_files() == before and profiler.closed and repr(profiler) == "<Profiler closed>"
    profiler.close()
    for use in (profiler.snapshot, profiler.reset, lambda: profiler.set_bounds([1000]), lambda: profiler.method):
        with pytest.raises(ghostsched.ClosedError, match="is closed"):
            use()
    assert list(profiler) == []
    profiler = live(60.0)
    del profiler
    live(0.1, 0).close()


def test_a_reset_and_new_bounds_start_anew(live: Any) -> None:
    with live(60.0, bounds=[1_000_000]) as profiler:
        busy(0.3)
        before = profiler.snapshot()
        assert len(before.bounds_ns) == 1 and before.to_numpy()["on_cpu_ns"].sum() > 0.2e9
        profiler.reset()
        after = profiler.snapshot()
        assert after.start_unix_ns > before.start_unix_ns
        assert after.to_numpy()["on_cpu_ns"].sum() < before.to_numpy()["on_cpu_ns"].sum()
        profiler.set_bounds([1000, 2000])
        assert profiler.snapshot().epoch == before.epoch + 1 and list(profiler.snapshot().bounds_ns) == [1000, 2000]
        with pytest.raises(ghostsched.InputError):
            profiler.set_bounds([])
        check(profiler.snapshot())


def test_other_threads_run_while_it_waits_and_reads(live: Any) -> None:
    ran = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            ran.append(1)
            time.sleep(0.0001)

    profiler = live(0.3, 2)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # so nobody gives up the GIL but on purpose
    try:
        thread = threading.Thread(target=count)
        thread.start()
        seen = len(ran)
        for _ in range(20):
            profiler.snapshot()
        while_it_reads = len(ran) - seen
        seen = len(ran)
        next(profiler)
        while_it_waits = len(ran) - seen
    finally:
        stop.set()
        sys.setswitchinterval(before)
        thread.join()
    assert while_it_reads > 0 and while_it_waits > 0


def test_threads_take_turns(live: Any) -> None:
    errors = []

    def use() -> None:
        try:
            for _ in range(10):
                check(profiler.snapshot())
                profiler.reset()
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    with live(60.0) as profiler:
        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors


def test_ctrl_c_ends_a_wait(live: Any) -> None:
    live(60.0).close()
    code = """if True:
        import ghostsched
        with ghostsched.latency(interval=600) as profiler:
            print("started", flush=True)
            try:
                next(profiler)
            except KeyboardInterrupt:
                print("stopped", profiler.snapshot().method, flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline().startswith("stopped ")
    assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"interval": "1"},
        {"interval": 0},
        {"interval": 1e300},
        {"count": "3"},
        {"count": -1},
        {"count": 1.5},
        {"level": -1},
        {"max_groups": 0},
        {"max_groups": -3},
        {"max_memory": -1},
        {"bounds": []},
        {"bounds": [-1]},
        {"bounds": [2**70]},
    ],
)
def test_an_argument_that_makes_no_sense_is_named(arguments):
    with pytest.raises(ghostsched.InputError, match="give|whole numbers"):
        ghostsched.latency(**arguments)
