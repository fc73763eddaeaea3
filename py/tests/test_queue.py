"""Queues: bytes, live mappings, and memory that makes no sense."""

from __future__ import annotations

import mmap
import random
import struct
import sys
import threading
import time
from typing import List, Sequence, Tuple

import numpy as np
import pytest
from ghostsched import wire

RING = 76


class Ring:
    """The kernel's side of a queue, as a model: produces into any writable buffer."""

    def __init__(self, memory: object, slots: int, position: int = 0) -> None:
        self.memory = memory
        self.slots = slots
        self.head = self.tail = position % 2**32
        self.expected: List[Tuple[int, bytes]] = []
        struct.pack_into("<III", memory, 0, 0, 64, slots)
        self.publish()

    def publish(self, overflow: int = 0) -> None:
        # One store a word, as a kernel does; struct.pack_into writes single bytes.
        indices = np.frombuffer(self.memory, "<u4", 3, 64)
        indices[2] = overflow
        indices[1] = self.tail
        indices[0] = self.head

    def put(self, data: bytes) -> None:
        at = RING + 8 * (self.head % self.slots)
        self.memory[at : at + len(data)] = data
        self.head = (self.head + -(-len(data) // 8)) % 2**32

    def produce(self, message: bytes) -> bool:
        need, to_end = -(-len(message) // 8), self.slots - self.head % self.slots
        filler = to_end if need > to_end else 0
        if (self.head - self.tail) % 2**32 + filler + need > self.slots:
            return False
        if filler:
            self.put(struct.pack("<HHI", 0, 8 * filler, 0xDEAD) + bytes(8 * filler - 8))
        self.expected.append((self.head, message))
        self.put(message)
        self.publish()
        return True

    def consume(self) -> None:
        position, message = self.expected.pop(0)
        self.tail = (position + -(-len(message) // 8)) % 2**32
        self.publish()


def random_message(rng: random.Random, abi: wire.Abi) -> bytes:
    if rng.random() < 0.1:
        return wire.encode(wire.Message(rng.randrange(200, 300), rng.getrandbits(32), payload=rng.randbytes(rng.randrange(40))), abi)
    kind = rng.choice([kind for kind in abi.messages() if kind != "NOP"])
    layout = abi.payload(kind)
    assert layout is not None
    header = struct.pack("<HHI", abi.messages()[kind], 8 + layout.size, rng.getrandbits(32))
    return header + rng.randbytes(layout.size)


def assert_same(queue: wire.Queue, expected: Sequence[Tuple[int, bytes]], abi: wire.Abi) -> None:
    rows, messages = queue.to_numpy(), queue.messages()
    assert len(rows) == len(messages) == len(expected)
    assert rows.dtype == wire.RECORD_DTYPE
    for row, message, (position, data) in zip(rows, messages, expected):
        alone = wire.decode(data, abi)
        assert message == alone and message.position == row["position"] == position
        assert (row["number"], row["length"], row["seqnum"]) == (alone.number, alone.length, alone.seqnum)
        fields = alone.fields()
        assert wire.Fields(int(row["fields"])) == wire.Fields(sum(wire.Fields[name] for name in fields))
        for name in wire.Fields.__members__:
            absent = -1 if name.endswith("cpu") else 0
            assert row[name] == fields.get(name, absent), name


@pytest.mark.parametrize("version", (69, 84, 90, 91))
def test_a_ring_is_read_as_it_was_written(version: int) -> None:
    rng, abi = random.Random(version), wire.Abi(version)
    for slots in (8, 16, 64, 256):
        memory = bytearray(wire.queue_bytes(slots))
        ring = Ring(memory, slots, position=rng.getrandbits(32))
        queue = wire.Queue(memory, abi)
        for _ in range(60):
            for _ in range(rng.randrange(6)):
                ring.produce(random_message(rng, abi))
            while ring.expected and rng.random() < 0.6:
                ring.consume()
            assert (queue.head, queue.tail, queue.slots) == (ring.head, ring.tail, slots)
            assert queue.used == (ring.head - ring.tail) % 2**32
            assert_same(queue, ring.expected, abi)


def test_positions_run_over_the_end_of_32_bits() -> None:
    memory = bytearray(wire.queue_bytes(16))
    ring = Ring(memory, 16, position=2**32 - 4)
    for seqnum in range(5):
        assert ring.produce(wire.encode(wire.Message("CPU_BUSY", seqnum, cpu=seqnum), 84))
    rows = wire.Queue(memory, 84).to_numpy()
    assert list(rows["cpu"]) == [0, 1, 2, 3, 4]
    assert list(rows["position"]) == [2**32 - 4, 2**32 - 2, 0, 2, 4]


@pytest.mark.parametrize("shift", (0, 1, 2, 4))
def test_any_memory_will_do(shift: int) -> None:
    size = wire.queue_bytes(64)
    memory = bytearray(size)
    ring = Ring(memory, 64)
    ring.produce(wire.encode(wire.Message("TASK_WAKEUP", 9, gtid=77, cpu=3), 91))
    ring.publish(overflow=4)
    shifted = memoryview(bytes(shift) + bytes(memory))[shift:]
    mapping = mmap.mmap(-1, size)
    mapping[:] = bytes(memory)
    for buffer in (memory, bytes(memory), memoryview(memory), mapping, np.frombuffer(memory, "<u4"), shifted):
        queue = wire.Queue(buffer, wire.Abi(91))
        assert (queue.slots, queue.head, queue.tail, queue.overflow, queue.used) == (64, 5, 0, 4, 5)
        assert [message.gtid for message in queue] == [77]
        assert repr(queue) == "<Queue ABI 91, 5 of 64 slots in use, 4 messages lost>"
        assert queue.to_numpy()["gtid"][0] == 77 and queue.abi == wire.Abi(91)


def test_a_queue_is_live_and_keeps_its_memory() -> None:
    mapping = mmap.mmap(-1, wire.queue_bytes(64))
    ring = Ring(mapping, 64)
    queue = wire.Queue(mapping, 84)
    assert len(queue.to_numpy()) == 0 and queue.messages() == []
    ring.produce(wire.encode(wire.Message("CPU_BUSY", 1, cpu=2), 84))
    rows = queue.to_numpy()
    assert list(rows["cpu"]) == [2]
    with pytest.raises(BufferError):
        mapping.close()
    ring.consume()
    assert len(queue.to_numpy()) == 0 and list(rows["cpu"]) == [2]
    rows["cpu"] = 5  # it is the caller's own
    memory = bytearray(wire.queue_bytes(64))
    Ring(memory, 64)
    queue = wire.Queue(memory, 84)
    with pytest.raises(BufferError):
        memory.clear()
    del queue
    memory.clear()
    del ring
    mapping = None


def test_what_is_no_queue_is_named_with_its_numbers() -> None:
    memory = bytearray(wire.queue_bytes(8))
    Ring(memory, 8)
    for have in (0, 3, 11, 63, 100):
        with pytest.raises(wire.QueueError) as caught:
            wire.Queue(memory[:have], 91)
        assert caught.value.have in (have, have // 4 * 4) and (caught.value.need or 0) > have
    for at, value, attribute in ((0, 1, "version"), (4, 60, "start"), (8, 3, "slots"), (8, 1 << 17, "slots")):
        wrong = bytearray(memory)
        struct.pack_into("<I", wrong, at, value)
        with pytest.raises(wire.QueueError) as caught:
            wire.Queue(wrong, 91)
        assert getattr(caught.value, attribute) == value
    with pytest.raises(wire.AbiError):
        wire.Queue(memory, 12)


def test_a_ring_that_makes_no_sense_is_named_with_its_numbers() -> None:
    memory = bytearray(wire.queue_bytes(8))
    ring = Ring(memory, 8)
    ring.produce(wire.encode(wire.Message("CPU_BUSY", 1, cpu=2), 84))
    queue = wire.Queue(memory, 84)
    struct.pack_into("<I", memory, 64, 100)
    for read in (queue.to_numpy, queue.messages):
        with pytest.raises(wire.QueueError) as caught:
            read()
        assert (caught.value.head, caught.value.tail, caught.value.slots) == (100, 0, 8)
        assert len(read(strict=False)) == 0
    struct.pack_into("<I", memory, 64, 4)
    struct.pack_into("<HH", memory, RING + 16, 132, 4)
    for read in (queue.to_numpy, queue.messages):
        with pytest.raises(wire.QueueError) as caught:
            read()
        assert (caught.value.position, caught.value.length, caught.value.room) == (2, 4, 16)
        assert len(read(strict=False)) == 1
    # Too short for its kind: the ring goes on behind it.
    struct.pack_into("<HH", memory, RING + 16, 132, 8)
    struct.pack_into("<HH", memory, RING + 24, 132, 8)
    with pytest.raises(wire.DecodeError) as decode:
        queue.to_numpy()
    assert (decode.value.number, decode.value.need, decode.value.length) == (132, 12, 8)
    rows = queue.to_numpy(strict=False)
    assert list(rows["fields"] != 0) == [True, False, False] and len(queue.messages(strict=False)) == 1


def test_no_memory_whatever_does_harm() -> None:
    rng = random.Random(5)
    for _ in range(3000):
        memory = bytearray(rng.randbytes(wire.queue_bytes(16)))
        struct.pack_into("<III", memory, 0, 0, 64, 16)
        if rng.random() < 0.7:
            struct.pack_into("<II", memory, 64, rng.randrange(30), rng.randrange(20))
        for at in range(RING, RING + 128, 8):
            if rng.random() < 0.8:
                struct.pack_into("<HH", memory, at, rng.choice((0, 64, 67, 68, 128, 134, 999)), rng.randrange(60))
        queue = wire.Queue(memory, 91)
        rows, messages = queue.to_numpy(strict=False), queue.messages(strict=False)
        assert len(messages) <= len(rows) <= 16
        try:
            assert len(queue.to_numpy()) == len(queue.messages()) == len(rows)
        except wire.WireError:
            pass


def test_other_threads_run_while_a_queue_is_read() -> None:
    memory = bytearray(wire.queue_bytes(65536))
    ring = Ring(memory, 65536)
    message = wire.encode(wire.Message("CPU_BUSY", 1, cpu=2), 84)
    while ring.produce(message):
        ring.expected.clear()
    queue = wire.Queue(memory, 84)
    seen: List[int] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            seen.append(1)
            time.sleep(0.0001)  # gives it up

    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # so nobody gives up the GIL but on purpose
    try:
        thread = threading.Thread(target=count)
        thread.start()
        start = len(seen)
        for _ in range(50):
            assert len(queue.to_numpy()) == 32768
        ran = len(seen) - start
    finally:
        stop.set()
        sys.setswitchinterval(before)
        thread.join()
    assert ran > 0


def test_threads_may_share_a_queue_that_goes_on() -> None:
    """What an onlooker reads while messages come and go is whole: every field says the same number."""
    mapping = mmap.mmap(-1, wire.queue_bytes(256))
    ring = Ring(mapping, 256)
    queue = wire.Queue(mapping, 91)
    stop = threading.Event()
    wrong: List[object] = []

    def look() -> None:
        try:
            while not stop.is_set():
                rows = queue.to_numpy()
                same = (rows["seqnum"] == rows["gtid"]) & (rows["runtime_ns"] == rows["gtid"])
                if not same.all() or (np.diff(rows["seqnum"].astype(np.int64)) != 1).any():
                    wrong.append(rows)
        except Exception as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(1, 20000):
        message = struct.pack("<HHIQQQQii", 68, 48, number, number, number, 0, 0, 0, 0)
        while not ring.produce(message):
            for _ in range(5):
                ring.consume()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    del queue
