"""Quality against speed as a drawing in the page (SVG)."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aplomb.comparison.result import Comparison

__all__ = ["chart"]

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 48, 170, 30, 48
"""Margins; names are written to the right of their points."""
LETTER = 7.4
"""Width of a letter, about."""
Box = tuple[float, float, float, float]
"""Left, right, top, bottom."""


def chart(comparison: Comparison) -> str:
    """Mean PSNR over megapixels a second, a point for every method; nothing for fewer than two.

    Speeds are on a logarithmic scale. Means over fewer pictures than the others' are left out.
    """
    every = len(comparison.pictures)
    points = [
        (row.method, row.kind, math.log10(row.megapixels_per_second), row.psnr)
        for row in comparison.rows
        if row.pictures == every and math.isfinite(row.psnr) and row.megapixels_per_second > 0
    ]
    if len(points) < 2:
        return ""
    x0, x1 = math.floor(min(p[2] for p in points)), math.ceil(max(p[2] for p in points) + 1e-9)
    y0, y1 = min(p[3] for p in points), max(p[3] for p in points)
    step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 1e9) if (y1 - y0) / s <= 7)
    y0, y1 = step * math.floor(y0 / step), step * math.ceil(y1 / step + 1e-9)

    def across(x: float) -> float:
        return LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)

    drawn = []
    for decade in range(x0, x1 + 1):
        x = across(decade)
        drawn.append(f"<line class=axis x1={x:.1f} x2={x:.1f} y1={TOP} y2={HEIGHT - BOTTOM} />")
        drawn.append(f"<text class=tick x={x:.1f} y={HEIGHT - BOTTOM + 18} text-anchor=middle>{10.0**decade:g}</text>")
    for tick in range(round((y1 - y0) / step) + 1):
        y = down(y0 + tick * step)
        drawn.append(f"<line class=axis x1={LEFT} x2={WIDTH - RIGHT} y1={y:.1f} y2={y:.1f} />")
        drawn.append(f"<text class=tick x={LEFT - 8} y={y + 4:.1f} text-anchor=end>{y0 + tick * step:g}</text>")
    middle = (LEFT + WIDTH - RIGHT) / 2
    title = "megapixels a second"
    drawn.append(f"<text class=tick x={middle} y={HEIGHT - 8} text-anchor=middle>{title}</text>")
    drawn.append(f"<text class=tick x=12 y={TOP - 14}>PSNR (dB)</text>")
    taken: list[Box] = [(across(x) - 7, across(x) + 7, down(y) - 7, down(y) + 7) for _, _, x, y in points]
    for name, kind, speed, psnr in sorted(points, key=lambda p: -p[3]):
        x, y = across(speed), down(psnr)
        left, base = _free(x, y, LETTER * len(name), taken)
        if abs(base - 4 - y) > 3:
            end = left - 2 if left > x else left + LETTER * len(name) + 2
            drawn.append(f"<line class=tie x1={x:.1f} y1={y:.1f} x2={end:.1f} y2={base - 4:.1f} />")
        drawn.append(f"<circle class={kind} cx={x:.1f} cy={y:.1f} r=4.5 />")
        place = f"x={left:.1f}" if left > x else f"x={left + LETTER * len(name):.1f} text-anchor=end"
        drawn.append(f"<text {place} y={base:.1f}>{escape(name)}</text>")
    words = "Mean PSNR in dB over megapixels a second"
    return (
        f'<div class=wide><svg viewBox="0 0 {WIDTH} {HEIGHT}" width={WIDTH} role=img aria-label="{words}">\n'
        + "\n".join(drawn)
        + "\n</svg></div>"
    )


def _free(x: float, y: float, width: float, taken: list[Box]) -> tuple[float, float]:
    """Left end and base line of a name of that width: beside its point, as near as it meets nothing else."""
    places = [(x + 10, y + 4)]
    for shift in range(0, 200, 4):
        places += [(left, y + 4 + way * shift) for way in (1, -1) for left in (x + 10, x - 10 - width)]
    for left, base in places:
        box = (left - 3, left + width + 3, base - 12, base + 4)
        inside = box[0] >= LEFT and box[1] <= WIDTH and box[2] >= TOP - 8 and box[3] <= HEIGHT - BOTTOM + 4
        if inside and not any(_meet(box, other) for other in taken):
            break
    else:
        left, base = places[0]
    taken.append((left - 3, left + width + 3, base - 12, base + 4))
    return left, base


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]
