"""Weakly textured patches, and the variance of noise in them.

1. The texture of a patch p is its gradient energy ``t(p) = p' A p``, ``A = Dh' Dh + Dv' Dv``. For noise alone
   it is a weighted sum of chi-squares, close to a gamma law: patches below a quantile of sigma^2 times that
   law are kept, and sigma follows from those, and so on (Liu, Tanaka, Okutomi 2013).
2. The cut removes gradient energy, from noise too: for noise alone the covariance of the patches that remain
   is ``sigma^2 T`` with a known T. So the patches are whitened by T before their variance is read.
3. The smallest eigenvalues of a sample are too small, since they belong to the directions in which this
   sample happens to vary least. So the directions are found in one half of the picture (a chequerboard of
   blocks), the variance along them is measured in the other half, and the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["FEWEST", "STRICT", "Patches", "cut", "settle", "smallest_variance", "thinned"]

Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

SIDE = 7  # of a patch; Liu et al. measured 7 to be the best
LOOSE, STRICT = 0.99, 0.9  # share of the pure-noise patches that pass: while iterating, and in the last pass
DIRECTIONS = 8  # of least variance, of the 48 that a patch without its mean has
MOST = 16_000  # patches a half and pass: more do not sharpen the estimate, and cost time
FEWEST = 100  # patches a half below which the least textured ones are taken whatever their texture
ENOUGH = 900  # patches below which a picture counts as small
BLOCK = 16  # side of the blocks of the chequerboard
NEAR = 1.5  # standard deviations from a limit within which patches of a clipped picture are left out
TILES, TILE = 256, 64  # number and side of the tiles that stand for a picture of more than a megapixel


@dataclass(frozen=True)
class Patches:
    """All patches of one plane as a flat list: patch i is `windows` at the i-th index in C order."""

    windows: Doubles
    """(tiles, rows, columns, 7, 7), a view."""
    texture: Doubles
    """Gradient energy, (tiles * rows * columns,)."""
    mean: Doubles
    live: Mask
    """Not exactly constant."""
    low: float
    """Limits at which the noise was clipped; -inf and inf where it was not."""
    high: float

    @classmethod
    def of(cls, plane: Doubles) -> Patches:
        """All patches of a plane (H, W), or of tiles of a large one."""
        bottom, top = plane.min(), plane.max()
        inside = bottom >= 0 and top <= 1
        low, high = 0.0 if inside and bottom == 0 else -np.inf, 1.0 if inside and top == 1 else np.inf
        if min(plane.shape) < SIDE:
            none = np.zeros(0)
            return cls(np.zeros((0, 0, 0, SIDE, SIDE)), none, none, none.astype(bool), low, high)
        y = _tiles(plane)
        across, down = (y[:, :, 2:] - y[:, :, :-2]) / 2, (y[:, 2:] - y[:, :-2]) / 2
        steps = _box((np.diff(y, axis=2) != 0) * 1.0, SIDE, SIDE - 1)
        steps += _box((np.diff(y, axis=1) != 0) * 1.0, SIDE - 1, SIDE)
        return cls(
            np.lib.stride_tricks.sliding_window_view(y, (SIDE, SIDE), axis=(1, 2)),
            (_box(across * across, SIDE, SIDE - 2) + _box(down * down, SIDE - 2, SIDE)).ravel(),
            _box(y, SIDE, SIDE).ravel() / SIDE**2,
            steps.ravel() > 0.5,
            low,
            high,
        )

    @property
    def enough(self) -> bool:
        """Whether the picture is large enough for statistics of patches."""
        return len(self.mean) >= ENOUGH and min(self.windows.shape[1:3]) >= BLOCK // 2

    def halves(self, chosen: Mask) -> list[Indices]:
        """The chosen patches, parted by the chequerboard of blocks."""
        tiles, rows, columns = self.windows.shape[:3]
        block = min(BLOCK, (min(rows, columns) + 1) // 2)
        black = np.add.outer(np.arange(rows) // block, np.arange(columns) // block) % 2 == 0
        black = np.tile(black.ravel(), tiles)
        return [np.flatnonzero(chosen & black), np.flatnonzero(chosen & ~black)]

    def covariance(self, chosen: Indices) -> Doubles:
        """Covariance (49, 49) of patches without their means, for which float32 will do."""
        p = self.windows[np.unravel_index(chosen, self.windows.shape[:3])].reshape(-1, SIDE**2)
        p = (p - p.mean(axis=1, keepdims=True)).astype(np.float32)
        p -= p.mean(axis=0)
        return np.asarray((p.T @ p).astype(np.float64) / max(len(p) - 1, 1))


@cache
def cut(level: float) -> tuple[float, Doubles]:
    """Texture below which noise of variance 1 stays with probability `level`; W that whitens the rest.

    W is (49, 48), without the direction of the mean. With A = U diag(a) U' and z = U'p ~ N(0, I), the texture
    t = sum a_i z_i^2 is taken as the gamma law of the same mean and variance (Satterthwaite). What the cut c
    leaves of the variance of z_i is ``E[z_i^2 | t < c] = P(t + a_i chi2_2 < c) / P(t < c)``, gamma again.
    """
    from scipy.special import gammainc, gammaincinv

    unit = np.eye(SIDE**2).reshape(-1, SIDE, SIDE)
    across = (unit[:, :, 2:] - unit[:, :, :-2]).reshape(SIDE**2, -1) / 2
    down = (unit[:, 2:] - unit[:, :-2]).reshape(SIDE**2, -1) / 2
    last = 99.0  # as an eigenvalue that puts the patch's mean at the end, where it is dropped
    a, u = np.linalg.eigh(across @ across.T + down @ down.T + last / SIDE**2)
    a, u = a[:-1].clip(0), u[:, :-1]
    mean, variance = a.sum(), 2 * (a * a).sum()
    limit = gammaincinv(mean**2 / variance, level) * variance / mean
    mean_i, variance_i = mean + 2 * a, variance + 4 * a * a
    left = gammainc(mean_i**2 / variance_i, limit * mean_i / variance_i) / level
    return float(limit), u / np.sqrt(left)


def thinned(chosen: Indices) -> Indices:
    """At most `MOST` of them, evenly spread."""
    if len(chosen) <= MOST:
        return chosen
    return chosen[np.linspace(0, len(chosen) - 1, MOST).astype(np.intp)]


def smallest_variance(patches: Patches, halves: list[Indices], level: float) -> float:
    """Mean of the smallest eigenvalues: directions from one half, variances along them from the other."""
    whiten = cut(level)[1]
    first, second = (whiten.T @ patches.covariance(half) @ whiten for half in halves)
    total = 0.0
    for a, b in ((first, second), (second, first)):
        u = np.linalg.eigh(a)[1][:, :DIRECTIONS]
        total += float(np.einsum("ik,ij,jk->", u, b, u)) / DIRECTIONS
    return max(total / 2, 0.0)  # rounding may leave less than nothing of a noise-free picture


def settle(patches: Patches, halves: list[Indices]) -> tuple[float, Indices]:
    """Variance at the fixed point of pick and measure, then stricter once; and the patches of the end."""
    variance, level = np.inf, LOOSE
    while True:
        for _ in range(6 if level == LOOSE else 1):
            picked = [_pick(patches, half, level, variance) for half in halves]
            before, variance = variance, smallest_variance(patches, picked, level)
            if abs(variance - before) <= 0.002 * variance:
                break
        if level == STRICT:
            return variance, np.concatenate(picked)
        level = STRICT


def _pick(patches: Patches, half: Indices, level: float, variance: float) -> Indices:
    """Those of a half that are away from the limits and weakly textured; never too few, never too many."""
    if np.isfinite(variance):
        mean = patches.mean[half]
        near = np.maximum(patches.low - mean, mean - patches.high)
        half = _below(half, near, -NEAR * np.sqrt(variance))
        half = _below(half, patches.texture[half], cut(level)[0] * variance)
    return thinned(half)


def _below(chosen: Indices, key: Doubles, limit: float) -> Indices:
    passed = chosen[key < limit]
    if len(passed) >= FEWEST or len(passed) == len(chosen):
        return passed
    return chosen[np.argsort(key, kind="stable")[:FEWEST]]


def _tiles(plane: Doubles) -> Doubles:
    """The plane as (1, H, W), or evenly spread tiles (n, h, w) of a plane of more than a megapixel."""
    height, width = plane.shape
    if plane.size <= TILES * TILE**2:
        return plane[None]
    h, w = min(TILE, height), min(TILE, width)
    down = min(max(round(np.sqrt(TILES * height / width)), 1), height // h)
    across = min(max(TILES // down, 1), width // w)
    top, left = np.linspace(0, height - h, down).astype(int), np.linspace(0, width - w, across).astype(int)
    return np.stack([plane[i : i + h, j : j + w] for i in top for j in left])


def _box(a: Doubles, height: int, width: int) -> Doubles:
    """Sums over all height x width windows of each tile."""
    c = np.cumsum(np.pad(a, ((0, 0), (1, 0), (0, 0))), axis=1)
    a = c[:, height:] - c[:, :-height]
    c = np.cumsum(np.pad(a, ((0, 0), (0, 0), (1, 0))), axis=2)
    return np.asarray(c[:, :, width:] - c[:, :, :-width])
