"""The latency profiler: why the threads of each cgroup wait for a CPU.

The names are those of `ghostsched latency --json`; what a field means is described there. Times are ns, CPUs milli-CPUs.
"""

from __future__ import annotations

import html
import os
import time
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Type, Union

import numpy as np
import numpy.typing as npt

from . import _native
from .errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What durations are kept of, in the order of the arrays: a whole wait, its parts behind the own cgroup, behind others, with
#: the CPU idle and with the quota used up; spells on a CPU, asleep, and blocked (uninterruptible).
KINDS: Tuple[str, ...] = ("wait", "same", "other", "idle", "throttled", "on", "sleep", "block")

#: The type of `Snapshot.to_numpy`: one element a cgroup. What is not known is -1 (quantiles without waits, CPUs due).
ROW_DTYPE: np.dtype[np.void] = np.dtype(
    [
        ("cgroup", "O"),
        ("id", "<u8"),
        ("waits", "<i8"),
        ("wait_ns", "<i8"),
        ("same_ns", "<i8"),
        ("other_ns", "<i8"),
        ("idle_ns", "<i8"),
        ("throttled_ns", "<i8"),
        ("unattributed_ns", "<i8"),
        ("p50_ns", "<i8"),
        ("p90_ns", "<i8"),
        ("p99_ns", "<i8"),
        ("max_ns", "<i8"),
        ("on_cpu_ns", "<i8"),
        ("off_cpu_ns", "<i8"),
        ("used_mcpu", "<i8"),
        ("weight_mcpu", "<i8"),
        ("quota_mcpu", "<i8"),
        ("throttled_on_ns", "<i8"),
        ("missed_waits", "<i8"),
        ("missed_ns", "<i8"),
        ("verdict", "<U16"),
    ]
)


@dataclass(frozen=True)
class Row:
    """One cgroup. `same + other + idle + throttled + unattributed = wait`, always."""

    #: Path below the cgroup mount, `/` for the root.
    cgroup: str
    #: The cgroup's id, the inode number of its directory; 0 for `(rest)`.
    id: int
    #: How many waits ended: queued, runnable, not running.
    waits: int
    #: Their sum.
    wait_ns: int
    #: The part while a thread of the same cgroup ran.
    same_ns: int
    #: The part while a thread of another cgroup ran.
    other_ns: int
    #: The part with the CPU idle.
    idle_ns: int
    #: The part with the cgroup's own quota used up.
    throttled_ns: int
    #: The part whose cause is not known.
    unattributed_ns: int
    #: Upper end of the bucket of the median wait, cut by `max_ns`; None without waits.
    p50_ns: Optional[int]
    #: The same of the 90th percentile.
    p90_ns: Optional[int]
    #: The same of the 99th percentile.
    p99_ns: Optional[int]
    #: The longest wait, exact.
    max_ns: int
    #: Time on CPUs.
    on_cpu_ns: int
    #: Time neither running nor queued: asleep or blocked.
    off_cpu_ns: int
    #: CPUs used over the interval.
    used_mcpu: int
    #: What it wanted, up to its part by weight beside what its rivals wanted; None if not known.
    weight_mcpu: Optional[int]
    #: The tightest `cpu.max` up to the root; None if there is none.
    quota_mcpu: Optional[int]
    #: Time on a CPU with the quota already used up.
    throttled_on_ns: int
    #: Waits the kernel counted and no event told of; they are not in `waits`.
    missed_waits: int
    #: Their sum.
    missed_ns: int
    #: `starved`, `delayed`, `over_share`, `self`, `limit`, `limit_likely`, `idle`, `mixed`, `unknown`, `fine` or `quiet`.
    verdict: str
    #: The verdict as a sentence; its wording may change.
    verdict_text: str
    #: Who ran during most of `other_ns`; None if nobody did.
    worst_neighbour: Optional[str]
    #: Counts a kind and bucket: shape (len(KINDS), len(bounds_ns) + 1), int64, read-only.
    counts: npt.NDArray[np.int64]

    def histogram(self, kind: str = "wait") -> npt.NDArray[np.int64]:
        """Counts a bucket, not cumulative: shape (len(bounds_ns) + 1,)."""
        histogram: npt.NDArray[np.int64] = self.counts[_kind(kind)]
        return histogram


