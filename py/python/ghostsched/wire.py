"""Bytes a ghOSt kernel writes, as Python objects and numpy arrays.

Every function takes any object with the buffer protocol: bytes, bytearray, memoryview, mmap, a numpy array. Integers are
little-endian. What differs between ABI 69, 84, 90 and 91 is chosen by an `Abi`, or its number.

| name | what it gives | memory |
|---|---|---|
| `decode`, `encode` | one `Message` | copy |
| `Queue` | the messages that wait in a queue, as objects or as one structured array | copy of one moment |
| `transactions` | structured array, one element a CPU page of 4096 bytes | view |
| `status_words` | structured array, one element a status word of 32 bytes | view |
| `Abi.dtype` | numpy's type of any structure of the kernel | |

A *view* is read-only and keeps its owner alive: an mmap cannot be closed, nor a bytearray resized, while one exists. What a
live mapping says changes while you look, also between the fields of one element: compare fields of a `.copy()`, and trust
a transaction's fields only if its `state` was final and the same before and after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, List, Optional, Union, cast

import numpy as np
import numpy.typing as npt

from ._native import Abi, Field, GtidSplit, Layout, Message, encode, queue_bytes, record_columns
from ._native import Queue as _NativeQueue
from ._native import decode as _decode
from ._native import status_words_at as _status_words_at
from .errors import AbiError, DecodeError, EncodeError, QueueError, RegionError, WireError
from .flags import CommitFlags, Fields, Outcome, RunFlags, StatusFlags

__all__ = [
    "CPU_DATA_BYTES",
    "GTID_AGENT",
    "GTID_IDLE",
    "GTID_NULL",
    "RECORD_DTYPE",
    "TXN_READY",
    "Abi",
    "AbiError",
    "CommitFlags",
    "DecodeError",
    "EncodeError",
    "Field",
    "Fields",
    "GtidSplit",
    "Layout",
    "Message",
    "Outcome",
    "Queue",
    "QueueError",
    "RegionError",
    "RunFlags",
    "StatusFlags",
    "WireError",
    "decode",
    "encode",
    "queue_bytes",
    "status_words",
    "transactions",
]

if TYPE_CHECKING:
    from typing_extensions import Buffer as _Buffer  # known to type checkers, not needed to run
else:
    _Buffer = object

#: No thread; a transaction with it takes the running ghOSt thread off its CPU.
GTID_NULL = 0
#: The agent of the transaction's CPU. In unsigned fields it reads 2**64 - 1.
GTID_AGENT = -1
#: The idle thread. In unsigned fields it reads 2**64 - 2.
GTID_IDLE = -2
#: Bytes of a CPU's page; its transaction is at the start.
CPU_DATA_BYTES = 4096
#: `state` of a transaction that was submitted and not claimed yet; 0 and above is the CPU that commits it, negative an `Outcome`.
TXN_READY = 2**31 - 1

#: The type of `Queue.to_numpy`: 128 bytes, the same for all messages of all ABIs.
#:
#: `position` (slots), `number` (the message's type), `length` (bytes), `seqnum` and `fields` are those of every message;
#: the rest are fields of payloads, named as the attributes of `Message`. A column that a message does not have is 0, or -1
#: for CPUs, and its bit in `fields` is not set: see `Fields`. Times are ns, gtids unsigned.
RECORD_DTYPE: np.dtype[np.void] = record_columns()[0]


def _bytes(buffer: _Buffer) -> npt.NDArray[np.uint8]:
    """The buffer as read-only bytes that keep it; no copy."""
    view = memoryview(buffer).toreadonly()
    if view.nbytes == 0:
        return np.empty(0, np.uint8)
    return np.frombuffer(view, np.uint8)


def decode(buffer: _Buffer, abi: Union[Abi, int], offset: int = 0) -> Message:
    """The message at byte `offset` of the buffer, which may go on behind it.

    A type that this ABI does not have is a `Message` of kind None with its `payload`. Raises `DecodeError` if the message is
    cut off (`need`, `have`) or its header says less than its kind needs (`number`, `need`, `length`).
    """
    return _decode(_bytes(buffer), abi, offset)


class Queue:
    """A queue that somebody looks on: it consumes nothing, writes nothing, and disturbs neither kernel nor agent.

    `buffer` is the queue's mapping or a copy of it: header (64 bytes), ring indices, 1 to 65,536 slots of 8 bytes. Raises
    `QueueError` if it is none: `need` and `have` bytes, `version`, `start` or `slots`.

    The messages are those that were not consumed, copied at one moment with the GIL released. While the agent goes on
    consuming a live queue, what it has passed by the end of the copy is left out, so that every message is whole.
    """

    def __init__(self, buffer: _Buffer, abi: Union[Abi, int]) -> None:
        self._native = _NativeQueue(_bytes(buffer), abi)

    @property
    def abi(self) -> Abi:
        """The ABI its messages are read by."""
        return self._native.abi

    @property
    def slots(self) -> int:
        """How many slots of 8 bytes it has; a message takes 1 to 7."""
        return self._native.state[0]

    @property
    def head(self) -> int:
        """What the kernel has written, in slots, modulo 2**32."""
        return self._native.state[1]

    @property
    def tail(self) -> int:
        """What the agent has taken, in slots, modulo 2**32."""
        return self._native.state[2]

    @property
    def overflow(self) -> int:
        """How many messages were lost because it was full."""
        return self._native.state[3]

    @property
    def used(self) -> int:
        """How many slots hold messages that are not consumed."""
        _, head, tail, _ = self._native.state
        return (head - tail) % 2**32

    def messages(self, strict: bool = True) -> List[Message]:
        """The messages that are not consumed, oldest first, without fillers.

        Raises `QueueError` where the ring makes no sense and `DecodeError` for a message too short for its kind; unless
        `strict`, the first ends the list and the second is left out.
        """
        return self._native.messages(strict)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages())

    def to_numpy(self, strict: bool = True) -> npt.NDArray[np.void]:
        """The messages that are not consumed as a new array of `RECORD_DTYPE`, oldest first, without fillers.

        Releases the GIL. Errors as in `messages`; unless `strict`, a message too short for its kind is a row with `fields`
        0, as one of an unknown type is.
        """
        return self._native.to_numpy(strict)

    def __repr__(self) -> str:
        slots, head, tail, overflow = self._native.state
        lost = f", {overflow} messages lost" if overflow else ""
        return f"<Queue ABI {self.abi.version}, {(head - tail) % 2**32} of {slots} slots in use{lost}>"


def transactions(buffer: _Buffer, abi: Optional[Union[Abi, int]] = None) -> npt.NDArray[np.void]:
    """The transactions in a mapping of `cpu_data`: a read-only view, one element a page of 4096 bytes, index = CPU.

    The type is `Abi.dtype("ghost_txn")`, 64 bytes: `state` is `TXN_READY`, a committing CPU, or an `Outcome`; `run_flags` and
    `commit_flags` are `RunFlags` and `CommitFlags`. The same in every ABI. A last page that is cut off counts if its
    transaction is whole. Pages of CPUs outside the enclave are zero. Raises `RegionError` if there is none.
    """
    data = _bytes(buffer)
    dtype = (Abi.latest() if abi is None else Abi(abi)).dtype("ghost_txn")
    count, rest = divmod(len(data), CPU_DATA_BYTES)
    count += rest >= dtype.itemsize
    if count == 0:
        line = f"{len(data)} bytes hold no transaction: {dtype.itemsize} are needed"
        raise RegionError(line, need=dtype.itemsize, have=len(data))
    return cast("npt.NDArray[np.void]", np.ndarray((count,), dtype, data.data, 0, (CPU_DATA_BYTES,)))


def status_words(buffer: _Buffer, abi: Optional[Union[Abi, int]] = None) -> npt.NDArray[np.void]:
    """The status words of a region: a read-only view, one element a word of 32 bytes, index = index in the region.

    `buffer` starts with the region's header, of which `Abi.dtype("ghost_sw_region_header")` is the type. The type of a word is
    `Abi.dtype("ghost_status_word")`, the same in every ABI; `flags` are `StatusFlags`. At most as many words as the header's
    `capacity`, and as the buffer holds. Raises `RegionError`: `need` and `have` bytes, `version` or `start`.
    """
    data = _bytes(buffer)
    start, count = _status_words_at(data)
    dtype = (Abi.latest() if abi is None else Abi(abi)).dtype("ghost_status_word")
    return cast("npt.NDArray[np.void]", np.ndarray((count,), dtype, data.data, start))
