"""The tables of all comparisons, as plain text and in colour."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Table", "seconds"]


@dataclass(frozen=True)
class Table:
    """Cells in lines; the first two columns are words and stand left, numbers stand right.

    >>> print(Table("a.png", ("Method", "Kind", "PSNR (dB)"), (("wiener", "classical", "30.00"),)))
    a.png
    Method  Kind       PSNR (dB)
    ----------------------------
    wiener  classical      30.00
    """

    heading: str
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()
    """What is said beneath it, a line each."""
    best: Collection[tuple[int, int]] = ()
    """Row and column of what is shown in bold."""
    faint: Collection[int] = ()
    """Rows that are no rivals."""

    def __str__(self) -> str:
        """Aligned with blanks."""
        lines = [self.columns, *self.cells]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        drawn = []
        for line in lines:
            left = [cell.ljust(width) for cell, width in zip(line[:2], widths, strict=False)]
            right = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True)]
            drawn.append("  ".join([*left, *right]).rstrip())
        rule = "-" * (sum(widths) + 2 * len(widths) - 2)
        return "\n".join([self.heading, drawn[0], rule, *drawn[1:], *self.remarks])

    def coloured(self) -> Any:
        """A table of rich, without the remarks."""
        from rich import box
        from rich.table import Table as Drawn
        from rich.text import Text

        title = Text(self.heading, style="bold")
        drawn = Drawn(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for i, name in enumerate(self.columns):
            drawn.add_column(name, justify="left" if i < 2 else "right", overflow="fold")
        for i, line in enumerate(self.cells):
            shown = [Text(cell, style="bold green" if (i, j) in self.best else "") for j, cell in enumerate(line)]
            drawn.add_row(*shown, style="dim" if i in self.faint else "")
        return drawn

    def beneath(self) -> Iterator[RenderableType]:
        """Remarks in faint, for rich."""
        from rich.text import Text

        for line in self.remarks:
            yield Text(line, style="dim")


def seconds(value: float) -> str:
    """Three digits, none of them behind a point from 100 s.

    >>> seconds(0.01234), seconds(123.4), seconds(1e-5), seconds(float("nan"))
    ('0.0123', '123', '< 0.001', '-')
    """
    if math.isnan(value) or value == 0:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".") if value >= 1e-3 else "< 0.001"
