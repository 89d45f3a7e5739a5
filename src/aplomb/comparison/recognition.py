"""The result of a comparison of segmentations or of classifications: rows, and the forms that both share."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.table import Table, seconds
from aplomb.errors import AplombError
from aplomb.io import whole_file
from aplomb.metrics import Interval

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

__all__ = ["Column", "Recognition", "Row", "Score", "against", "best_of", "in_order", "interval", "words"]

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Column:
    """A figure of merit."""

    key: str
    title: str
    lower: bool = False
    """Whether less is better."""
    minor: bool = False
    """Whether it stands on the page and in the file, but not in the table."""


@dataclass(frozen=True)
class Score:
    """One method on one sample: a picture, or a split; what was not measured is not in `values`."""

    method: str
    kind: str
    sample: str
    seed: int
    values: Mapping[str, float] = field(default_factory=dict)
    seconds: float = math.nan
    """Time of the method for one picture, without learning."""
    problem: str = ""


@dataclass(frozen=True)
class Row:
    """One method: means over the samples, each with its 95 % interval."""

    method: str
    kind: str
    """"classical", "network", or "given" for a function of the caller."""
    values: Mapping[str, Interval] = field(default_factory=dict)
    """By the keys of the columns; an interval of NaN where one number is all there is."""
    seconds: float = math.nan
    """For one picture, without learning."""
    samples: int = 0
    """Pictures or splits that it was measured on."""
    detail: str = ""
    """How it came by its classes: "learned", "matched", "trained elsewhere"."""
    difference: Interval | None = None
    """This method minus the best one in the first column, over the same pictures; None for the best itself."""
    p: float = math.nan
    """Of McNemar's test against the best one (classification)."""
    problem: str = ""


@dataclass(frozen=True)
class Recognition:
    """Methods on labelled pictures, with what they were measured by."""

    rows: tuple[Row, ...]
    """From the worst to the best in the first column; those that failed come last."""
    columns: tuple[Column, ...]
    scores: tuple[Score, ...]
    classes: tuple[str, ...]
    confusions: Mapping[str, NDArray[np.int64]]
    """By method, (K, K) or (K, K + 1): rows are the true classes, columns the ones found, the last one more for what
    is in none of the classes."""
    subject: str = ""
    """What was compared, in one line."""
    protocol: tuple[str, ...] = ()
    """How it was measured, a sentence each."""
    notes: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    """Command, date, machine and versions."""

    title: ClassVar[str]
    sample: ClassVar[str]
    """What a sample is called in the file."""

    def row(self, method: str) -> Row:
        """The row of that method. Raises KeyError."""
        return {row.method: row for row in self.rows}[method]

    # -- forms ---------------------------------------------------------------------------------------------

    def table(self) -> Any:
        """The rows as a table of rich, the best of each column in bold."""
        return self._table().coloured()

    def __str__(self) -> str:
        """The rows as plain text, with problems and notes beneath."""
        return str(self._table())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        shown = self._table()
        yield shown.coloured()
        yield from shown.beneath()

    def to_csv(self, path: Path) -> None:
        """Write a line for every method, sample and seed, and three for the mean and the ends of its interval.

        What was not measured is empty. Raises OutputError if it cannot be written; the file appears whole or not at
        all.
        """
        keys = [column.key for column in self.columns]
        lines: list[Sequence[Any]] = [
            (s.sample, s.method, s.kind, s.seed, *(s.values.get(k, math.nan) for k in keys), s.seconds, s.problem)
            for s in self.scores
        ]
        for part in ("value", "low", "high"):
            name = {"value": "mean", "low": "95 % low", "high": "95 % high"}[part]
            for r in self.rows:
                values = (getattr(r.values[k], part) if k in r.values else math.nan for k in keys)
                lines.append((name, r.method, r.kind, "", *values, r.seconds, r.problem))
        with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow([self.sample, "method", "kind", "seed", *keys, "seconds", "problem"])
            for line in lines:
                writer.writerow(["" if isinstance(v, float) and math.isnan(v) else _digits(v) for v in line])

    def report(self, path: Path) -> None:
        """Write one HTML page with table, pictures, confusion matrices, protocol, versions and machine.

        It needs no other file. Raises OutputError if it cannot be written; the file appears whole or not at all.
        """
        from aplomb.comparison.recognition_page import page

        text = page(self)
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def sections(self) -> list[str]:
        """What stands on the page of this kind of comparison only, HTML."""
        return []

    def remarks(self) -> list[str]:
        """Problems of methods, and notes: a line each."""
        return [f"{row.method}: {row.problem}" for row in self.rows if row.problem] + list(self.notes)

    def best(self, column: Column) -> set[int]:
        """Numbers of the rows that nobody exceeds in a column, as far as the table shows."""
        most = max((row.samples for row in self.rows), default=0)
        values = {
            i: round(v, 3)
            for i, row in enumerate(self.rows)
            # a mean over fewer samples is no rival
            if row.samples == most and math.isfinite(v := _mean(row, column.key))
        }
        top = (min if column.lower else max)(values.values(), default=math.nan)
        return {i for i, value in values.items() if value == top}

    def _table(self) -> Table:
        shown = [c for c in self.columns if not c.minor]
        cells = []
        for row in self.rows:
            figures = [
                interval(row.values.get(c.key), ends=c is self.columns[0]) for c in shown
            ]  # the table has room for one interval
            kind = ", ".join(part for part in (row.kind, row.detail) if part)
            cells.append((row.method, kind, *figures, seconds(row.seconds), against(row)))
        first, *others = (c.title for c in shown)
        return Table(
            self.subject,
            ("Method", "Kind", f"{first} (95 %)", *others, "Seconds", "Against the best"),
            cells,
            self.remarks(),
            {(i, j) for j, column in enumerate(shown, 2) for i in self.best(column)},
            {i for i, row in enumerate(self.rows) if row.problem},
        )


