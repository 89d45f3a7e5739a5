"""The result of a comparison of segmentations."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from aplomb.comparison.recognition import Recognition
from aplomb.comparison.references import Truth
from aplomb.comparison.sources import Image
from aplomb.recognise.targets import Target

__all__ = ["Example", "SegmentationComparison"]

Path = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Example:
    """One picture with its true labels and those of every method (of the first seed)."""

    picture: str
    image: Image
    truth: Truth
    labels: dict[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmentationComparison(Recognition):
    """Segmentations of the same pictures, measured. `compare_segmentation` makes it.

    ``print(comparison)`` gives a plain table, a rich console one in colour.
    """

    target: Target = "regions"
    examples: tuple[Example, ...] = ()

    title: ClassVar[str] = "Segmentations compared"
    sample: ClassVar[str] = "picture"

    def sections(self) -> list[str]:
        """The maps, picture by picture."""
        from aplomb.comparison.overlay import key, panels
        from aplomb.comparison.page import maps, section

        grids = "\n".join(maps(example.picture, panels(self, example)) for example in self.examples)
        return [section("What was found", f"<p class=faint>{key(self)}</p>\n{grids}" if grids else "")]

    def figure(self, path: Path, picture: str | int = 0) -> None:
        """Draw one picture with what every method finds in it, and the true borders.

        Parameters
        ----------
        path
            PNG, PDF or SVG, by its suffix.
        picture
            Name of an example, or its number.

        Raises
        ------
        BadInput
            No such example.
        OutputError
            It cannot be written; the file appears whole or not at all.
        """
        from aplomb.comparison.overlay import draw

        draw(self, path, picture)
