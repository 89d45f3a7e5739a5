"""What the results of explanations share: they draw themselves, into a file and in a notebook."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from aplomb.io import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawn", "save_figure"]


class Drawn:
    """A result with a `figure`, which a notebook shows."""

    def figure(self) -> Figure:
        """Draw it."""
        raise NotImplementedError

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure().savefig(buffer, format="png")
        return buffer.getvalue()


def save_figure(result: Drawn, path: str | os.PathLike[str]) -> Path:
    """Write the figure; the suffix says the format. Raises OutputError if that cannot be."""
    with whole_file(path) as temporary:
        result.figure().savefig(temporary)
    return Path(path)