@dataclass(frozen=True)
class Waiting:
    """A thread that waits at the end of the interval; its wait is not in the rows before it ends."""

    tid: int
    pid: int
    #: At most 15 bytes.
    comm: str
    cgroup: str
    #: The CPU it is queued on.
    cpu: int
    #: So far.
    waited_ns: int
    same_ns: int
    other_ns: int
    idle_ns: int
    throttled_ns: int
    unattributed_ns: int
    #: Whose thread runs there now; None when idle or not known.
    behind: Optional[str]


@dataclass(frozen=True)
class SelfCheck:
    """Our waits against the kernel's own count, thread by thread."""

    #: Threads compared.
    threads: int
    #: Those that agree to the nanosecond.
    exact: int
    kernel_ns: int
    ours_ns: int
    difference_ns: int


@dataclass(frozen=True)
class Quality:
    """What the measurement cost and what it could not see, over the interval."""

    #: Context switches seen.
    switches: int
    #: Switches before which at least one was missed.
    chain_breaks: int
    #: CPU time for which it is open who ran.
    unknown_ns: int
    #: Waits the kernel counted and no event told of.
    missed_waits: int
    missed_ns: int
    #: Waits that the kernel does not count.
    extra_waits: int
    extra_ns: int
    #: Waits left out because their queue stamp was set during sleep.
    suspect_waits: int
    suspect_ns: int
    #: Waits that changed CPU while queued, and the time in between.
    migrated_waits: int
    moving_ns: int
    #: Events of threads without storage.
    storage_failures: int
    #: Waits whose throttled part is an upper bound.
    throttle_clipped: int
    #: Part of `other_ns` that names no culprit, for want of room.
    matrix_overflow_ns: int
    #: Cgroups summed in `(rest)`.
    groups_over_capacity: int
    #: False before Linux 6.6: throttled time is then inside the other parts.
    throttle_visible: bool
    #: Time in BPF programs; None if not measured.
    bpf_ns: Optional[int]
    #: Runs sampled for it.
    bpf_runs: int
    #: Runs the kernel skipped.
    bpf_skipped: int
    #: None if there is nothing to compare with.
    self_check: Optional[SelfCheck]


class Matrix(NamedTuple):
    """Who made whom wait: threads of `labels[i]` were queued for `ns[i, j]` while one of `labels[j]` ran on their CPU."""

    #: The rows' cgroups in their order, then others that made them wait.
    labels: Tuple[str, ...]
    #: Square, int64. The diagonal is each row's `same_ns`; rows of cgroups that are no row of the snapshot are 0.
    ns: npt.NDArray[np.int64]


def _kind(kind: str) -> int:
    try:
        return KINDS.index(kind)
    except ValueError:
        raise InputError(f"no kind of duration is called {kind!r}: use {', '.join(KINDS)}") from None


