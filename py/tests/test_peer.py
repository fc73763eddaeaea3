"""The kernel stand-in (tests/peer) writes into mappings of ours, and `ghostsched.wire` reads what it wrote."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path
from typing import Any, Iterator, Tuple

import numpy as np
import pytest
from conftest import ABIS, missing_tool
from ghostsched import wire

CPUS = 4


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    path = os.environ.get("GHOSTSCHED_PEER", "")
    if not Path(path).is_file():
        missing_tool("needs libghostsched_peer.so: py/test.sh builds it")
    library = ctypes.CDLL(path)
    library.peer_create_in.restype = ctypes.c_void_p
    library.peer_create_in.argtypes = [
        ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
    ]  # fmt: skip
    library.peer_add_queue.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t]
    library.peer_spawn.restype = ctypes.c_int64
    library.peer_spawn.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_uint32]
    for name in ("wake", "block", "exit", "depart", "change_affinity"):
        getattr(library, f"peer_{name}").argtypes = [ctypes.c_void_p, ctypes.c_int64]
    library.peer_change_priority.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32]
    library.peer_free.argtypes = [ctypes.c_void_p]
    return library


def pages(size: int) -> Tuple[mmap.mmap, int]:
    """A mapping and its address."""
    mapping = mmap.mmap(-1, size)
    return mapping, np.frombuffer(mapping, np.uint8).ctypes.data


Enclave = Tuple[Any, Any, wire.Queue, mmap.mmap, mmap.mmap, wire.Abi]


@pytest.fixture(params=ABIS)
def enclave(library: ctypes.CDLL, request: Any) -> Iterator[Enclave]:
    words, words_at = pages(2 << 20)
    cpu_data, cpu_data_at = pages(4096 * CPUS)
    memory, memory_at = pages(wire.queue_bytes(1024))
    peer = library.peer_create_in(request.param, CPUS, 7, words_at, len(words), cpu_data_at, len(cpu_data))
    assert peer
    assert library.peer_add_queue(peer, 1024, memory_at, len(memory)) >= 0
    yield library, peer, wire.Queue(memory, request.param), words, cpu_data, wire.Abi(request.param)
    library.peer_free(peer)


def test_what_the_kernel_says_of_threads_is_decoded(enclave: Enclave) -> None:
    library, peer, queue, words, _, abi = enclave
    gtids = [library.peer_spawn(peer, 0, 1, 0) for _ in range(3)]
    assert all(gtid > 0 for gtid in gtids)
    blocked = library.peer_spawn(peer, 0, 0, 0)
    assert library.peer_wake(peer, blocked) == 0
    assert library.peer_change_affinity(peer, gtids[0]) == 0
    assert library.peer_depart(peer, gtids[1]) == 0
    expected = [("TASK_NEW", gtid) for gtid in [*gtids, blocked]]
    expected += [("TASK_WAKEUP", blocked), ("TASK_AFFINITY_CHANGED", gtids[0]), ("TASK_DEPARTED", gtids[1])]
    messages = [message for message in queue if message.gtid is not None]
    assert [(message.kind, message.gtid) for message in messages] == expected
    rows = queue.to_numpy()
    rows = rows[(rows["fields"] & wire.Fields["gtid"]) != 0]
    assert [abi.kind(int(number)) for number in rows["number"]] == [kind for kind, _ in expected]
    assert list(rows["gtid"]) == [gtid for _, gtid in expected]
    new = rows[rows["number"] == abi.messages()["TASK_NEW"]]
    assert list(new["is_runnable"]) == [True, True, True, False]
    # Each thread's status word is where its TASK_NEW says, and its barrier is that of its last message.
    status_words = wire.status_words(words, abi)
    for gtid, index in zip(new["gtid"], new["status_word_index"]):
        word = status_words[index]
        assert word["gtid"] == gtid and word["barrier"] == rows[rows["gtid"] == gtid]["seqnum"][-1]
        assert wire.StatusFlags(int(word["flags"])) & wire.StatusFlags.IN_USE


def test_the_kernels_transactions_are_seen(enclave: Enclave) -> None:
    _, _, _, _, cpu_data, abi = enclave
    transactions = wire.transactions(cpu_data, abi)
    assert list(transactions["cpu"]) == list(range(CPUS))
    assert set(transactions["state"]) == {int(wire.Outcome.COMPLETE)}
    assert set(transactions["u.sync_group_owner"]) == {-1}
