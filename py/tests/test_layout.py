"""The table of layouts, as numpy sees it, against what a C compiler makes of the kernel's own headers."""

from __future__ import annotations

from typing import Dict, List, Tuple

import numpy as np
import pytest
from conftest import ABIS, DATA, Golden, golden
from ghostsched import wire

FORMATS = {"u8": "u1", "i8": "i1", "u16": "<u2", "i32": "<i4", "u32": "<u4", "i64": "<i8", "u64": "<u8", "ptr": "<u8"}


def compiled(abi: int) -> Dict[str, Tuple[int, int, List[Tuple[str, str, int, int]]]]:
    """`layout.txt`: size, alignment and fields (name, type, offset, size) of each structure."""
    structures: Dict[str, Tuple[int, int, List[Tuple[str, str, int, int]]]] = {}
    for line in (DATA / str(abi) / "layout.txt").read_text().splitlines():
        words = line.split()
        if words and words[0] == "struct":
            structures[words[1]] = (int(words[3]), int(words[5]), [])
        elif words and words[0] == "field":
            structure, name = words[1].split(".", 1)
            structures[structure][2].append((name, words[2], int(words[3]), int(words[4])))
    return structures


@pytest.mark.parametrize("version", ABIS)
def test_every_structure_has_the_compilers_size_and_offsets(version: int) -> None:
    abi = wire.Abi(version)
    structures = compiled(version)
    assert len(structures) > 30
    assert set(abi.layouts()) <= set(structures)
    for name in abi.layouts():
        size, align, fields = structures[name]
        layout, dtype = abi.layout(name), abi.dtype(name)
        assert (layout.size, layout.align, dtype.itemsize) == (size, align, size), name
        mine = {field.name: field for field in layout.fields}
        for field, kind, offset, length in fields:
            if field not in mine:
                # An array without length, what another member of a union covers, and the union of all payloads.
                covered = any(one.offset <= offset < one.offset + one.size for one in layout.fields)
                assert length == 0 or covered or (name == "bpf_ghost_msg" and "." in field), f"{name}.{field}"
                continue
            element, _, count = kind.rstrip("]").partition("[")
            assert (mine[field].type, mine[field].count) == (element, int(count or 1)), f"{name}.{field}"
            assert (mine[field].offset, mine[field].size) == (offset, length), f"{name}.{field}"
            place = (dtype.fields or {})[field]
            assert (place[1], place[0].itemsize, place[0].base) == (offset, length, np.dtype(FORMATS[element]))
        assert len(mine) == len(dtype.names or ()), name


@pytest.mark.parametrize("version", ABIS)
def test_every_message_has_its_payloads_structure(version: int) -> None:
    abi = wire.Abi(version)
    messages = abi.messages()
    for kind, number in messages.items():
        assert abi.kind(number) == kind
        layout = abi.payload(kind)
        assert (layout is None) == (kind == "NOP")
        assert layout is None or layout.name in abi.layouts()
    assert abi.kind(9999) is None
    assert ("TASK_LATCHED" in messages) == (version == 69)
    assert ("TASK_ON_CPU" in messages) == (version != 69)


@pytest.mark.parametrize("structure", list(golden("bytes")))
def test_numpy_reads_the_compilers_bytes(structure: Golden) -> None:
    names = {
        "txn": "ghost_txn",
        "status_word": "ghost_status_word",
        "queue_header": "ghost_queue_header",
        "sw_region_header": "ghost_sw_region_header",
        "ioc_sw_free": "ghost_sw_info",
    }
    dtype = wire.Abi(structure.abi).dtype(names.get(structure.kind, f"ghost_{structure.kind}"))
    element = np.frombuffer(structure.bytes, dtype, 1)[0]
    read = {name: int(element[name]) for name, value in structure.fields if name in (dtype.names or ())}
    assert read == {name: value for name, value in structure.fields if name in read}
    assert len(read) >= len(dtype.names or ()) > 0


@pytest.mark.parametrize("version", ABIS)
def test_flags_and_outcomes_are_the_headers_constants(version: int) -> None:
    constants = {}
    for line in (DATA / str(version) / "constants.txt").read_text().splitlines():
        words = line.split()
        if words and words[0] == "const":
            constants[words[1]] = int(words[2])
    outcomes = {name: value for name, value in constants.items() if name.startswith("GHOST_TXN_")}
    outcomes = {name[len("GHOST_TXN_") :]: (value + 2**31) % 2**32 - 2**31 for name, value in outcomes.items()}
    assert outcomes.pop("READY") == wire.TXN_READY
    assert {outcome.name: int(outcome) for outcome in wire.Outcome}.items() <= outcomes.items()
    named = {
        wire.StatusFlags: ("GHOST_SW_F_", "GHOST_SW_CPU_", "GHOST_SW_BOOST_", "GHOST_SW_TASK_"),
        wire.RunFlags: ("RTLA_", "NEED_", "ELIDE_PREEMPT", "SEND_TASK_", "DEFER_", "DO_NOT_"),
        wire.CommitFlags: ("COMMIT_AT_SCHEDULE", "COMMIT_AT_TXN", "ALLOW_TASK", "ELIDE_AGENT", "INC_AGENT"),
    }
    for flags, prefixes in named.items():
        expected = {value for name, value in constants.items() if name.startswith(prefixes)}
        assert {int(flag) for flag in flags} == expected


def test_versions_are_chosen_and_refused() -> None:
    assert [abi.version for abi in wire.Abi.all()] == list(ABIS)
    assert wire.Abi.latest() == wire.Abi(91) != wire.Abi(90) and wire.Abi(69) < wire.Abi(84)
    assert wire.Abi(wire.Abi(84)) == wire.Abi(84) and len({wire.Abi(84), wire.Abi(84)}) == 1
    assert wire.Abi.negotiate("69\n84\n92\n").version == 84
    with pytest.raises(wire.AbiError, match="70 is not known: use 69, 84, 90 or 91") as caught:
        wire.Abi(70)
    assert caught.value.version == 70
    with pytest.raises(wire.AbiError, match="offers ghOSt ABIs 70 to 72"):
        wire.Abi.negotiate("70\n72\n")
    with pytest.raises(ValueError, match='no structure "ghost_none"'):
        wire.Abi(91).dtype("ghost_none")
    with pytest.raises(ValueError, match='no message is called "TASK"'):
        wire.Abi(91).payload("TASK")


def test_unknown_flags_are_kept() -> None:
    flags = wire.RunFlags(0x8001)
    assert flags & wire.RunFlags.AGENT_ON_PREEMPT and int(flags) == 0x8001


def test_a_gtid_is_split_as_the_kernel_does() -> None:
    split = wire.GtidSplit()
    gtid = split.join(4242, 17)
    assert gtid == 4242 << 41 | 17 and (split.pid_bits, split.seqnum_bits) == (22, 41)
    assert (split.tid(gtid), split.seqnum(gtid), split.format(gtid)) == (4242, 17, "4242/17")
    assert split.tid(wire.GTID_AGENT) is None and split.format(2**64 - 1) == "agent"
    assert split.join(1 << 22, 1) is None
    assert wire.GtidSplit(32768).pid_bits == 15
    with pytest.raises(ValueError, match="pid_max_max is 1"):
        wire.GtidSplit(1)
    with pytest.raises(OverflowError):
        split.tid(2**64)