class Snapshot:
    """A measurement over an interval: why the threads of each cgroup waited. It never changes."""

    #: `log`, `clock` or `replay` (of a recorded trace).
    method: str
    #: Release of the kernel, `6.12.9`.
    kernel: str
    #: CPUs online.
    cpus: int
    #: The interval, ns since 1970 (UTC).
    start_unix_ns: int
    end_unix_ns: int
    #: Its length by the monotonic clock.
    interval_ns: int
    #: Goes up when the bounds are changed: counts start anew.
    epoch: int
    #: Cgroups are folded to this depth; 0 is not at all.
    level: int
    #: Upper bounds of the buckets, inclusive, ascending: shape (1 to 64,), int64, read-only.
    bounds_ns: npt.NDArray[np.int64]
    #: Cgroups that ran or waited, whatever the filter left of them.
    groups_total: int
    #: Threads that wait at the end of the interval, longest first.
    in_progress: Tuple[Waiting, ...]
    #: Cost and losses.
    quality: Quality
    #: Who made whom wait, as `(victim, by, ns)`: no pair twice, none zero, no cgroup with itself.
    pairs: Tuple[Tuple[str, str, int], ...]

    def __init__(self, columns: Dict[str, Any]) -> None:
        self.method = columns["method"]
        self.kernel = columns["kernel"]
        self.cpus = columns["cpus"]
        self.start_unix_ns = columns["start_unix_ns"]
        self.end_unix_ns = columns["end_unix_ns"]
        self.interval_ns = columns["interval_ns"]
        self.epoch = columns["epoch"]
        self.level = columns["level"]
        self.bounds_ns = _frozen(columns["bounds_ns"])
        self.groups_total = columns["groups_total"]
        self.in_progress = tuple(Waiting(**waiting) for waiting in columns["in_progress"])
        quality = dict(columns["quality"])
        check = quality.pop("self_check")
        self.quality = Quality(**quality, self_check=None if check is None else SelfCheck(**check))
        self.pairs = tuple(columns["pairs"])
        self._columns: Dict[str, Any] = columns["rows"]
        count, kinds = len(self._columns["cgroup"]), len(KINDS)
        self._counts = _frozen(self._columns["kind_counts"].reshape(count, kinds, len(self.bounds_ns) + 1))
        self._sum_ns = _frozen(self._columns["kind_sum_ns"].reshape(count, kinds))
        self._max_ns = _frozen(self._columns["kind_max_ns"].reshape(count, kinds))

    @property
    def cgroups(self) -> List[str]:
        """The rows' cgroups, longest wait behind others first."""
        return list(self._columns["cgroup"])

    @cached_property
    def rows(self) -> Tuple[Row, ...]:
        """One object a cgroup, longest wait behind others first."""
        columns = self._columns
        table = self.to_numpy()
        unknown_is_none = {"p50_ns", "p90_ns", "p99_ns", "weight_mcpu", "quota_mcpu"}
        rows = []
        for index, element in enumerate(table):
            values = dict(zip(ROW_DTYPE.names or (), element.item()))
            for name in unknown_is_none:
                if values[name] < 0:
                    values[name] = None
            rows.append(
                Row(
                    **values,
                    verdict_text=columns["verdict_text"][index],
                    worst_neighbour=columns["worst_neighbour"][index],
                    counts=self._counts[index],
                )
            )
        return tuple(rows)

    def __len__(self) -> int:
        return len(self._columns["cgroup"])

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __contains__(self, cgroup: object) -> bool:
        return any(row.cgroup == cgroup for row in self.rows)

    def __getitem__(self, cgroup: str) -> Row:
        """The row of a cgroup, by its path. Raises KeyError if it is not among the rows."""
        if not isinstance(cgroup, str):
            raise TypeError(f"a snapshot is asked by a cgroup's path, not {cgroup!r}; its rows are in .rows")
        for row in self.rows:
            if row.cgroup == cgroup:
                return row
        raise KeyError(cgroup)

    def to_numpy(self) -> npt.NDArray[np.void]:
        """The rows as a new structured array of `ROW_DTYPE`, in the same order."""
        columns = self._columns
        table = np.empty(len(self), ROW_DTYPE)
        for name in ROW_DTYPE.names or ():
            if name in columns:
                table[name] = columns[name]
        table["waits"] = self._counts[:, 0].sum(axis=1)
        for name in ("wait", "same", "other", "idle", "throttled"):
            table[f"{name}_ns"] = self._sum_ns[:, _kind(name)]
        table["max_ns"] = self._max_ns[:, 0]
        table["on_cpu_ns"] = self._sum_ns[:, _kind("on")]
        table["off_cpu_ns"] = self._sum_ns[:, _kind("sleep")] + self._sum_ns[:, _kind("block")]
        return table

    @property
    def histograms(self) -> npt.NDArray[np.int64]:
        """Histograms of the waits: shape (rows, len(bounds_ns) + 1), counts, not cumulative; a read-only view."""
        return self._counts[:, 0]

    def histogram(self, kind: str = "wait") -> npt.NDArray[np.int64]:
        """As `histograms`, of one of `KINDS`. Parts of a wait count every wait, one without such a part as 0 ns."""
        return self._counts[:, _kind(kind)]

    @cached_property
    def matrix(self) -> Matrix:
        """Who made whom wait, as a square array; `pairs` is the same as a list."""
        labels = list(dict.fromkeys([*self._columns["cgroup"], *(by for _, by, _ in self.pairs)]))
        place = {label: index for index, label in enumerate(labels)}
        ns = np.zeros((len(labels), len(labels)), np.int64)
        own = np.arange(len(self))
        ns[own, own] = self._sum_ns[:, _kind("same")]
        for victim, by, waited_ns in self.pairs:
            ns[place[victim], place[by]] += waited_ns
        return Matrix(tuple(labels), _frozen(ns))

    @property
    def missed(self) -> int:
        """Waits the kernel counted and no event told of; see `quality` for all that was not seen."""
        return self.quality.missed_waits

    @property
    def cost(self) -> Optional[float]:
        """The part of one CPU that the measurement itself took; None if not measured."""
        if self.quality.bpf_ns is None or self.interval_ns == 0:
            return None
        return self.quality.bpf_ns / self.interval_ns

    def __repr__(self) -> str:
        head = f"<Snapshot {self.interval_ns / 1e9:.1f}s on {self.cpus} CPUs, Linux {self.kernel}, method {self.method}>"
        lines = [f"  {row.cgroup}: {row.waits} waits, {row.verdict_text}" for row in self.rows[:10]]
        more = [f"  and {len(self) - 10} more cgroups"] if len(self) > 10 else []
        return "\n".join([head, *lines, *more])

    def _repr_html_(self) -> str:
        head = "cgroup CPUs waits p50 p99 max wait same other idle throttled verdict".split()
        out = ["<table><thead><tr>", *(f"<th>{name}</th>" for name in head), "</tr></thead><tbody>"]
        for row in self.rows[:20]:
            parts = (row.same_ns, row.other_ns, row.idle_ns, row.throttled_ns)
            cells = [row.cgroup, f"{row.used_mcpu / 1000:.2f}", str(row.waits)]
            cells += [_time(ns) for ns in (row.p50_ns, row.p99_ns, row.max_ns, row.wait_ns)]
            cells += [f"{100 * part / row.wait_ns:.0f}%" if row.wait_ns else "" for part in parts]
            cells.append(row.verdict_text)
            out += ["<tr>", *(f"<td>{html.escape(cell)}</td>" for cell in cells), "</tr>"]
        out.append("</tbody></table>")
        return "".join(out)

    def plot(self, axes: Optional[Axes] = None, top: int = 10) -> Axes:
        """Stacked bars: why the threads of the `top` cgroups waited, in seconds. Needs matplotlib (`ghostsched[viz]`)."""
        if axes is None:
            from matplotlib import pyplot

            axes = pyplot.subplots()[1]
        rows = self.rows[:top][::-1]
        labels = [row.cgroup for row in rows]
        left = np.zeros(len(rows))
        for part in ("same", "other", "idle", "throttled", "unattributed"):
            seconds = np.array([getattr(row, f"{part}_ns") / 1e9 for row in rows])
            axes.barh(labels, seconds, left=left, label=part)
            left += seconds
        axes.set_xlabel("waited, s")
        axes.legend()
        return axes


