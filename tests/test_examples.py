"""Every example runs in an interpreter of its own, prints its result, and is short and introduced."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONGEST = 60


def run(program: list[str], folder: Path) -> str:
    """What a Python program prints; it must end well and leave nothing behind."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, *program]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    assert not list(folder.iterdir())
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path: Path, tmp_path: Path) -> None:
    assert run([str(path)], tmp_path).strip()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_says_what_one_learns(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < LONGEST
    assert "You learn" in (ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.stem.startswith("train")], ids=lambda path: path.stem)
def test_training_example_without_torch_says_so(path: Path, tmp_path: Path) -> None:
    without = (
        "import importlib.util, runpy\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest)\n"
        f"runpy.run_path({str(path)!r}, run_name='__main__')"
    )
    assert "pip install 'aplomb[train]'" in run(["-c", without], tmp_path)