def interval(value: Interval | None, *, ends: bool = True, sign: str = "") -> str:
    """Three decimals, with the ends if there are any; a dash for what was not measured.

    >>> interval(Interval(0.8123, 0.79, 0.83)), interval(Interval(0.5, math.nan, math.nan)), interval(None)
    ('0.812 [0.790, 0.830]', '0.500', '-')
    """
    if value is None or math.isnan(value.value):
        return "-"
    known = ends and not math.isnan(value.low)
    return f"{value.value:{sign}.3f}" + (f" [{value.low:{sign}.3f}, {value.high:{sign}.3f}]" if known else "")


def against(row: Row) -> str:
    """How far behind the best one it is, and how sure that is."""
    if row.difference is None:
        return "-" if row.problem else "best"
    p = "" if math.isnan(row.p) else f", p = {row.p:.2g}" if row.p >= 1e-4 else ", p < 0.0001"
    return interval(row.difference, sign="+") + p


def in_order(rows: Sequence[Row], column: Column) -> tuple[Row, ...]:
    """From the worst to the best; those without a figure last."""

    def place(row: Row) -> tuple[bool, float]:
        value = _mean(row, column.key)
        return math.isnan(value), -value if column.lower else value

    return tuple(sorted(rows, key=place))


def best_of(rows: Sequence[Row], column: Column) -> Row | None:
    """The best one of those that were measured on as much as any other."""
    most = max((row.samples for row in rows), default=0)
    measured = [row for row in in_order(rows, column) if row.samples == most and column.key in row.values]
    return measured[-1] if measured else None


def _mean(row: Row, key: str) -> float:
    return row.values[key].value if key in row.values else math.nan


def _digits(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def words(error: Exception) -> str:
    """What went wrong, in one line.

    >>> words(ZeroDivisionError("no way"))
    'ZeroDivisionError: no way'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, AplombError) else f"{type(error).__name__}: {text}"
