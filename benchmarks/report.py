"""What every benchmark shares: options, the machine, timing, a table that is printed and written."""

from __future__ import annotations

import argparse
import csv
import inspect
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from aplomb.comparison.machine import about

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".benchmarks"
"""What is slow and does not change between runs; git ignores it."""


def options(**more: dict[str, Any]) -> argparse.Namespace:
    """The command line of the calling script: its docstring as help, ``--quick``, ``--csv``, and `more`.

    What is ``required`` stands in its place, without dashes.
    """
    module = sys.modules["__main__"]
    parser = argparse.ArgumentParser(
        description=inspect.getdoc(module), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    name = Path(str(module.__file__)).stem.replace("_", "-")
    parser.add_argument("--quick", action="store_true", help="small and short: shows that it works, not what is fast")
    parser.add_argument(
        "--csv", nargs="?", type=Path, const=ROOT / "docs" / "benchmarks" / f"{name}.csv", metavar="PATH",
        help=f"write the table, to docs/benchmarks/{name}.csv unless a path is given",
    )  # fmt: skip
    for option, settings in more.items():
        if settings.pop("required", False):
            parser.add_argument(option, **settings)
        else:
            parser.add_argument(f"--{option.replace('_', '-')}", **settings)
    return parser.parse_args()


def folder(variable: str, what: str) -> Path | None:
    """The folder that an environment variable names, or None after a sentence that says what is left out."""
    value = os.environ.get(variable)
    if value and Path(value).is_dir():
        return Path(value)
    found = f"is {value!r}, which is no folder" if value else "is not set"
    print(f"Left out: {what}. The environment variable {variable} {found}.")
    return None


def seconds(run: Callable[[], Any], repeats: int = 5, budget: float = 30.0) -> tuple[float, int]:
    """Median time of a call after one to warm up, and how often it was timed: until `budget` seconds are spent."""
    start = time.perf_counter()
    run()
    if time.perf_counter() - start > budget:  # too slow to be repeated
        return time.perf_counter() - start, 1
    found: list[float] = []
    while len(found) < repeats and (not found or time.perf_counter() - start < budget):
        before = time.perf_counter()
        run()
        found.append(time.perf_counter() - before)
    return median(found), len(found)


class Report:
    """A table with the machine named above it."""

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self.title, self.columns = title, list(columns)
        self.rows: list[list[Any]] = []
        self.notes: list[str] = []
        load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
        if load > 0.3 * cores:
            busy = f"load average {load:.1f} on {cores} cores when this started"
            self.notes.append(f"{busy}: other programs ran, so timings are not to be used")

    def add(self, *row: Any) -> None:
        """Append a row; None is an empty cell. It is shown on standard error at once, as a sign of life."""
        self.rows.append(list(row))
        print("  ", ", ".join(_cell(value) for value in row if value is not None), file=sys.stderr, flush=True)

    def finish(self, csv_path: Path | None = None) -> None:
        """Print the table, and write it if a path is given."""
        facts = about(command=" ".join(["python", *sys.argv]))
        facts["software"] += "".join(f", {p} {v}" for p in ("torch",) if (v := version(p)))
        head = [f"{name}: {value}" for name, value in facts.items()]
        cells = [self.columns, *([_cell(v) for v in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        numbers = [any(isinstance(row[i], (int, float)) for row in self.rows) for i in range(len(self.columns))]
        print(f"\n{self.title}\n" + "\n".join(head) + "\n")
        for index, row in enumerate(cells):
            aligned = [
                text.rjust(w) if number else text.ljust(w) for text, w, number in zip(row, widths, numbers, strict=True)
            ]
            print("  ".join(aligned).rstrip())
            if index == 0:
                print("  ".join("-" * w for w in widths))
        for note in self.notes:
            print(f"note: {note}")
        if csv_path is not None:
            csv_path.parent.mkdir(parents=True, exist_ok=True)
            with open(csv_path, "w", newline="", encoding="utf-8") as file:
                file.writelines(f"# {line}\n" for line in (self.title, *head, *(f"note: {n}" for n in self.notes)))
                writer = csv.writer(file)
                writer.writerow(self.columns)
                writer.writerows([[round(v, 5) if isinstance(v, float) else v for v in row] for row in self.rows])
            print(f"wrote {csv_path}")

    def markdown(self) -> str:
        """The table as it stands in docs/."""
        rows = [self.columns, ["---"] * len(self.columns), *([_cell(v) for v in row] for row in self.rows)]
        return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
