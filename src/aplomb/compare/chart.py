"""Quality against speed as a drawing in the page (SVG)."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aplomb.compare.comparison import Comparison

__all__ = ["chart"]

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 48, 170, 30, 48
"""Margins; names are written to the right of their points."""
LINE = 16
"""Distance of two names, at least."""


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
        drawn.append(f'<line class=axis x1={x:.1f} x2={x:.1f} y1={TOP} y2={HEIGHT - BOTTOM} />')
        drawn.append(f'<text class=tick x={x:.1f} y={HEIGHT - BOTTOM + 18} text-anchor=middle>{10.0**decade:g}</text>')
    for tick in range(round((y1 - y0) / step) + 1):
        y = down(y0 + tick * step)
        drawn.append(f'<line class=axis x1={LEFT} x2={WIDTH - RIGHT} y1={y:.1f} y2={y:.1f} />')
        drawn.append(f'<text class=tick x={LEFT - 8} y={y + 4:.1f} text-anchor=end>{y0 + tick * step:g}</text>')
    drawn.append(f'<text class=tick x={(LEFT + WIDTH - RIGHT) / 2} y={HEIGHT - 8} text-anchor=middle>megapixels a second</text>')
    drawn.append(f"<text class=tick x=12 y={TOP - 14}>PSNR (dB)</text>")
    taken: list[tuple[float, float, float]] = []
    for name, kind, speed, psnr in sorted(points, key=lambda p: -p[3]):
        x, y = across(speed), down(psnr)
        label = _free(x + 9, y + 4, 7.2 * len(name), taken)
        if abs(label - y - 4) > 3:
            drawn.append(f'<line class=tie x1={x:.1f} y1={y:.1f} x2={x + 8:.1f} y2={label - 4:.1f} />')
        drawn.append(f"<circle class={kind} cx={x:.1f} cy={y:.1f} r=4.5 />")
        drawn.append(f"<text x={x + 9:.1f} y={label:.1f}>{escape(name)}</text>")
    words = "Mean PSNR in dB over megapixels a second"
    return f'<div class=wide><svg viewBox="0 0 {WIDTH} {HEIGHT}" width={WIDTH} role=img aria-label="{words}">\n' + "\n".join(drawn) + "\n</svg></div>"


def _free(x: float, y: float, width: float, taken: list[tuple[float, float, float]]) -> float:
    """The height nearest to `y` at which a name of that width meets no other."""
    for shift in sorted(range(-160, 161, 4), key=abs):
        at = y + shift
        if TOP + 10 <= at <= HEIGHT - BOTTOM and all(
            abs(at - other) >= LINE or x + width < left or x > right for left, right, other in taken
        ):
            break
    else:
        at = y
    taken.append((x - 8, x + width, at))
    return at
