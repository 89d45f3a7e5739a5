"""Comparisons as plain text and in colour; what one table and the other say of a row is said here once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aplomb.comparison.result import Comparison, Row

__all__ = ["COLUMNS", "beneath", "best", "cells", "coloured", "coverage", "heading", "plain", "remarks"]

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


def seconds(value: float) -> str:
    """Three digits, none of them behind a point from 100 s."""
    if math.isnan(value) or value == 0:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".") if value >= 1e-3 else "< 0.001"


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


def plain(comparison: Comparison) -> str:
    """Aligned with blanks.

    >>> from aplomb.comparison.result import Comparison, Score
    >>> noisy = Score("noisy", "input", "a.png", 20.17, 0.4321, 0.0, 100)
    >>> print(plain(Comparison((noisy,), "Gaussian noise")))
    a.png, Gaussian noise
    Method  Kind   PSNR (dB)    SSIM  Seconds  Mpixel/s
    ---------------------------------------------------
    noisy   input      20.17  0.4321        -         -
    """
    lines = [COLUMNS, *(cells(comparison, row) for row in comparison.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    drawn = []
    for line in lines:
        left = [cell.ljust(width) for cell, width in zip(line[:2], widths, strict=False)]
        right = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True)]
        drawn.append("  ".join([*left, *right]).rstrip())
    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    return "\n".join([heading(comparison), drawn[0], rule, *drawn[1:], *remarks(comparison)])


def coloured(comparison: Comparison) -> Any:
    """A table of rich."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        title=Text(heading(comparison), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for i, title in enumerate(COLUMNS):
        drawn.add_column(title, justify="left" if i < 2 else "right", overflow="fold")
    tops = best(comparison)
    for i, row in enumerate(comparison.rows):
        shown = [Text(cell) for cell in cells(comparison, row)]
        for column, key in ((2, "psnr"), (3, "ssim"), (5, "megapixels_per_second")):
            if i in tops[key]:
                shown[column].stylize("bold green")
        drawn.add_row(*shown, style="dim" if row.problem or row.kind == "input" else "")
    return drawn


def beneath(comparison: Comparison) -> Iterator[RenderableType]:
    """Remarks in faint."""
    from rich.text import Text

    for line in remarks(comparison):
        yield Text(line, style="dim")
