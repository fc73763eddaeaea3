"""Views of transactions and status words: no copy, read-only, and they keep their owner."""

from __future__ import annotations

import gc
import mmap
import struct

import numpy as np
import pytest
from conftest import DATA, Golden
from ghostsched import wire


def cpu_data(cpus: int) -> mmap.mmap:
    mapping = mmap.mmap(-1, 4096 * cpus)
    for cpu in range(cpus):
        struct.pack_into("<iii", mapping, 4096 * cpu, 0, cpu, -(2**31))
        struct.pack_into("<q", mapping, 4096 * cpu + 24, 1000 + cpu)
    return mapping


def region(words: int, start: int = 64) -> mmap.mmap:
    mapping = mmap.mmap(-1, -(-(start + 32 * words) // 4096) * 4096)
    struct.pack_into("<IIIIII", mapping, 0, 0, 0, 0, start, words, words)
    for index in range(words):
        struct.pack_into("<IIQ", mapping, start + 32 * index, index, int(wire.StatusFlags.IN_USE), 500 + index)
    return mapping


def test_transactions_are_a_live_view_of_one_element_a_page() -> None:
    mapping = cpu_data(3)
    view = wire.transactions(mapping)
    assert view.shape == (3,) and view.strides == (4096,) and view.dtype == wire.Abi(91).dtype("ghost_txn")
    assert list(view["cpu"]) == [0, 1, 2] and list(view["gtid"]) == [1000, 1001, 1002]
    assert wire.Outcome(int(view["state"][1])) is wire.Outcome.COMPLETE
    copy = view.copy()
    struct.pack_into("<i", mapping, 4096 + 8, wire.TXN_READY)
    assert view["state"][1] == wire.TXN_READY and copy["state"][1] == wire.Outcome.COMPLETE
    assert np.shares_memory(view, np.frombuffer(mapping, np.uint8)) and not np.shares_memory(view, copy)


def test_status_words_are_a_live_view_of_one_element_a_word() -> None:
    mapping = region(10)
    view = wire.status_words(mapping)
    assert view.shape == (10,) and view.strides == (32,) and view.dtype == wire.Abi(69).dtype("ghost_status_word")
    assert list(view["gtid"]) == list(range(500, 510))
    struct.pack_into("<I", mapping, 64 + 32 * 4 + 4, int(wire.StatusFlags.IN_USE | wire.StatusFlags.ON_CPU))
    on_cpu = (view["flags"] & wire.StatusFlags.ON_CPU) != 0
    assert list(np.flatnonzero(on_cpu)) == [4]
    # Words start where the header says, and no more are there than the header or the memory has.
    assert wire.status_words(region(5, start=96))["gtid"][4] == 504
    assert len(wire.status_words(memoryview(mapping)[: 64 + 70])) == 2


@pytest.mark.parametrize("what", ("transactions", "status_words"))
def test_a_view_cannot_be_written_through(what: str) -> None:
    memory = bytearray(cpu_data(2) if what == "transactions" else region(4))
    view = getattr(wire, what)(memory)
    assert not view.flags.writeable and not view.flags.owndata
    with pytest.raises(ValueError):
        view["gtid"] = 1
    with pytest.raises(ValueError):
        view.flags.writeable = True
    with pytest.raises(ValueError):
        view[0] = view[1]
    mine = view.copy()
    mine["gtid"] = 1
    array = np.frombuffer(memory, np.uint8)
    assert array.flags.writeable and getattr(wire, what)(array)["gtid"][0] == view["gtid"][0]


@pytest.mark.parametrize("what", ("transactions", "status_words"))
def test_a_view_keeps_its_owner(what: str) -> None:
    mapping = cpu_data(2) if what == "transactions" else region(4)
    view = getattr(wire, what)(mapping)
    before = view.copy()
    part = view["gtid"]
    with pytest.raises(BufferError):
        mapping.close()
    del mapping, view
    gc.collect()
    assert (part == before["gtid"]).all()
    memory = bytearray(8192)
    struct.pack_into("<IIIIII", memory, 0, 0, 0, 0, 64, 4, 4)
    view = getattr(wire, what)(memory)
    with pytest.raises(BufferError):
        memory.clear()
    del view
    memory.clear()


@pytest.mark.parametrize("abi", (69, 84, 90, 91))
def test_the_compilers_bytes_are_read(abi: int) -> None:
    txn = Golden(DATA / str(abi) / "txn.bytes")
    view = wire.transactions(txn.bytes, abi)
    assert {name: int(view[0][name]) for name, _ in txn.fields} == dict(txn.fields)
    word = Golden(DATA / str(abi) / "status_word.2.bytes")
    header = struct.pack("<IIIIII40x", 0, 0, 0, 64, 1, 0)
    view = wire.status_words(header + word.bytes, abi)
    assert {name: int(view[0][name]) for name, _ in word.fields} == dict(word.fields)


def test_too_little_memory_is_named_with_its_numbers() -> None:
    with pytest.raises(wire.RegionError, match="63 bytes hold no transaction: 64") as caught:
        wire.transactions(bytes(63))
    assert (caught.value.need, caught.value.have) == (64, 63)
    assert len(wire.transactions(bytes(64))) == 1 and len(wire.transactions(bytes(4096 + 63))) == 1
    assert len(wire.transactions(bytes(4096 + 64))) == 2
    for have in (0, 63):
        with pytest.raises(wire.RegionError) as caught:
            wire.status_words(bytes(have))
        assert (caught.value.need, caught.value.have) == (64, have)
    for at, value, attribute in ((0, 2, "version"), (12, 32, "start"), (12, 65, "start")):
        data = bytearray(region(4))
        struct.pack_into("<I", data, at, value)
        with pytest.raises(wire.RegionError) as caught:
            wire.status_words(data)
        assert getattr(caught.value, attribute) == value
    data = bytearray(region(4))
    struct.pack_into("<I", data, 12, 2**31)
    with pytest.raises(wire.RegionError) as caught:
        wire.status_words(data)
    assert (caught.value.need, caught.value.have) == (2**31, 4096)
