"""Why threads wait for a CPU, and what ghOSt kernels write, as numpy arrays.

>>> import ghostsched
>>> with ghostsched.latency(interval=1.0, count=3) as profiler:  # doctest: +SKIP
...     for snapshot in profiler:
...         print(snapshot)

| name | what it is |
|---|---|
| `latency` | the profiler on the live kernel: an iterator of snapshots |
| `replay` | the same of a recorded trace; needs no privilege |
| `wire` | messages, queues, transactions and status words of ghOSt, from bytes |
| `Error` | what everything here raises, and the kinds below it |
"""

from . import wire
from ._latency import (
    KINDS,
    ROW_DTYPE,
    Matrix,
    Profiler,
    Quality,
    Row,
    SelfCheck,
    Snapshot,
    Waiting,
    latency,
    replay,
)
from .errors import ClosedError, Error, InputError, KernelError, PrivilegeError, UnsupportedError

__all__ = [
    "KINDS",
    "ROW_DTYPE",
    "ClosedError",
    "Error",
    "InputError",
    "KernelError",
    "Matrix",
    "PrivilegeError",
    "Profiler",
    "Quality",
    "Row",
    "SelfCheck",
    "Snapshot",
    "UnsupportedError",
    "Waiting",
    "latency",
    "replay",
    "wire",
]
