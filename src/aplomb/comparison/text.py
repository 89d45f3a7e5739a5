"""What the tables of a comparison of denoisers say of a row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aplomb.comparison.table import Table, seconds

if TYPE_CHECKING:
    from aplomb.comparison.result import Comparison, Row

__all__ = ["COLUMNS", "best", "cells", "coverage", "heading", "remarks", "table"]

COLUMNS = ("Method", "Kind", "PSNR (dB)", "SSIM", "Seconds", "Mpixel/s")


def heading(comparison: Comparison) -> str:
    """What was compared, in one line."""
    pictures = comparison.pictures
    subject = pictures[0] if len(pictures) == 1 else f"{len(pictures)} pictures"
    return f"{subject}, {comparison.noise}"


def cells(comparison: Comparison, row: Row) -> tuple[str, ...]:
    """The columns of a row; a dash for what was not measured."""
    kind = ", ".join(part for part in (row.kind, row.detail, coverage(comparison, row)) if part)
    return (row.method, kind, decibels(row.psnr), similarity(row.ssim), seconds(row.seconds), speed(row))


def decibels(value: float) -> str:
    """Two decimals."""
    return "-" if math.isnan(value) else f"{value:.2f}"


def similarity(value: float) -> str:
    """Four decimals."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def speed(row: Row) -> str:
    """Megapixels a second, three digits."""
    value = row.megapixels_per_second
    return "-" if math.isnan(value) else f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def best(comparison: Comparison) -> dict[str, set[int]]:
    """For PSNR, SSIM and speed the numbers of the rows that nobody exceeds, as far as the table shows."""
    rows = [row if row.kind != "input" else None for row in comparison.rows]
    found: dict[str, set[int]] = {}
    for key, digits in (("psnr", 2), ("ssim", 4), ("megapixels_per_second", 2)):
        values = {
            i: round(value, digits)
            for i, row in enumerate(rows)
            # a mean over fewer pictures is no rival
            if row is not None and not math.isnan(value := getattr(row, key)) and not coverage(comparison, row)
        }
        top = max(values.values(), default=math.nan)
        found[key] = {i for i, value in values.items() if value == top}
    return found


def coverage(comparison: Comparison, row: Row) -> str:
    """A word for means over fewer pictures than the others'."""
    every = len(comparison.pictures)
    return "" if row.pictures in (0, every) else f"{row.pictures} of {every} pictures"


def remarks(comparison: Comparison) -> list[str]:
    """Problems of methods, means that do not compare, and notes: a line each."""
    lines = [f"{row.method}: {row.problem}" for row in comparison.rows if row.problem]
    if any(coverage(comparison, row) for row in comparison.rows):
        lines.append("means over some of the pictures do not compare with means over all")
    return lines + list(comparison.notes)


def table(comparison: Comparison) -> Table:
    """The rows, with the best of each column and what there is to say beneath.

    >>> from aplomb.comparison.result import Comparison, Score
    >>> noisy = Score("noisy", "input", "a.png", 20.17, 0.4321, 0.0, 100)
    >>> print(table(Comparison((noisy,), "Gaussian noise")))
    a.png, Gaussian noise
    Method  Kind   PSNR (dB)    SSIM  Seconds  Mpixel/s
    ---------------------------------------------------
    noisy   input      20.17  0.4321        -         -
    """
    rows, tops = comparison.rows, best(comparison)
    return Table(
        heading(comparison),
        COLUMNS,
        [cells(comparison, row) for row in rows],
        remarks(comparison),
        {(i, j) for j, key in ((2, "psnr"), (3, "ssim"), (5, "megapixels_per_second")) for i in tops[key]},
        {i for i, row in enumerate(rows) if row.problem or row.kind == "input"},
    )
