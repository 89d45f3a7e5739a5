"""Pictures of any sizes in one tensor, and square pieces of them, flipped and turned, by one gather."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Flips", "PictureSet", "at_least", "floats", "generator", "order", "saturate"]


Flips = Literal["none", "horizontal", "all"]
"""How pieces are mirrored and turned: left and right, or by all eight symmetries of the square."""


def generator(*key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator whose state depends on `key` alone, e.g. (seed, purpose, step).

    >>> a, b = generator(0, 1, 7), generator(0, 1, 7)
    >>> bool(torch.equal(torch.rand(3, generator=a), torch.rand(3, generator=b)))
    True
    """
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device).manual_seed(seed)


def order(first: int, count: int, size: int, repeat: int, seed: int) -> Tensor:
    """Pictures number `first`, ..., `first + count - 1` of an endless stream of shuffled epochs.

    Each epoch shows each of `size` pictures `repeat` times; its permutation comes from (seed, epoch).

    >>> sorted(order(3, 3, 3, 1, seed=0).tolist())
    [0, 1, 2]
    """
    length, found = size * repeat, []
    for epoch in range(first // length, (first + count - 1) // length + 1):
        shuffled = torch.randperm(length, generator=generator(seed, 1, epoch)) % size
        found.append(shuffled[max(0, first - epoch * length) : first + count - epoch * length])
    return torch.cat(found)


class PictureSet:
    """Pictures (C, H, W) of any sizes, side by side in one tensor (C, total), uint8 if all are, else float32.

    Parameters
    ----------
    arrays
        Pictures, uint8, uint16, or float in 0..1.
    side
        Smallest height and width; smaller pictures are mirrored at their edges.
    device
        Where the pixels stay.

    Examples
    --------
    >>> pictures = PictureSet([np.full((1, 9, 7), 255, np.uint8)], side=8)
    >>> pictures.crops(torch.tensor([0, 0]), 8, generator(0)).shape
    torch.Size([2, 1, 8, 8])
    """

    def __init__(self, arrays: Sequence[NDArray[Any]], side: int = 1, device: torch.device | str = "cpu") -> None:
        kept = [at_least(a, side) for a in arrays]
        if any(a.dtype != np.uint8 for a in kept):
            kept = [floats(a) for a in kept]
        self.heights = torch.tensor([a.shape[1] for a in kept])
        self.widths = torch.tensor([a.shape[2] for a in kept])
        sizes = self.heights * self.widths
        self.starts = torch.cumsum(sizes, 0) - sizes
        flat = np.concatenate([a.reshape(a.shape[0], -1) for a in kept], axis=1)
        self.values = torch.from_numpy(flat).to(device)

    def __len__(self) -> int:
        return len(self.starts)

    def crops(
        self,
        which: Tensor,
        side: int,
        draw: torch.Generator,
        *,
        random: bool = True,
        flips: Flips = "all",
        around: Tensor | None = None,
    ) -> Tensor:
        """One piece of each picture in `which`: (B, C, side, side) float32, integers divided by their white.

        Without `random` it is the middle. `around` (2, B) has a pixel that each piece is to hold, or -1 for any.
        """
        h, w = self.heights[which], self.widths[which]
        at = torch.rand(2, len(which), generator=draw) if random else torch.full((2, len(which)), 0.5)
        top, left = ((at[0] * (h - side + 1)).long(), (at[1] * (w - side + 1)).long())
        if around is not None:
            wanted = (around - (at * side).long()).clamp_(min=0)
            top = torch.where(around[0] < 0, top, torch.minimum(wanted[0], h - side))
            left = torch.where(around[1] < 0, left, torch.minimum(wanted[1], w - side))
        flip_y, flip_x, turn = torch.zeros(3, len(which), dtype=torch.bool)
        if flips == "all":
            flip_y, flip_x, turn = torch.randint(0, 2, (3, len(which)), generator=draw).bool()
        elif flips == "horizontal":
            flip_x = torch.randint(0, 2, (len(which),), generator=draw).bool()
        # pixel (i, j) of a piece lies at corner + i * down + j * right, whichever way it is flipped or turned
        one, last = torch.ones_like(w), side - 1
        corner = self.starts[which] + (top + flip_y * last) * w + left + flip_x * last
        y, x = torch.where(flip_y, -w, w), torch.where(flip_x, -one, one)
        down, right = torch.where(turn, x, y), torch.where(turn, y, x)
        n = torch.arange(side)
        places = corner[:, None, None] + n[:, None] * down[:, None, None] + n * right[:, None, None]
        pixels = self.values[:, places.to(self.values.device)].transpose(0, 1)
        return pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels.contiguous()


def saturate(pieces: Tensor, factor: Tensor) -> Tensor:
    """Pieces (N, 3, H, W), 0..1, with the distance of each pixel from its grey multiplied by `factor` (N, 1, 1, 1).

    >>> pieces = torch.tensor([0.2, 0.3, 0.4]).reshape(1, 3, 1, 1)
    >>> [round(v, 2) for v in saturate(pieces, torch.full((1, 1, 1, 1), 2.0)).flatten().tolist()]
    [0.1, 0.3, 0.5]
    """
    return torch.lerp(pieces.mean(1, keepdim=True), pieces, factor).clamp_(0, 1)


def at_least(array: NDArray[Any], side: int) -> NDArray[Any]:
    """The array (C, H, W), mirrored at its edges where it is smaller than `side`.

    >>> at_least(np.array([[[1, 2]]]), 4)[0, 0].tolist()
    [1, 1, 2, 2]
    """
    for axis in (1, 2):
        while array.shape[axis] < side:
            missing = min(side - array.shape[axis], array.shape[axis])
            pads = [(0, 0)] * 3
            pads[axis] = (missing // 2, missing - missing // 2)
            array = np.pad(array, pads, mode="symmetric")
    return array


def floats(array: NDArray[Any]) -> NDArray[np.float32]:
    """Pixel values as float32: integers are divided by their white level, floats are taken as they are.

    >>> floats(np.array([0, 65535], np.uint16)).tolist()
    [0.0, 1.0]
    """
    white = {"uint8": 255, "uint16": 65535}.get(array.dtype.name, 1)
    return array.astype(np.float32) / np.float32(white)
