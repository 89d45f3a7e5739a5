"""Every notebook runs from top to bottom, and its assertions hold; what it shows is kept in the file, and small.

Its cells are run in one namespace here, without a kernel, which would take longer than most of the notebooks. Outputs
are written anew by ``jupyter nbconvert --to notebook --execute --inplace docs/notebooks/NAME.ipynb``.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LARGEST = 250_000
"""Bytes of a file."""

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


@each
def test_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    space: dict[str, Any] = {"__name__": "__main__"}
    try:
        for number, cell in enumerate(cells(path)):
            told = io.StringIO()
            with contextlib.redirect_stdout(told):
                exec(compile("".join(cell["source"]), f"{path.name}, code cell {number}", "exec"), space)
    finally:
        plt.close("all")
    assert not list(tmp_path.iterdir())


@each
def test_notebook_claims_something_and_shows_it(path: Path) -> None:
    code = "\n".join("".join(cell["source"]) for cell in cells(path))
    assert re.search(r"^assert (quality|psnr)\(", code, re.M)
    assert any("**What to trust.**" in "".join(cell["source"]) for cell in cells(path, "markdown"))
    shown = [output for cell in cells(path) for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert not [output for output in shown if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert path.stat().st_size < LARGEST


def test_every_notebook_is_in_the_navigation_and_in_the_overview() -> None:
    assert NOTEBOOKS
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    overview = (ROOT / "docs" / "guide" / "inverse-problems.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        assert f"notebooks/{path.stem}.md" in navigation
        assert f"(../notebooks/{path.stem}.ipynb)" in overview
