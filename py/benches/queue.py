"""How fast a full queue of 65,536 slots becomes a structured array, in slots a second, beside numpy alone.

    python py/benches/queue.py [SECONDS]

Each line is the best of many runs within SECONDS (1); "first" is the first run, whose memory is new. numpy alone can only
read a queue whose messages are all of one kind and lie side by side: it is given that case, and its `frombuffer` gives a view
of the kernel's names (`copy`: a copy of one moment of it) or, column by column, the same array as ours (`rows`). The last
line walks the ring in Python.
"""

from __future__ import annotations

import struct
import sys
import time
from typing import Callable, Dict, Optional, Union

import numpy as np
from ghostsched import wire

SLOTS = 65536
RING = 76  # header and indices
ABI = wire.Abi(91)

#: The columns of a row and the kernel's fields they come from, of a TASK_PREEMPT.
PREEMPT = {
    "number": "type",
    "length": "length",
    "seqnum": "seqnum",
    "gtid": "gtid",
    "runtime_ns": "runtime",
    "cpu_seqnum": "cpu_seqnum",
    "agent_data": "agent_data",
    "cpu": "cpu",
    "from_switchto": "from_switchto",
    "was_latched": "was_latched",
}


def full_queue(kinds: Dict[Union[str, int], Dict[str, int]], seed: int = 1) -> bytearray:
    """A queue of these messages one after the other, with fillers where the last ones do not fit."""
    queue = bytearray(wire.queue_bytes(SLOTS))
    struct.pack_into("<III", queue, 0, 0, 64, SLOTS)
    struct.pack_into("<III", queue, 64, SLOTS, 0, 0)
    at, seqnum, messages = 0, seed, list(kinds.items())
    while at < SLOTS:
        kind, fields = messages[seqnum % len(messages)]
        message = wire.encode(wire.Message(kind, seqnum, **fields), ABI)
        slots = -(-len(message) // 8)
        if at + slots > SLOTS:
            message, slots = struct.pack("<HHI", 0, 8 * (SLOTS - at), 0), SLOTS - at
        queue[RING + 8 * at : RING + 8 * at + len(message)] = message
        at, seqnum = at + slots, seqnum + 1
    return queue


def equal_messages(queue: bytearray) -> np.ndarray:
    """numpy alone: the ring as an array of TASK_PREEMPT, 48 bytes each; a view."""
    header, payload = ABI.dtype("ghost_msg"), ABI.dtype("ghost_msg_payload_task_preempt")
    names = [*(header.names or ()), *(payload.names or ())]
    formats = [*(header[name] for name in header.names or ()), *(payload[name] for name in payload.names or ())]
    fields = [*(header.fields or {}).values(), *(payload.fields or {}).values()]
    offsets = [field[1] + (8 if index >= len(header.names or ()) else 0) for index, field in enumerate(fields)]
    dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": 48})
    return np.frombuffer(queue, dtype, SLOTS // 6, RING)


def numpy_rows(queue: bytearray) -> np.ndarray:
    """numpy alone: the same array as ours, column by column."""
    messages = equal_messages(queue)
    rows = np.zeros(len(messages), wire.RECORD_DTYPE)
    rows["position"] = np.arange(len(messages)) * 6
    for column, field in PREEMPT.items():
        rows[column] = messages[field]
    for column in ("last_ran_cpu", "waker_cpu"):
        rows[column] = -1
    rows["fields"] = sum(wire.Fields[name] for name in PREEMPT if name in wire.Fields.__members__)
    return rows


def python_walk(queue: bytearray) -> int:
    """A loop in Python: headers only."""
    at, count = 0, 0
    while at < SLOTS:
        number, length, _ = struct.unpack_from("<HHI", queue, RING + 8 * at)
        at, count = at + (length + 7) // 8, count + (number != 0)
    return count


def measure(name: str, run: Callable[[], object], seconds: float) -> float:
    """Prints a line; returns the best time of a run in seconds."""
    best: Optional[float] = None
    first: Optional[float] = None
    end = time.perf_counter() + seconds
    while best is None or time.perf_counter() < end:
        start = time.perf_counter()
        result = run()
        passed = time.perf_counter() - start
        first = passed if first is None else first
        best = passed if best is None else min(best, passed)
        del result
    print(f"{name:34}{SLOTS / best / 1e6:10.1f} M slots/s{best * 1e6:10.0f} us   first {(first or 0) * 1e6:6.0f} us")
    return best


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    task = {"gtid": 4242 << 41 | 17, "runtime_ns": 123456789, "cpu_seqnum": 7, "cpu": 3}
    wakeup = {"gtid": 4242 << 41 | 17, "cpu": 1, "last_ran_cpu": 2, "waker_cpu": 3}
    queues = {
        "preempts, 6 slots each": full_queue({"TASK_PREEMPT": task}),
        "a mix of kinds, 2 to 7 slots": full_queue(
            {"TASK_NEW": {"gtid": 5}, "TASK_WAKEUP": wakeup, "TASK_BLOCKED": task, "TASK_PREEMPT": task, "CPU_TICK": {"cpu": 1}}
        ),
        "ticks, 2 slots each": full_queue({"CPU_TICK": {"cpu": 1}}),
        "unknown without payload, 1 slot each": full_queue({200: {}}),
    }
    for name, memory in queues.items():
        queue = wire.Queue(memory, ABI)
        print(f"{name}: {len(queue.to_numpy())} messages")
        measure("  ghostsched to_numpy", queue.to_numpy, seconds)
    memory = queues["preempts, 6 slots each"]
    rows = numpy_rows(memory)
    assert np.array_equal(wire.Queue(memory, ABI).to_numpy()[: len(rows)], rows)
    print("numpy alone, preempts only")
    measure("  frombuffer, view", lambda: equal_messages(memory), seconds / 4)
    measure("  frombuffer, copy", lambda: equal_messages(memory).copy(), seconds / 4)
    measure("  rows", lambda: numpy_rows(memory), seconds / 4)
    measure("python, headers only", lambda: python_walk(memory), seconds / 4)


if __name__ == "__main__":
    main()
