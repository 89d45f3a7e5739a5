"""The result of a comparison of classifications."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from aplomb.comparison.recognition import Recognition
from aplomb.metrics import Reliability

__all__ = ["ClassificationComparison"]


@dataclass(frozen=True)
class ClassificationComparison(Recognition):
    """Classifications of the same pictures, measured. `compare_classification` makes it.

    ``print(comparison)`` gives a plain table, a rich console one in colour.
    """

    curves: Mapping[str, Reliability] = field(default_factory=dict)
    """Reliability curves of the methods that give probabilities, over the test pictures of all splits."""

    title: ClassVar[str] = "Classifications compared"
    sample: ClassVar[str] = "split"

    def sections(self) -> list[str]:
        """The reliability curves."""
        from aplomb.comparison.curves import curves
        from aplomb.comparison.page import section

        return [section("Whether the probabilities can be believed", curves(self))]

    def figure(self, path: str | os.PathLike[str]) -> None:
        """Draw the confusion matrix and the reliability curve of every method.

        Raises OutputError if it cannot be written; the file appears whole or not at all.

        Parameters
        ----------
        path
            PNG, PDF or SVG, by its suffix.
        """
        from aplomb.comparison.curves import draw

        draw(self, path)
