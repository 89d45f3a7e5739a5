"""Inpainting: pixels that are not known, from those around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from aplomb.classical.recovery.base import Floats, Recovery
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.sample import Mask

__all__ = ["Biharmonic"]


@dataclass(frozen=True)
class Biharmonic(Recovery):
    """The thin plate through the known pixels: unknown ones solve the biharmonic equation.

    .. math:: \\Delta^2 x = 0 \\text{ where } m = 0, \\qquad x = y / m \\text{ elsewhere}

    by `skimage.restoration.inpaint_biharmonic`. Known pixels stay as they are, noise included.

    References
    ----------
    S. B. Damelin, N. S. Hoang, "On surface completion and image inpainting by biharmonic functions: numerical aspects",
    International J. Mathematics and Mathematical Sciences, 2018.
    """

    name: ClassVar[str] = "biharmonic"

    def _fits(self, forward: ForwardModel) -> str:
        if isinstance(forward.operator, Mask):
            return ""
        return "it needs a forward model of one mask and nothing else"

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        from skimage.restoration import inpaint_biharmonic

        leaf = forward.find(Mask)
        assert leaf is not None
        weight = np.broadcast_to(np.asarray(leaf.weight, np.float64), y.shape[1:])
        x = np.divide(y, weight, out=np.zeros_like(y), where=weight != 0)
        for picture in x:
            for plane, known in zip(picture, weight != 0, strict=True):
                plane[...] = inpaint_biharmonic(plane, ~known) if not known.all() else plane
        return x
