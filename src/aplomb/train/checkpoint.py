"""The run's folder: checkpoints that are whole or not there, and the log.

runs/<name>/recipe.toml       the recipe as it was read
            checkpoint.pt     weights, average, optimiser, best weights, step: no objects, only
                              tensors and numbers
            model.onnx        the best weights, frozen at the end, unless another place was given
            log.csv           one row an interval
            curves.png        loss and the figure on validation over the steps
            events.out...     the same for TensorBoard
"""

from __future__ import annotations

import csv
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from aplomb.errors import OutputError, RunError
from aplomb.io import whole_file

__all__ = ["FORMAT", "Log", "load_checkpoint", "make_folder", "save_checkpoint"]

FORMAT = 2
COLUMNS = ("step", "megapixels", "loss", "lr", "figure", "seconds")


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder `path`, made if it is not there. Raises OutputError."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot make this folder for the run ({error.strerror})") from None
    for rest in folder.glob(".checkpoint.*.pt"):  # of a run that was killed while it wrote
        rest.unlink(missing_ok=True)
    return folder


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` so that `path` holds the old checkpoint or the new one, whole, at any moment.

    Raises OutputError.
    """
    with whole_file(path) as temporary:
        try:
            torch.save({"format": FORMAT, **state}, temporary)
        except RuntimeError as error:  # torch's writer reports a full disk so
            raise OutputError(f"{path}: checkpoint could not be written ({error}); the old one is intact") from error


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint, or None if there is none.

    Raises RunError for one that is damaged or of another format.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise RunError(f"{path}: checkpoint cannot be read ({error}); remove it to start anew") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise RunError(f"{path}: not a checkpoint of format {FORMAT}; remove it to start anew")
    return state


class Log:
    """log.csv; rows beyond `step`, which a killed run wrote after its last checkpoint, are dropped.

    Raises OutputError if it cannot be written.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []
        if step and path.exists():
            with path.open(newline="") as stream:
                whole = [row for row in csv.DictReader(stream) if None not in row.values()]
            self.rows = [row for row in whole if int(row["step"]) <= step]
        with whole_file(path) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)

    def add(self, **values: float | str) -> None:
        """Append a row; columns that are not given stay empty."""
        row = {c: f"{v:.8g}" if isinstance(v := values.get(c, ""), float) else str(v) for c in COLUMNS}
        self.rows.append(row)
        try:
            with self.path.open("a", newline="") as stream:
                csv.DictWriter(stream, COLUMNS).writerow(row)
        except OSError as error:
            raise OutputError(f"{self.path}: log could not be written ({error.strerror})") from None

    def column(self, name: str) -> tuple[list[int], list[float]]:
        """(steps, values) of the rows that have `name`."""
        rows = [r for r in self.rows if r[name] not in ("", None)]
        return [int(r["step"]) for r in rows], [float(r[name]) for r in rows]