def _frozen(array: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    array.flags.writeable = False
    return array


def _time(ns: Optional[int]) -> str:
    if ns is None:
        return ""
    for unit, length in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if ns >= length:
            return f"{ns / length:.3g}{unit}"
    return f"{ns}ns"


def _bounds(bounds: Optional[Iterable[int]]) -> Optional[List[int]]:
    if bounds is None:
        return None
    try:
        numbers = [bound.__index__() for bound in bounds]
    except (AttributeError, TypeError):
        raise InputError("bounds are whole numbers of ns, such as [1_000_000, 10_000_000]") from None
    if any(not 0 <= number < 1 << 63 for number in numbers):
        raise InputError("bounds are whole numbers of ns above 0 and below 2**63, such as [1_000_000, 10_000_000]")
    return numbers


def _whole(name: str, value: Optional[int], least: int) -> Optional[int]:
    """An argument that is a whole number, at least `least`, or None."""
    if value is None:
        return None
    try:
        number = value.__index__()
    except AttributeError:
        number = -1
    if not least <= number < 1 << 32:
        raise InputError(f"{name}={value!r}: give a whole number from {least} to {(1 << 32) - 1}")
    return number


class Profiler:
    """The profiler on the live kernel, attached from `latency` until `close`, the end of a `with`, or garbage collection.

    Everything is counted in the kernel, so neither a snapshot nor a reset disturbs or loses anything. As an iterator it
    waits until `interval` seconds have passed and gives what happened in them; the GIL is released while it waits and while
    it reads. It may be used from several threads, which take turns.
    """

    def __init__(
        self,
        interval: float = 1.0,
        count: Optional[int] = None,
        *,
        bounds: Optional[Iterable[int]] = None,
        method: Optional[str] = None,
        cgroup: Optional[str] = None,
        level: int = 0,
        max_groups: Optional[int] = None,
        max_memory: Optional[int] = None,
    ) -> None:
        try:
            seconds = float(interval)
        except (TypeError, ValueError):
            seconds = 0.0
        if isinstance(interval, str) or not 0 < seconds <= 1e9:
            raise InputError(f"an interval of {interval!r}: give seconds above 0, such as 1.0")
        self._interval = seconds
        self._left = _whole("count", count, 0)
        self._native = _native.NativeProfiler(
            bounds=_bounds(bounds),
            method=method,
            cgroup=cgroup,
            level=_whole("level", level, 0) or 0,
            max_groups=_whole("max_groups", max_groups, 1),
            max_memory=_whole("max_memory", max_memory, 1),
        )
        self._next = time.monotonic() + seconds

    @property
    def method(self) -> str:
        """How it measures: `log` or `clock`."""
        return self._native.method

    @property
    def closed(self) -> bool:
        """Whether it is detached."""
        return self._native.closed

    def snapshot(self) -> Snapshot:
        """Everything since the last `reset`, or since the start, without waiting."""
        return Snapshot(self._native.snapshot())

    def reset(self) -> None:
        """Takes the present as the start of `snapshot`; clears nothing in the kernel, loses nothing."""
        self._native.reset()

    def set_bounds(self, bounds: Iterable[int]) -> None:
        """Starts a new epoch with other bounds, 1 to 64 ascending ns: all counts begin anew."""
        self._native.set_bounds(_bounds(bounds) or [])

    def close(self) -> None:
        """Detaches the BPF programs and frees their memory. May be called again."""
        self._native.close()

    def __iter__(self) -> Profiler:
        return self

    def __next__(self) -> Snapshot:
        """Waits for the end of the interval and gives what happened in it; closes after `count` of them."""
        if self._left is not None and self._left <= 0:
            self.close()
        if self.closed:
            raise StopIteration
        # Python's sleep releases the GIL and lets signals through.
        time.sleep(max(0.0, self._next - time.monotonic()))
        snapshot = Snapshot(self._native.interval())
        # Who comes late gets one long interval, not a burst.
        now = time.monotonic()
        self._next += self._interval * max(1, int((now - self._next) / self._interval) + 1)
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.close()
        return snapshot

    def __enter__(self) -> Profiler:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<Profiler closed>" if self.closed else f"<Profiler method {self.method}, every {self._interval} s>"


def latency(
    interval: float = 1.0,
    count: Optional[int] = None,
    *,
    bounds: Optional[Iterable[int]] = None,
    method: Optional[str] = None,
    cgroup: Optional[str] = None,
    level: int = 0,
    max_groups: Optional[int] = None,
    max_memory: Optional[int] = None,
) -> Profiler:
    """Starts to measure why threads wait for a CPU, and returns the profiler: an iterator of snapshots.

    `interval` is in seconds; after `count` intervals it ends and detaches, by default never. `bounds` are the upper bounds of
    the histograms' buckets, 1 to 64 ascending whole ns; default 1 us to 8.6 s in doublings. `method` is `"log"` or `"clock"`;
    default is what the kernel can do. `cgroup` is a glob of those shown, such as `"/shop/**"`; `level` folds cgroups to that
    depth; `max_groups` and `max_memory` (bytes, 64 MiB) bound what is told apart.

    Raises `PrivilegeError` without root (or CAP_BPF and CAP_PERFMON), `UnsupportedError` if the kernel lacks something,
    `InputError` for arguments that make no sense, `KernelError` for anything else.
    """
    return Profiler(
        interval,
        count,
        bounds=bounds,
        method=method,
        cgroup=cgroup,
        level=level,
        max_groups=max_groups,
        max_memory=max_memory,
    )


def replay(
    path: Union[str, os.PathLike[str]],
    *,
    bounds: Optional[Iterable[int]] = None,
    cgroup: Optional[str] = None,
    level: int = 0,
) -> Snapshot:
    """The same report of a trace that `ghostsched record` wrote; needs no privilege.

    `bounds`, `cgroup` and `level` as in `latency`. Raises `InputError` if the file is no trace.
    """
    return Snapshot(_native.replay(path, bounds=_bounds(bounds), cgroup=cgroup, level=_whole("level", level, 0) or 0))
