"""Single messages: every golden one both ways, and what is none."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
from conftest import ABIS, Golden, golden, ours
from ghostsched import wire


@pytest.mark.parametrize("message", list(golden("msg")))
def test_every_field_is_decoded_and_encoded_back(message: Golden) -> None:
    decoded = wire.decode(message.bytes, message.abi)
    assert (decoded.number, decoded.length, decoded.seqnum) == (message.number, message.length, message.seqnum)
    assert decoded.kind == message.kind.upper() == wire.Abi(message.abi).kind(message.number)
    expected = ours(message.fields)
    if not expected.get("parent", 1):
        del expected["parent"]  # a gtid of 0 is no parent
    assert decoded.fields() == expected
    for name in wire.Fields.__members__:
        assert getattr(decoded, name) == expected.get(name)
    if decoded.kind != "NOP":
        assert wire.encode(decoded, message.abi) == message.bytes[: message.length]
        assert wire.encode(wire.Message(decoded.kind, message.seqnum, **expected), message.abi) == message.bytes
        assert wire.Message(decoded.kind, message.seqnum, **expected) == decoded


def test_any_buffer_will_do() -> None:
    message = wire.encode(wire.Message("CPU_BUSY", 7, cpu=3), 84)
    buffers = [message, bytearray(message), memoryview(message), np.frombuffer(message, np.uint8)]
    buffers += [np.frombuffer(message, "<u4"), np.frombuffer(message, "<u4").reshape(3, 1)]
    for buffer in buffers:
        assert wire.decode(buffer, 84).cpu == 3
    assert wire.decode(b"\xff" * 5 + message + b"\xff", wire.Abi(84), offset=5).seqnum == 7
    for nothing in (None, 12, "text"):
        with pytest.raises(TypeError):
            wire.decode(nothing, 84)
    with pytest.raises((ValueError, BufferError)):
        wire.decode(np.zeros(64, np.uint8)[::2], 84)


def test_an_unknown_message_is_a_value() -> None:
    data = bytes([99, 0, 11, 0, 7, 0, 0, 0, 1, 2, 3])
    message = wire.decode(data, 91)
    assert (message.kind, message.number, message.seqnum, message.payload) == (None, 99, 7, b"\x01\x02\x03")
    assert message.fields() == {} and message.gtid is None
    assert wire.encode(message, 69) == data == wire.encode(wire.Message(99, 7, payload=b"\x01\x02\x03"), 91)
    assert repr(message) == "<Message unknown message 99 #7, 3 bytes of payload>"
    # The same number means nothing in 69 and something in 84.
    busy = wire.encode(wire.Message("CPU_BUSY", 1, cpu=2), 84)
    assert wire.decode(busy, 69).kind is None and wire.decode(busy, 84).kind == "CPU_BUSY"


def test_what_is_no_message_is_named_with_its_numbers() -> None:
    for size in range(8):
        with pytest.raises(wire.DecodeError) as caught:
            wire.decode(bytes(size), 91)
        assert (caught.value.need, caught.value.have, caught.value.length) == (8, size, None)
    data = bytearray(48)
    data[:4] = [67, 0, 40, 0]
    assert wire.decode(data, 69).kind == "TASK_NEW"
    with pytest.raises(wire.DecodeError, match="says it has 40 bytes and needs 48") as caught:
        wire.decode(data, 84)
    assert (caught.value.number, caught.value.need, caught.value.length) == (67, 48, 40)
    with pytest.raises(wire.DecodeError) as caught:
        wire.decode(data[:39], 69)
    assert (caught.value.need, caught.value.have) == (40, 39)
    with pytest.raises(wire.DecodeError):
        wire.decode(data, 69, offset=10**9)
    with pytest.raises(OverflowError):
        wire.decode(data, 69, offset=-1)
    assert isinstance(caught.value, ValueError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.need) == (str(caught.value), 40)


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(wire.EncodeError, match="ABI 69 has no message CPU_BUSY") as caught:
        wire.encode(wire.Message("CPU_BUSY", cpu=1), 69)
    assert (caught.value.number, caught.value.version) == (132, 69)
    with pytest.raises(wire.EncodeError) as caught:
        wire.encode(wire.Message(99, payload=bytes(70000)), 91)
    assert caught.value.need == 70008
    with pytest.raises(TypeError, match='CPU_BUSY has no field "gtid"'):
        wire.Message("CPU_BUSY", gtid=1)
    with pytest.raises(TypeError, match='has no field "colour"'):
        wire.Message("TASK_NEW", colour=1)
    with pytest.raises(TypeError, match="a payload is for"):
        wire.Message("TASK_NEW", payload=b"x")
    with pytest.raises(ValueError, match='no message is called "TASK_OLD"'):
        wire.Message("TASK_OLD")
    with pytest.raises(OverflowError):
        wire.Message("CPU_BUSY", cpu=2**31)


def test_a_message_never_changes_and_can_be_compared() -> None:
    message = wire.Message("TASK_WAKEUP", 3, gtid=7, cpu=1)
    with pytest.raises(AttributeError):
        message.seqnum = 4
    assert message != wire.Message("TASK_WAKEUP", 3, gtid=7, cpu=2) and message != 3
    with pytest.raises(TypeError):
        hash(message)
    assert str(message).startswith("TASK_WAKEUP #3 7 on cpu 1")


@pytest.mark.parametrize("version", ABIS)
def test_no_bytes_whatever_do_harm(version: int) -> None:
    rng = random.Random(version)
    numbers = list(wire.Abi(version).messages().values())
    for _ in range(20000):
        data = bytearray(rng.randbytes(rng.randrange(80)))
        if len(data) >= 4 and rng.random() < 0.9:
            data[0:2] = rng.choice(numbers).to_bytes(2, "little")
            data[2:4] = rng.randrange(70).to_bytes(2, "little")
        try:
            message = wire.decode(data, version)
        except wire.DecodeError:
            continue
        str(message)
        if message.kind != "NOP":
            again = wire.decode(wire.encode(message, version), version)
            assert again.fields() == message.fields() and again.payload == message.payload


@pytest.mark.parametrize("version", ABIS)
def test_random_fields_come_back(version: int) -> None:
    rng = random.Random(version)
    abi = wire.Abi(version)
    for _ in range(2000):
        kind = rng.choice([kind for kind in abi.messages() if kind != "NOP"])
        layout = abi.payload(kind)
        assert layout is not None
        fields = ours([(field.name, rng.getrandbits(min(field.size * 8, 64) - 1) | 1) for field in layout.fields])
        if "nice" in fields:
            fields["nice"] = rng.randrange(-20, 20)
        message = wire.Message(kind, rng.getrandbits(32), **fields)
        data = wire.encode(message, abi)
        assert len(data) == 8 + layout.size
        assert wire.decode(data, abi) == message and wire.decode(data, abi).fields() == fields
