"""A line a test, as scripts/test.sh counts them, and where the tests' data is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple, Union

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
ABIS = (69, 84, 90, 91)
LINES = "GHOSTSCHED_TEST_LINES" in os.environ


def pytest_report_teststatus(report: pytest.TestReport) -> Any:
    if not LINES:
        return None
    return ("" if report.passed and report.when != "call" else report.outcome, "", "")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if not LINES or (report.when != "call" and report.passed):
        return
    name = report.nodeid.split("::", 1)[-1].replace("test_", "", 1).replace(" ", "_")
    if report.passed:
        print(f"test {name} ... ok", flush=True)
    elif report.skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        print(f"SKIPPED: {name}: {str(why).replace('Skipped: ', '', 1)}", flush=True)
    else:
        print(f"test {name} ... FAILED", flush=True)


def missing_tool(why: str) -> None:
    """Skips, or fails where a missing tool is a fault of the set-up."""
    if "GHOSTSCHED_REQUIRE_ALL" in os.environ:
        pytest.fail(why)
    pytest.skip(why)


class Golden:
    """A file of tests/data: fields by the kernel's names, and the bytes."""

    def __init__(self, path: Path) -> None:
        self.abi = int(path.parent.name)
        self.kind = path.name.split(".")[0]
        self.fields: List[Tuple[str, int]] = []
        for line in path.read_text().splitlines():
            if line.startswith("bytes "):
                self.bytes = bytes.fromhex(line[6:])
            elif not line.startswith("#"):
                name, value = line.split()
                self.fields.append((name, int(value)))
        if path.suffix == ".msg":
            header, self.fields = dict(self.fields[:3]), self.fields[3:]
            self.number, self.length, self.seqnum = header["type"], header["length"], header["seqnum"]


def golden(suffix: str) -> Iterator[Any]:
    """All files of a suffix, as parameters."""
    for abi in ABIS:
        for path in sorted((DATA / str(abi)).glob(f"*.{suffix}")):
            yield pytest.param(Golden(path), id=f"{abi}/{path.name}")


#: The kernel's name of a payload's field, and ours.
OURS = {
    "runtime": "runtime_ns",
    "commit_time": "commit_time_ns",
    "parent_gtid": "parent",
    "next_gtid": "next",
    "type": "timer_type",
    "cookie": "timer_cookie",
    "wake_up_cpu": "cpu",
    "runnable": "is_runnable",
    "deferrable": "is_deferrable",
    "latched_preempt": "was_preempted",
    "sw_info.id": "status_word_region",
    "sw_info.index": "status_word_index",
}


def ours(fields: List[Tuple[str, int]]) -> Dict[str, Union[int, bool]]:
    """The fields of a golden message by our names, 64-bit gtids unsigned and claims as bool."""
    claims = ("is_", "was_", "from_")
    named = {OURS.get(name, name): value for name, value in fields}
    for name, value in named.items():
        if name.startswith(claims):
            named[name] = bool(value)
        elif name in ("gtid", "parent", "next"):
            named[name] = value % 2**64
    return named
