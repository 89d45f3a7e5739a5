"""The comparison of denoisers as one HTML page."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from aplomb.comparison.chart import chart
from aplomb.comparison.figure import GAIN, captions, difference
from aplomb.comparison.page import address, bullets, document, machine, picture, section
from aplomb.comparison.text import COLUMNS, best, cells, coverage, decibels, heading, remarks, similarity

if TYPE_CHECKING:
    from aplomb.comparison.result import Comparison, Example, Row

__all__ = ["page"]

SHOWN = 8
"""Pictures of which magnified parts are on the page."""


def page(comparison: Comparison) -> str:
    """The whole page.

    >>> from aplomb.comparison.result import Comparison, Score
    >>> text = page(Comparison((Score("noisy", "input", "<a>.png", 20.17, 0.43, 0.0, 100),)))
    >>> "&lt;a&gt;.png" in text, "<a>" in text
    (True, False)
    """
    subject = heading(comparison)
    sections = [
        _scores(comparison),
        section("Quality and speed", chart(comparison)),
        _examples(comparison),
        _per_picture(comparison),
        section("How it was measured", bullets(comparison.protocol)),
        section("Where it was measured", machine(comparison.about)),
    ]
    lead = f"{subject}, seed {comparison.seed}"
    return document(comparison.title, subject, lead, sections, _backgrounds(comparison))


def _scores(comparison: Comparison) -> str:
    """The rows, with what each gains over the input as a bar."""
    rows, tops = comparison.rows, best(comparison)
    noisy = rows[0].psnr if rows and rows[0].kind == "input" else 0.0
    first = rows[0].method if rows else "noisy"
    high = max((row.psnr for row in rows if math.isfinite(row.psnr)), default=0.0)
    lines = []
    for number, row in enumerate(rows):
        name, kind, *numbers = cells(comparison, row)
        drawn = [f"<td>{escape(name)}</td><td class=faint>{escape(kind)}</td>"]
        if row.problem and not row.pictures:
            drawn.append(f"<td class=reason colspan=5>{escape(row.problem)}</td>")
        else:
            drawn += [
                f"<td class='n{' best' if key and number in tops[key] else ''}'>{escape(text)}</td>"
                for text, key in zip(numbers, ("psnr", "ssim", "", "megapixels_per_second"), strict=True)
            ]
            drawn.append(f"<td class=bar>{_bar(row, noisy, high)}</td>")
        lines.append(f"<tr class={row.kind}>{''.join(drawn)}</tr>")
    heads = "".join(f"<th{' class=n' if i > 1 else ''}>{title}</th>" for i, title in enumerate(COLUMNS))
    table = (
        f"<div class=wide><table>\n<thead><tr>{heads}<th>gain over {escape(first)}</th></tr></thead>\n<tbody>\n"
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )
    return section("Result", table + "\n" + bullets(_partial(comparison)))


def _partial(comparison: Comparison) -> list[str]:
    """Remarks that do not stand in the table."""
    whole = {f"{row.method}: {row.problem}" for row in comparison.rows if row.problem and not row.pictures}
    return [line for line in remarks(comparison) if line not in whole]


def _bar(row: Row, noisy: float, high: float) -> str:
    if row.kind == "input" or not math.isfinite(row.psnr) or high <= noisy:
        return ""
    gain = row.psnr - noisy
    bar = f'<i style="width:{160 * gain / (high - noisy):.0f}px"></i>' if gain > 0 else ""
    return f"{bar}{gain:+.2f} dB"


def _examples(comparison: Comparison) -> str:
    parts = []
    for number, example in enumerate(comparison.examples[:SHOWN]):
        top, left, height, width = example.region
        words = f"{width} x {height} pixels from column {left}, row {top}"
        grid = _grid(comparison, example, number, differences=False)
        errors = _grid(comparison, example, number, differences=True)
        parts.append(
            f"<h3>{escape(example.picture)} <span class=faint>{words}</span></h3>\n{grid}\n"
            f"<details><summary>Differences to the clean picture, {GAIN} times enlarged around grey"
            f"</summary>\n{errors}\n</details>"
        )
    if not parts:
        return ""
    more = len(comparison.pictures) - len(parts)
    rest = f" The first {len(parts)} of {len(comparison.pictures)} pictures are shown." if more > 0 else ""
    lead = (
        "<p class=faint>The same part of the picture, where it has most detail, pixel by pixel. "
        f"Press on a part to see the clean one in its place.{rest}</p>\n"
    )
    return section("Magnified", lead + "\n".join(parts))


def _grid(comparison: Comparison, example: Example, number: int, *, differences: bool) -> str:
    figures = [] if differences else [_whole(example)]
    clean = example.crops["clean"]
    for name, numbers, first in captions(comparison, example):
        crop = example.crops[name]
        if differences and name == "clean":
            continue
        image = picture(difference(crop, clean) if differences else crop, f"{name}, {numbers}".strip(", "))
        figures.append(
            f"<figure{' class=best' if first else ''}><div class='pixels p{number}'>{image}</div>"
            f"<figcaption><b>{escape(name)}</b><br><span>{escape(numbers) or 'reference'}</span>"
            "</figcaption></figure>"
        )
    # whole dots for a pixel, so that pixels are seen as they are
    side = max(clean.shape[:2])
    side *= max(1, round(200 / side))
    columns = f"grid-template-columns:repeat(auto-fill,{side}px)"
    return f'<div class=crops style="{columns}">\n' + "\n".join(figures) + "\n</div>"


def _whole(example: Example) -> str:
    """The reduced picture with a frame where the part lies."""
    tall, wide = example.size
    top, left, height, width = example.region
    place = f"top:{100 * top / tall:.2f}%;left:{100 * left / wide:.2f}%;"
    size = f"width:{100 * width / wide:.2f}%;height:{100 * height / tall:.2f}%"
    return (
        f"<figure><div class='pixels whole'>{picture(example.overview, 'the whole picture, clean')}"
        f'<i style="{place}{size}"></i></div>'
        f"<figcaption><b>whole picture</b><br><span>{wide} x {tall} pixels</span></figcaption></figure>"
    )


def _backgrounds(comparison: Comparison) -> str:
    """The clean part behind every other, once for each picture."""
    return "".join(
        f".p{number} {{ background-image: url({address(example.crops['clean'])}) }}\n"
        for number, example in enumerate(comparison.examples[:SHOWN])
    )


def _per_picture(comparison: Comparison) -> str:
    """PSNR and SSIM of every picture, a column for each method."""
    if len(comparison.pictures) < 2:
        return ""
    rows = [row for row in comparison.rows if row.pictures]
    tables = []
    for title, key, shown in (("PSNR (dB)", "psnr", decibels), ("SSIM", "ssim", similarity)):
        lines = []
        for name in comparison.pictures:
            scores = [comparison.score(row.method, name) for row in rows]
            values = [math.nan if s is None else float(getattr(s, key)) for s in scores]
            rivals = [v for v, row in zip(values, rows, strict=True) if row.kind != "input" and not math.isnan(v)]
            top = shown(max(rivals, default=math.nan))
            lines.append(_line(name, [shown(v) for v in values], top, rows))
        means = [float(getattr(row, key)) for row in rows]
        rivals = [v for v, row in zip(means, rows, strict=True)
                  if row.kind != "input" and not math.isnan(v) and not coverage(comparison, row)]  # fmt: skip
        lines.append(_line("mean", [shown(v) for v in means], shown(max(rivals, default=math.nan)), rows))
        heads = "".join(f"<th class=n>{escape(row.method)}</th>" for row in rows)
        table = f"<table class=many>\n<thead><tr><th>{title}</th>{heads}</tr></thead>\n<tbody>\n" + "\n".join(lines)
        tables.append(f"<div class=wide>{table}\n</tbody></table></div>")
    return section("Picture by picture", "\n<br>\n".join(tables))


def _line(name: str, values: list[str], top: str, rows: list[Row]) -> str:
    drawn = "".join(
        f"<td class='n{' best' if value == top != '-' and row.kind != 'input' else ''}'>{value}</td>"
        for value, row in zip(values, rows, strict=True)
    )
    return f"<tr><td>{'<b>mean</b>' if name == 'mean' else escape(name)}</td>{drawn}</tr>"
