"""Confusion matrices and reliability curves, drawn."""

from __future__ import annotations

import os
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from aplomb.comparison.figure import check_suffix
from aplomb.io import whole_file

if TYPE_CHECKING:
    from aplomb.comparison.classification import ClassificationComparison
    from aplomb.metrics import Reliability

__all__ = ["curves", "draw"]

SIDE, EDGE = 180, 26
"""Of a reliability curve on the page, in pixels, and the room for its axes."""


def curves(comparison: ClassificationComparison) -> str:
    """The reliability curves for the page; nothing if no method gives probabilities."""
    found = [(row.method, comparison.curves[row.method]) for row in comparison.rows[::-1]
             if row.method in comparison.curves]  # fmt: skip
    if not found:
        return ""
    lead = (
        "<p class=faint>Share of right answers (up) over the probability that the method gave them (across); bars say "
        "how many answers there are. On the dashed line probabilities mean what they say.</p>\n"
    )
    return lead + "<div class=matrices>\n" + "\n".join(_curve(name, curve) for name, curve in found) + "\n</div>"


def _curve(name: str, curve: Reliability) -> str:
    def at(x: float, y: float) -> str:
        return f"{EDGE + x * SIDE:.1f},{8 + (1 - y) * SIDE:.1f}"

    there = curve.pictures > 0
    count, bins = max(int(curve.pictures.max()), 1), len(curve.pictures)
    bars = "".join(
        f'<rect class=bar x="{EDGE + k * SIDE / bins:.1f}" y="{8 + SIDE * (1 - n / count / 2):.1f}" '
        f'width="{SIDE / bins - 1:.1f}" height="{SIDE * n / count / 2:.1f}"><title>{n}</title></rect>'
        for k, n in enumerate(curve.pictures) if n
    )  # fmt: skip
    points = [at(x, y) for x, y in zip(curve.confidence[there], curve.accuracy[there], strict=True)]
    dots = "".join("<circle class=network r=3 cx={} cy={} />".format(*point.split(",")) for point in points)
    start, end = at(0, 0).split(","), at(1, 1).split(",")
    ticks = "".join(
        f"<text class=tick x={at(v, 0).split(',')[0]} y={SIDE + 22} text-anchor=middle>{v:g}</text>"
        for v in (0, 0.5, 1)
    )
    ticks += "".join(
        f"<text class=tick x={EDGE - 4} y={12 + (1 - v) * SIDE:.1f} text-anchor=end>{v:g}</text>" for v in (0.5, 1)
    )
    size = f"width={SIDE + EDGE + 12} height={SIDE + 28}"
    return (
        f"<div><h3>{escape(name)}</h3><svg class=curve {size} role=img aria-label='reliability of {escape(name)}'>"
        f"{bars}<line class=fair x1={start[0]} y1={start[1]} x2={end[0]} y2={end[1]} />"
        f'<polyline class=tie fill=none points="{" ".join(points)}" />{dots}{ticks}</svg></div>'
    )


def draw(comparison: ClassificationComparison, path: str | os.PathLike[str]) -> None:
    """Draw every method, the best one first, see `ClassificationComparison.figure`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    check_suffix(path)
    names = [row.method for row in comparison.rows[::-1] if row.method in comparison.confusions]
    columns = max(len(names), 1)
    figure = Figure(figsize=(2.6 * columns, 5.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{comparison.subject}. Confusion matrices (rows: true classes), reliability", fontsize=8)
    labelled = len(comparison.classes) <= 12
    for number, name in enumerate(names, 1):
        matrix = comparison.confusions[name]
        axes = figure.add_subplot(2, columns, number)
        axes.imshow(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), vmin=0, vmax=1, cmap="Greens")
        axes.set_title(f"{name}\n{comparison.columns[0].title} {_value(comparison, name)}", fontsize=8)
        ticks = range(len(comparison.classes)) if labelled else ()
        shown = comparison.classes if labelled else ()
        axes.set_xticks(ticks, shown, fontsize=6, rotation=90)
        axes.set_yticks(ticks, shown if number == 1 else [""] * len(shown), fontsize=6)
        if name in comparison.curves:
            curve = comparison.curves[name]
            there = curve.pictures > 0
            axes = figure.add_subplot(2, columns, columns + number)
            axes.plot((0, 1), (0, 1), "--", color="#5f6670", linewidth=0.8)
            axes.plot(
                curve.confidence[there], curve.accuracy[there], "o-", color="#0b6e4f", markersize=3, clip_on=False
            )
            axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.tick_params(labelsize=6)
            axes.set_xlabel("probability given", fontsize=7)
            axes.set_ylabel("share right" if number == 1 else "", fontsize=7)
    with whole_file(path) as temporary:
        figure.savefig(temporary)


def _value(comparison: ClassificationComparison, name: str) -> str:
    return f"{comparison.row(name).values[comparison.columns[0].key].value:.3f}"
