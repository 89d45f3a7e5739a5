"""The result of a comparison: scores, what they were measured by, and its forms."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aplomb.io import whole_file

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

__all__ = ["Comparison", "Example", "Row", "Score"]

Path = str | os.PathLike[str]

NOISY = "noisy"
"""Name of the row of the input itself."""


@dataclass(frozen=True)
class Score:
    """One method on one picture. PSNR in dB; what was not measured is NaN, and `problem` says why."""

    method: str
    kind: str
    """"input", "classical", "network", or "given" for a function of the caller."""
    picture: str
    psnr: float = math.nan
    ssim: float = math.nan
    seconds: float = math.nan
    pixels: int = 0
    detail: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Row:
    """One method: means over the pictures that it was measured on, and pixels a second over all of them."""

    method: str
    kind: str
    psnr: float
    ssim: float
    seconds: float
    megapixels_per_second: float
    pictures: int
    detail: str = ""
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Example:
    """A magnified part of one picture: the same region, clean, noisy and as every method restores it.

    `crops` are uint8, (h, w) or (h, w, 3), by method, "clean" and "noisy" first. `overview` is the whole
    clean picture, reduced; `region` is (top, left, height, width) in pixels of the picture, whose size,
    height and width, is `size`.
    """

    picture: str
    size: tuple[int, int]
    region: tuple[int, int, int, int]
    overview: NDArray[np.uint8]
    crops: Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Comparison:
    """Scores of methods on pictures, with what they were measured by. `compare` and `compare_recovery` make it.

    ``print(comparison)`` gives a plain table, a rich console one in colour.

    >>> noisy = Score("noisy", "input", "a.png", psnr=20.0, ssim=0.5, seconds=0.0, pixels=100)
    >>> wiener = Score("wiener", "classical", "a.png", psnr=30.0, ssim=0.9, seconds=0.5, pixels=100)
    >>> [row.method for row in Comparison((wiener, noisy)).rows]
    ['noisy', 'wiener']
    """

    scores: tuple[Score, ...]
    noise: str = ""
    """The noise in words; of recoveries, the forward model."""
    sigma: float = math.nan
    """Level that the methods were told, standard deviation in the range 0..1; NaN: each picture's own."""
    seed: int = 0
    protocol: tuple[str, ...] = ()
    """How it was measured, a sentence each."""
    notes: tuple[str, ...] = ()
    """What a careful person would want to know: pictures left out, networks beyond their range."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Command, date, machine and versions."""
    examples: tuple[Example, ...] = ()
    title: str = "Denoising compared"
    """Of the report."""

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """Names of the pictures, in the order in which they were given."""
        return tuple(dict.fromkeys(score.picture for score in self.scores))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The noisy input, then the methods from the lowest mean PSNR up; those that failed come last."""
        names = dict.fromkeys(score.method for score in self.scores)
        rows = [_mean([score for score in self.scores if score.method == name]) for name in names]
        return tuple(sorted(rows, key=lambda row: (row.kind != "input", math.isnan(row.psnr), row.psnr)))

    def score(self, method: str, picture: str) -> Score | None:
        """The score of one method on one picture, or None."""
        return self._by_name.get((method, picture))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Score]:
        return {(score.method, score.picture): score for score in self.scores}

    # -- forms -----------------------------------------------------------------------------------------------

    def table(self) -> Any:
        """The rows as a table of rich, the best of each column in bold."""
        from aplomb.comparison.text import table

        return table(self).coloured()

    def __str__(self) -> str:
        """The rows as plain text, with problems and notes beneath."""
        from aplomb.comparison.text import table

        return str(table(self))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from aplomb.comparison.text import table

        shown = table(self)
        yield shown.coloured()
        yield from shown.beneath()

    def to_csv(self, path: Path) -> None:
        """Write a line for every method and picture, and one with the mean over several.

        Columns: picture, method, kind, psnr (dB), ssim, seconds, megapixels_per_second, noise, sigma (range
        0..1), seed, problem. What was not measured is empty. Raises OutputError if it cannot be written; the
        file appears whole or not at all.
        """
        columns = "picture method kind psnr ssim seconds megapixels_per_second noise sigma seed problem".split()
        lines: list[Sequence[Any]] = []
        for s in self.scores:
            speed = s.pixels / s.seconds / 1e6 if s.seconds > 0 else math.nan
            lines.append((s.picture, s.method, s.kind, s.psnr, s.ssim, s.seconds, speed, s.problem))
        if len(self.pictures) > 1:
            for r in self.rows:
                values = (r.psnr, r.ssim, r.seconds, r.megapixels_per_second)
                lines.append((f"mean of {r.pictures}", r.method, r.kind, *values, r.problem))
        with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(columns)
            for *measured, problem in lines:
                same = (self.noise, _digits(self.sigma), self.seed)
                writer.writerow([*map(_digits, measured), *same, problem])

    def figure(self, path: Path, picture: str | int = 0, *, differences: bool = False) -> None:
        """Draw one example: the whole picture, and the same magnified part of it by every method.

        Parameters
        ----------
        path
            PNG, PDF or SVG, by its suffix; 150 dots an inch.
        picture
            Name of an example, or its number.
        differences
            Show (method - clean), four times enlarged around grey, instead of the results.

        Raises
        ------
        BadInput
            No such example.
        OutputError
            It cannot be written; the file appears whole or not at all.
        """
        from aplomb.comparison.figure import draw

        draw(self, path, picture, differences=differences)

    def report(self, path: Path) -> None:
        """Write one HTML page with table, pictures, protocol, versions and machine; it needs no other file.

        Raises OutputError if it cannot be written; the file appears whole or not at all.
        """
        from aplomb.comparison.report import page

        text = page(self)
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _mean(scores: Sequence[Score]) -> Row:
    """The row of one method."""
    good = [score for score in scores if not score.problem]
    problems = list(dict.fromkeys(score.problem for score in scores if score.problem))
    if problems and good:
        problems = [f"no result on {len(scores) - len(good)} of {len(scores)} pictures ({problems[0]})"]
    seconds = sum(score.seconds for score in good)
    ssims = [score.ssim for score in good if not math.isnan(score.ssim)]
    return Row(
        scores[0].method,
        scores[0].kind,
        sum(score.psnr for score in good) / len(good) if good else math.nan,
        sum(ssims) / len(ssims) if ssims else math.nan,
        seconds / len(good) if good else math.nan,
        sum(score.pixels for score in good) / seconds / 1e6 if seconds > 0 else math.nan,
        len(good),
        next((score.detail for score in good), ""),
        "; ".join(problems),
    )


def _digits(value: Any) -> Any:
    """Numbers to six digits, NaN as nothing."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
