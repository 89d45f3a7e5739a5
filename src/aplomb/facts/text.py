"""Tables of layers as plain text and in colour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aplomb.arrays import Shape
from aplomb.operator import Bound, Interval, Linearity

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

    from aplomb.facts.table import Table

__all__ = ["coloured", "plain"]

_COLUMNS = {
    "": "right",
    "Layer": "left",
    "From": "right",
    "Output": "right",
    "Parameters": "right",
    "MACs/px": "right",
    "MACs": "right",
    "Field": "right",
    "Reach": "right",
    "Linearity": "left",
    "Lipschitz": "left",
}
"""Titles and sides."""

_DROPPED = ("MACs", "Reach", "Linearity", "From", "Lipschitz", "MACs/px")
"""What a narrow terminal does without, in this order."""


def plain(table: Table) -> str:
    """All columns, aligned with blanks.

    >>> from aplomb.facts import table
    >>> from aplomb.layers import max_pool
    >>> print(plain(table(max_pool(2), (1, 1, 8, 8))).splitlines()[-3])
    total stride 2; halo 0 px; for an input of 8 x 8 x 1
    """
    cells = [list(_COLUMNS), *_cells(table), _total(table)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_COLUMNS))]
    lines = []
    for line in cells:
        padded = [
            cell.ljust(width) if side == "left" else cell.rjust(width)
            for cell, width, side in zip(line, widths, _COLUMNS.values(), strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    rule = "-" * max(map(len, lines))
    title = [table.name] if table.name else []
    return "\n".join([*title, lines[0], rule, *lines[1:-1], rule, lines[-1], *_notes(table)])


def coloured(table: Table, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
    """A rich table with as many columns as the console has room for, and notes beneath."""
    from rich.text import Text

    dropped: list[str] = []
    # where no lines are drawn, only the numbers tell where a joint takes its inputs from
    needed = {"From"} if any(len(row.inputs) > 1 and "╰" not in row.guide for row in table.rows) else set()
    for title in ("", *(title for title in _DROPPED if title not in needed)):
        dropped += [title] * bool(title)
        drawn = _drawn(table, dropped)
        if console.measure(drawn, options=options.update(width=10_000)).maximum <= options.max_width:
            break
    yield drawn
    notes = _notes(table)
    if dropped:
        notes.append(f"not shown, for want of room: {', '.join(dropped)}")
    for note in notes:
        yield Text(note, style="dim")


def _drawn(table: Table, dropped: Sequence[str]) -> Any:
    from rich import box
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(
        title=Text(table.name, style="bold") if table.name else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_footer=True,
        footer_style="bold",
        pad_edge=False,
        collapse_padding=True,
    )
    shown = [i for i, title in enumerate(_COLUMNS) if title not in dropped]
    titles, total = list(_COLUMNS), _total(table)
    for i in shown:
        side: Any = _COLUMNS[titles[i]]
        drawn.add_column(titles[i], Text(total[i]), justify=side, no_wrap=True)
    for row, line in zip(table.rows, _cells(table), strict=True):
        weights = "" if row.parameters or not row.number else "dim"
        cells = [Text(line[i], style=weights) for i in shown]
        cells[1] = Text.assemble((row.guide, "cyan"), (row.name, weights))
        drawn.add_row(*cells)
    return drawn


def _cells(table: Table) -> list[list[str]]:
    return [
        [
            str(row.number),
            row.guide + row.name,
            "" if row.inputs in ((), (row.number - 1,)) else ", ".join(map(str, row.inputs)),
            _shape(row.output),
            f"{row.parameters:,}",
            _count(row.multiply_adds / table.pixels),
            f"{row.multiply_adds:,}",
            _size(row.receptive_field),
            _reach(row.span),
            _linearity(row.linearity),
            _bound(row.bound),
        ]
        for row in table.rows
    ]


def _total(table: Table) -> list[str]:
    """The facts of the whole, in the same columns."""
    last = table.rows[-1]
    cost = [f"{table.parameters:,}", _count(table.multiply_adds / table.pixels), f"{table.multiply_adds:,}"]
    seen = [_size(last.receptive_field), _reach(last.span)]
    return [
        "",
        "Total",
        "",
        _shape(last.output),
        *cost,
        *seen,
        _linearity(table.linearity),
        _bound(table.bound),
    ]


def _notes(table: Table) -> list[str]:
    strides, halos = (" x ".join(map(_number, _distinct(pair))) for pair in (table.stride, table.halo))
    halo = "the whole picture" if math.inf in table.halo else f"{halos} px"
    return [
        f"total stride {strides}; halo {halo}; for an input of {_shape(table.shape)}",
        "MACs: multiplications with an addition. Field: input pixels that an output pixel depends on. "
        "Reach: the first and the last of them, from its own place.",
        f"Lipschitz: bounds in l2 from the structure, of each layer alone; of the whole: {_bound(table.bound)} "
        f"({table.bound.reason}). Smaller ones, from the weights: aplomb certify.",
    ]


def _distinct(pair: tuple[float, float]) -> tuple[float, ...]:
    return pair[:1] if pair[0] == pair[1] else pair


def _number(value: float) -> str:
    return f"{value:g}"


def _count(value: float) -> str:
    """Whole numbers as such, others with enough digits to add up."""
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:,.2f}"


def _shape(shape: Shape) -> str:
    """H x W x C, as the field writes it; C for vectors."""
    return " x ".join(map(str, (*shape[2:], shape[1])))


def _size(size: tuple[float, float]) -> str:
    return "all" if math.inf in size else f"{size[0]:g} x {size[1]:g}"


def _reach(span: tuple[Interval, Interval]) -> str:
    """First and last pixel seen, from the pixel's own place."""
    if any(math.isinf(end) for side in span for end in side):
        return "all"
    sides = [f"{lo:g}..{hi - 1:g}" for lo, hi in span]
    return sides[0] if sides[0] == sides[1] else ", ".join(sides)


def _linearity(linearity: Linearity | None) -> str:
    return "" if linearity is None else linearity.name.lower()


def _bound(bound: Bound | None) -> str:
    return "" if bound is None else str(bound)
