"""The package as it is installed: types, version, notebook."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import ghostsched
import pytest
from conftest import ROOT, missing_tool

PY = ROOT / "py"


def run_tool(*words: object) -> None:
    """Runs a Python tool; its output is the error."""
    if subprocess.run([sys.executable, "-c", "import mypy"], stderr=subprocess.DEVNULL).returncode != 0:
        missing_tool("needs mypy: pip install -r py/requirements-test.txt")
    run = subprocess.run([sys.executable, "-m", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PY)
    assert run.returncode == 0, run.stdout


def test_the_types_are_those_of_the_running_code() -> None:
    run_tool("mypy.stubtest", "--mypy-config-file", PY / "pyproject.toml", "ghostsched")


def test_the_python_half_is_strictly_typed(tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text(
        "import ghostsched\n"
        "from ghostsched import wire\n"
        "def worst(path: str) -> str:\n"
        "    row = max(ghostsched.replay(path).rows, key=lambda row: row.other_ns)\n"
        "    gtid = wire.decode(bytes(8), 91).gtid\n"
        "    return row.cgroup if gtid is None else str(wire.Queue(b'', wire.Abi(91)).to_numpy()['gtid'] == gtid)\n"
    )
    run_tool("mypy", "--config-file", PY / "pyproject.toml", "-p", "ghostsched")
    run_tool("mypy", "--config-file", PY / "pyproject.toml", user)


def test_the_version_is_that_of_the_workspace() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)
    assert version is not None and importlib.metadata.version("ghostsched") == version[1]


def test_all_that_is_public_is_documented() -> None:
    for module in (ghostsched, ghostsched.wire):
        assert module.__doc__
        for name in module.__all__:
            value = getattr(module, name)
            if not callable(value):
                continue
            assert value.__doc__, name
            members = vars(value).items() if isinstance(value, type) else ()
            for member, of in members:
                if not member.startswith("_") and callable(getattr(value, member)) and hasattr(of, "__qualname__"):
                    assert getattr(value, member).__doc__, f"{name}.{member}"


def test_the_notebook_runs(tmp_path: Path) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        missing_tool("needs matplotlib: pip install -r py/requirements-test.txt")
    notebook = json.loads((PY / "notebooks" / "latency.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 4 and all(not cell.get("outputs") for cell in notebook["cells"])
    script = tmp_path / "cells.py"
    script.write_text("import matplotlib\nmatplotlib.use('Agg')\n" + "\n".join(cells))
    run = subprocess.run(
        [sys.executable, script], cwd=PY / "notebooks", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("library", ("python", "elf", "bpf", "z.so"))
def test_the_module_needs_no_other_library(library: str) -> None:
    folder = Path(ghostsched.__file__).parent
    module = next(folder.glob("_native*.so"))
    assert module.name == "_native.abi3.so"
    loaded = subprocess.run(["ldd", module], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert f"lib{library}" not in loaded
