"""The comparison of segmentations or of classifications as one HTML page."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.page import bullets, document, machine, section
from aplomb.comparison.recognition import against, interval
from aplomb.comparison.table import seconds

if TYPE_CHECKING:
    from aplomb.comparison.recognition import Column, Recognition

__all__ = ["page"]

STYLE = """
.matrices { display: flex; flex-wrap: wrap; gap: 24px; }
.matrices table { font-size: .8rem; } .matrices th, .matrices td { padding: 3px 7px; border: 0; }
.matrices td.c { text-align: right; background: color-mix(in srgb, var(--bar) calc(var(--s) * 100%), transparent); }
.maps { display: grid; gap: 16px 14px; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); }
.maps img { width: 100%; } .ends { color: var(--faint); font-weight: 400; font-size: .8rem; }
svg.curve .fair { stroke: var(--faint); stroke-dasharray: 3 3; } svg.curve .bar { fill: var(--bar); }
"""
MOST = 30
"""Classes of which the confusion matrix fits on a page."""


def page(comparison: Recognition) -> str:
    """The whole page."""
    sections = [
        section("Result", _result(comparison) + "\n" + bullets(comparison.remarks())),
        *comparison.sections(),
        section("What was taken for what", _confusions(comparison)),
        _samples(comparison),
        section("How it was measured", bullets(comparison.protocol)),
        section("Where it was measured", machine(comparison.about)),
    ]
    return document(comparison.title, comparison.subject, comparison.subject, sections, STYLE)


def _result(comparison: Recognition) -> str:
    """The rows with all columns and intervals."""
    tops = [comparison.best(column) for column in comparison.columns]
    lines = []
    for number, row in enumerate(comparison.rows):
        kind = ", ".join(part for part in (row.kind, row.detail) if part)
        cells = [f"<td>{escape(row.method)}</td><td class=faint>{escape(kind)}</td>"]
        if not row.samples:
            cells.append(f"<td class=reason colspan={len(tops) + 2}>{escape(row.problem)}</td>")
        else:
            for column, top in zip(comparison.columns, tops, strict=True):
                value, _, ends = interval(row.values.get(column.key)).partition(" ")
                best = " best" if number in top else ""
                cells.append(f"<td class='n{best}'>{value} <span class=ends>{ends}</span></td>")
            cells.append(f"<td class=n>{escape(seconds(row.seconds))}</td><td>{escape(against(row))}</td>")
        lines.append(f"<tr class={row.kind}>{''.join(cells)}</tr>")
    heads = "".join(f"<th class=n>{escape(c.title)}</th>" for c in comparison.columns)
    return (
        f"<div class=wide><table>\n<thead><tr><th>Method</th><th>Kind</th>{heads}<th class=n>Seconds</th>"
        "<th>Against the best</th></tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table></div>"
    )


def _confusions(comparison: Recognition) -> str:
    """A table for every method: shares of each true class."""
    if not 1 < len(comparison.classes) <= MOST:
        return ""
    found = [(row.method, comparison.confusions[row.method]) for row in comparison.rows[::-1]
             if row.method in comparison.confusions]  # fmt: skip
    tables = "\n".join(_confusion(name, matrix, comparison.classes) for name, matrix in found)
    lead = "<p class=faint>Rows are the true classes, columns those that were found; in percent of the row.</p>\n"
    return f"{lead}<div class='wide matrices'>\n{tables}\n</div>" if tables else ""


def _confusion(name: str, matrix: NDArray[np.int64], classes: tuple[str, ...]) -> str:
    shown = matrix if matrix.shape[1] == len(classes) or matrix[:, -1].any() else matrix[:, :-1]
    names = (*classes, "none")[: shown.shape[1]]
    lines = []
    for true, counts in zip(classes, shown, strict=True):
        shares = counts / max(int(counts.sum()), 1)
        cells = "".join(
            f"<td class=c style='--s:{share:.3f}' title='{count}'>{100 * share:.1f}</td>"
            for share, count in zip(shares, counts, strict=True)
        )
        lines.append(f"<tr><th>{escape(true)}</th>{cells}</tr>")
    heads = "".join(f"<th class=n>{escape(text)}</th>" for text in names)
    body = "\n".join(lines)
    return f"<div><h3>{escape(name)}</h3><table><tr><th></th>{heads}</tr>\n{body}</table></div>"


def _samples(comparison: Recognition) -> str:
    """The first column of every sample, a column for each method; the mean over seeds."""
    names = list(dict.fromkeys(score.sample for score in comparison.scores))
    if len(names) < 2:
        return ""
    column: Column = comparison.columns[0]
    found: dict[tuple[str, str], list[float]] = {}
    for score in comparison.scores:
        found.setdefault((score.sample, score.method), []).append(score.values.get(column.key, math.nan))
    methods = [row.method for row in comparison.rows if row.samples]
    lines = []
    for name in names:
        values = [float(np.mean(found.get((name, method), [math.nan]))) for method in methods]
        rivals = [value for value in values if not math.isnan(value)]
        top = (min if column.lower else max)(rivals, default=math.nan)
        cells = "".join(
            f"<td class='n{' best' if value == top else ''}'>{'-' if math.isnan(value) else f'{value:.3f}'}</td>"
            for value in values
        )
        lines.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    heads = "".join(f"<th class=n>{escape(method)}</th>" for method in methods)
    head = f"<thead><tr><th>{escape(column.title)}</th>{heads}</tr></thead>"
    table = f"<div class=wide><table class=many>\n{head}\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table></div>"
    return section(f"{comparison.sample.capitalize()} by {comparison.sample}", table)
