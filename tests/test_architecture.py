"""The rules of the design that a machine can check."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src" / "aplomb").rglob("*.py"))
FILES = SOURCES + [
    path for folder in ("tests", "benchmarks", "examples", "docs") for path in sorted((ROOT / folder).rglob("*.py"))
]
LONGEST = 400


def in_fresh_interpreter(code):
    """What `code` prints in an interpreter that has imported nothing yet."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def test_each_module_imports_only_what_it_may():
    """The contracts stand in pyproject.toml."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[done.stdout.find("Contracts") :] + done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_a_subject(path):
    assert not {part.strip("_") for part in (path.stem, *path.parts)} & {
        "utils",
        "util",
        "helpers",
        "common",
        "misc",
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_long_file_says_why(path):
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    head = text[: text.find('"""', 3)] if text.startswith(('"""', 'r"""')) else ""
    assert lines <= LONGEST or "Long because" in head, f"{lines} lines: split it, or say why in the docstring"


def test_importing_aplomb_is_light():
    heavy = (
        "torch",
        "onnxruntime",
        "openvino",
        "matplotlib",
        "skimage",
        "PIL",
        "tifffile",
        "imagecodecs",
        "typer",
        "sklearn",
        "deap",
    )
    code = f"import aplomb, sys; print(sorted(set({heavy!r}) & set(sys.modules)))"
    assert in_fresh_interpreter(code) == "[]"


def test_files_are_read_without_torch(tmp_path):
    code = f"""
import sys
import numpy as np
from aplomb import io
io.write({str(tmp_path / "x.png")!r}, np.zeros((4, 5), np.uint8))
io.to_float(io.read({str(tmp_path / "x.png")!r}))
print(sorted({{"torch", "onnxruntime", "tifffile", "imagecodecs"}} & set(sys.modules)))
"""
    assert in_fresh_interpreter(code) == "[]"


def test_no_pickle():
    """Model files hold no code; nothing that could run code from a file is used."""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for means in ("pickle.load", "pickle.dump", "Unpickler(", "allow_pickle=True", "weights_only=False"):
            assert means not in text, f"{path}: {means}"
