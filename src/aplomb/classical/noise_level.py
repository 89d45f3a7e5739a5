"""How noisy is this picture? The noise level read from one picture, without a reference.

Natural pictures have places where almost nothing happens: there, a small patch is a constant plus noise, and the
covariance of such patches is sigma^2 I. The work is to find those places and to read sigma^2 without letting
either the search or the reading bias it:

1. the texture of a patch p is its gradient energy, ``t(p) = p' A p`` with ``A = Dh' Dh + Dv' Dv``; for noise
   alone it is a weighted sum of chi-squares, close to a gamma law, so patches below a quantile of
   ``sigma^2 Gamma`` are kept, and sigma follows from those by iteration (Liu et al.);
2. the cut removes gradient energy, the same for all pictures: for noise alone the covariance of the patches that
   remain is ``sigma^2 T`` with a known T, so the patches are whitened by ``T^(-1/2)``;
3. the smallest sample eigenvalues are too small, as they pick the directions in which this sample happens to
   vary least. So the directions are found in one half of the picture (a chequerboard of blocks) and the variance
   along them is measured in the other half, and the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from aplomb.errors import BadInput, ShapeError

__all__ = ["estimate_poisson_gaussian", "estimate_sigma"]

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.intp]

SIDE = 7  # of a patch; Liu et al. measured 7 to be the best
LOOSE, STRICT = 0.99, 0.9  # share of the pure-noise patches that pass: while iterating, and in the last pass
DIRECTIONS = 8  # of least variance, of the 48 that a patch without its mean has
MOST = 16_000  # patches a half and pass: more do not sharpen the estimate, and cost time
FEWEST = 100  # patches a half below which the least textured ones are taken whatever their texture
ENOUGH = 900  # patches below which a picture counts as small
BLOCK = 16  # side of the blocks of the chequerboard
TILES, TILE = 256, 64  # number and side of the tiles that stand for a picture of more than a megapixel
NEAR = 1.5  # standard deviations from a limit within which patches of a clipped picture are left out
POWER=2
ROUNDS=2
BINS = 16  # of intensity, for noise that depends on it


def estimate_sigma(image: Floats) -> float:
    r"""Standard deviation of white Gaussian noise in one picture.

    .. math:: \\hat\\sigma^2 = \\text{mean of the 8 smallest } u_k' C u_k, \\qquad
              C = T^{-1/2} \\, \\mathrm{cov}\\{p : t(p) < \\hat\\sigma^2 F^{-1}(\\delta)\\} \\, T^{-1/2}

    over 7 x 7 patches p with texture t (see the module), the directions u and the covariance C taken from
    different halves of the picture.

    Parameters
    ----------
    image
        (H, W) or (H, W, C), floating point, usually in 0..1 (any range will do, see the notes on clipping).

    Returns
    -------
    sigma
        In the units of the picture: 25/255 for "noise 25" on a picture in 0..1. Channels are estimated one by one
        and combined as the root mean square, leaving out channels that are constant. 0.0 where there is
        nothing to measure: a constant picture, or one of fewer than 3 x 3 pixels.

    Raises
    ------
    BadInput
        If the picture is not floating point, not (H, W) or (H, W, C), empty, or has NaN or infinity in it.

    Notes
    -----
    - The noise is that of the picture as it is: a photograph brings its own (1 to 2 grey levels of 255 are usual)
      and what is returned is the root of the sum of squares. Noise must be white: resizing, demosaicking and JPEG
      correlate it, and then the estimate is too low.
    - Clipping: where a picture stays within 0..1 and touches 0 or 1, the noise was cut off there. Patches whose
      mean is within 1.5 sigma of such a limit are left out, and the variance that the others lost is added back by the
      law of a clipped Gaussian. Patches that are exactly constant (masks, borders) are always left out.
    - Pictures of fewer than about 36 x 36 pixels have too few patches; there sigma is the root mean square of
      second differences in both directions, ``[1 -2 1]' [1 -2 1] / 6``, with outliers left out (after Immerkaer
      1996), which takes fine texture for noise.

    References
    ----------
    X. Liu, M. Tanaka, M. Okutomi, "Single-image noise level estimation for blind denoising", IEEE Trans. Image
    Processing 22 (12), 2013. J. Immerkaer, "Fast noise variance estimation", Computer Vision and Image
    Understanding 64 (2), 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage import data
    >>> picture = data.camera()[:256, :256] / 255
    >>> noisy = picture + np.random.default_rng(0).normal(0, 20 / 255, picture.shape)
    >>> print(f"{255 * estimate_sigma(noisy):.0f}")
    20
    """
    variances = [_white_variance(plane) for plane in _planes(image) if np.ptp(plane) > 0]
    return float(np.sqrt(np.mean(variances))) if variances else 0.0


def estimate_poisson_gaussian(image: Floats) -> tuple[float, float]:
    r"""Gain and read noise of a picture whose noise grows with the light: the model of a camera sensor.

    .. math:: y = g \\, \\mathrm{Poisson}(x / g) + \\mathcal N(0, r^2), \\qquad \\mathrm{var}(y) = g x + r^2

    The patches are sorted by their mean into 16 bins, the variance of each bin is estimated as in `estimate_sigma`,
    and a line with non-negative g and r^2 is fitted to variance against mean, bins that lie off it (texture) counting less.
    A second round picks the weakly textured patches by the variance that this line predicts for each.

    Parameters
    ----------
    image
        (H, W) or (H, W, C), floating point, linear in the light (not gamma-corrected). The bins of all channels
        are fitted together: one sensor, one gain.

    Returns
    -------
    gain, read_noise
        g and r in the units of the picture, as `aplomb.degrade.noise.PoissonGaussian` takes them. A picture with
        one intensity only cannot tell them apart: then the gain is 0 and r is its noise. (0.0, 0.0) where there is
        nothing to measure.

    Raises
    ------
    BadInput
        As `estimate_sigma`.

    Notes
    -----
    Bins within 2 standard deviations of a limit at which the picture is clipped are left out. Pictures that are too
    small for bins (fewer than about 36 x 36 pixels) give gain 0 and r from `estimate_sigma`.

    References
    ----------
    A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting
    for single-image raw-data", IEEE Trans. Image Processing 17 (10), 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage import data
    >>> from aplomb.degrade.noise import PoissonGaussian
    >>> picture = data.camera() / 255
    >>> noisy = PoissonGaussian(gain=0.01, read_noise=0.02)(picture, np.random.default_rng(0))
    >>> gain, read_noise = estimate_poisson_gaussian(noisy)
    >>> print(f"{gain:.3f} {read_noise:.2f}")
    0.010 0.02
    """
    grids = [_Grid.of(plane) for plane in _planes(image) if np.ptp(plane) > 0]
    grids = [grid for grid in grids if grid.large_enough]
    if not grids:
        return 0.0, estimate_sigma(image)
    line: tuple[float, float] | None = None
    for _ in range(ROUNDS):
        points = np.concatenate([_bins(grid, line) for grid in grids])
        if not len(points):
            return 0.0, estimate_sigma(image)
        line = _fit_line(*points.T)
    assert line is not None
    return float(line[0]), float(np.sqrt(line[1]))


def _planes(image: Floats) -> list[npt.NDArray[np.float64]]:
    """The channels of a picture that has passed the checks, in float64."""
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.size == 0:
        raise ShapeError(f"a noise level needs a picture (H, W) or (H, W, C), found shape {image.shape}")
    if not np.issubdtype(image.dtype, np.floating):
        raise BadInput(f"a noise level needs floating point, found {image.dtype}; scale the picture to 0..1 first")
    if not np.isfinite(image).all():
        raise BadInput("a noise level needs finite values, found NaN or infinity; mask or fill them first")
    planes = image[..., None] if image.ndim == 2 else image
    return [planes[..., c].astype(np.float64) for c in range(planes.shape[2])]


def _white_variance(plane: npt.NDArray[np.float64]) -> float:
    grid = _Grid.of(plane)
    if not grid.large_enough:
        return _small_variance(plane)
    halves = grid.halves(grid.live)
    return _unclip(grid, *_settle(grid, halves)) if all(map(len, halves)) else 0.0


def _small_variance(plane: npt.NDArray[np.float64]) -> float:
    """Variance from second differences, the largest ones (edges) left out."""
    if min(plane.shape) < 3:
        return 0.0
    d = np.diff(np.diff(plane, 2, axis=0), 2, axis=1).ravel() / 6
    for _ in range(10):
        kept = d[np.abs(d) <= 3 * np.sqrt(np.mean(d * d))]
        if len(kept) == len(d):
            break
        d = kept
    return float(np.mean(d * d))


def _tiles(plane: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The plane as (1, H, W), or evenly spread tiles (n, h, w) of a plane of more than a megapixel."""
    height, width = plane.shape
    if plane.size <= TILES * TILE**2:
        return plane[None]
    h, w = min(TILE, height), min(TILE, width)
    down = min(max(round(np.sqrt(TILES * height / width)), 1), height // h)
    across = min(TILES // down, width // w)
    top, left = np.linspace(0, height - h, down).astype(int), np.linspace(0, width - w, across).astype(int)
    return np.stack([plane[i : i + h, j : j + w] for i in top for j in left])


def _box(a: npt.NDArray[np.float64], height: int, width: int) -> npt.NDArray[np.float64]:
    """Sums over all height x width windows of each tile."""
    c = np.cumsum(np.pad(a, ((0, 0), (1, 0), (0, 0))), axis=1)
    a = c[:, height:] - c[:, :-height]
    c = np.cumsum(np.pad(a, ((0, 0), (0, 0), (1, 0))), axis=2)
    return np.asarray(c[:, :, width:] - c[:, :, :-width])


@dataclass(frozen=True)
class _Grid:
    """All patches of one plane as a flat list; patch i is `windows` at the i-th index in C order."""

    windows: npt.NDArray[np.float64]  # (tiles, rows, columns, 7, 7), a view
    texture: npt.NDArray[np.float64]  # gradient energy, (tiles * rows * columns,)
    mean: npt.NDArray[np.float64]
    live: npt.NDArray[np.bool_]  # not exactly constant
    low: float  # limits at which the noise was clipped, -inf and inf where it was not
    high: float

    @classmethod
    def of(cls, plane: npt.NDArray[np.float64]) -> _Grid:
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
            steps.ravel() > 0,
            low,
            high,
        )

    @property
    def large_enough(self) -> bool:
        return len(self.mean) >= ENOUGH and min(self.windows.shape[1:3]) >= BLOCK // 2

    def halves(self, chosen: npt.NDArray[np.bool_]) -> list[Indices]:
        """The chosen patches, parted by the chequerboard of blocks."""
        tiles, rows, columns = self.windows.shape[:3]
        block = min(BLOCK, (min(rows, columns) + 1) // 2)
        black = np.add.outer(np.arange(rows) // block, np.arange(columns) // block) % 2 == 0
        black = np.tile(black.ravel(), tiles)
        return [np.flatnonzero(chosen & black), np.flatnonzero(chosen & ~black)]

    def covariance(self, patches: Indices) -> npt.NDArray[np.float64]:
        """Covariance of patches without their means, so that float32 will do."""
        p = self.windows[np.unravel_index(patches, self.windows.shape[:3])].reshape(-1, SIDE**2)
        p = (p - p.mean(axis=1, keepdims=True)).astype(np.float32)
        p -= p.mean(axis=0)
        return (p.T @ p).astype(np.float64) / max(len(p) - 1, 1)


@cache
def _cut(level: float) -> tuple[float, npt.NDArray[np.float64]]:
    """Texture below which noise of variance 1 stays with probability `level`, and the whitening for those that stay.

    With A = U diag(a) U' and z = U'p ~ N(0, I), t = sum a_i z_i^2 is taken as the gamma law of the same mean and
    variance (Satterthwaite), and ``E[z_i^2 | t < c] = P(t + a_i chi2_2 < c) / P(t < c)`` likewise.
    """
    from scipy.special import gammainc, gammaincinv

    unit = np.eye(SIDE**2).reshape(-1, SIDE, SIDE)
    across = (unit[:, :, 2:] - unit[:, :, :-2]).reshape(SIDE**2, -1) / 2
    down = (unit[:, 2:] - unit[:, :-2]).reshape(SIDE**2, -1) / 2
    a, u = np.linalg.eigh(across @ across.T + down @ down.T + 99 / SIDE**2)  # 99: the mean comes last, and is dropped
    a, u = a[:-1].clip(0), u[:, :-1]
    mean, variance = a.sum(), 2 * (a * a).sum()
    limit = gammaincinv(mean**2 / variance, level) * variance / mean
    mean_i, variance_i = mean + 2 * a, variance + 4 * a * a
    left = gammainc(mean_i**2 / variance_i, limit * mean_i / variance_i) / level
    return float(limit), u / np.sqrt(left)


def _pick(grid: _Grid, half: Indices, level: float, variance: float) -> Indices:
    """The patches of a half that are away from the limits and weakly textured; never too few, never too many."""

    def least(of: Indices, key: npt.NDArray[np.float64], ceiling: float) -> Indices:
        passed = of[key < ceiling]
        if len(passed) >= FEWEST or len(passed) == len(of):
            return passed
        return of[np.argsort(key, kind="stable")[:FEWEST]]

    if np.isfinite(variance):
        room = np.minimum(grid.mean[half] - grid.low, grid.high - grid.mean[half])
        half = least(half, -room, -NEAR * np.sqrt(variance))
        half = least(half, grid.texture[half], _cut(level)[0] * variance)
    return half[np.linspace(0, len(half) - 1, MOST).astype(np.intp)] if len(half) > MOST else half


def _smallest(grid: _Grid, halves: list[Indices], level: float) -> float:
    """Mean of the smallest eigenvalues: directions from one half, variances along them from the other."""
    whiten = _cut(level)[1]
    first, second = (whiten.T @ grid.covariance(half) @ whiten for half in halves)
    total = 0.0
    for a, b in ((first, second), (second, first)):
        u = np.linalg.eigh(a)[1][:, :DIRECTIONS]
        total += float(np.einsum("ik,ij,jk->", u, b, u)) / DIRECTIONS
    return max(total / 2, 0.0)  # rounding may leave less than nothing of a noise-free picture


def _settle(grid: _Grid, halves: list[Indices]) -> tuple[float, Indices]:
    """The fixed point of pick and measure, then one stricter pass; with the patches that the last pass used."""
    variance, level = np.inf, LOOSE
    for step in range(7):
        picked = [_pick(grid, half, level, variance) for half in halves]
        before, variance = variance, _smallest(grid, picked, level)
        if level == STRICT:
            break
        if abs(variance - before) <= 0.002 * variance or step == 5:
            level = STRICT
    return variance, np.concatenate(picked)


def _clipped(mean: npt.NDArray[np.float64], sigma: float, low: float, high: float) -> list[npt.NDArray[np.float64]]:
    """Mean and variance of a Gaussian that is clipped to [low, high]."""
    from scipy.special import ndtr

    a, b = (low - mean) / sigma, (high - mean) / sigma
    inside = ndtr(b) - ndtr(a)
    bell_a, bell_b = (np.exp(-x * x / 2) / np.sqrt(2 * np.pi) for x in (a, b))
    tails = [limit * part for limit, part in ((low, ndtr(a)), (high, ndtr(-b))) if np.isfinite(limit)]
    first = mean * inside + sigma * (bell_a - bell_b) + sum(tails)
    # second moment about `mean`, in which the infinite limits do not occur
    edge_a, edge_b = (np.where(np.isfinite(x), x, 0) * bell for x, bell in ((a, bell_a), (b, bell_b)))
    outside = [(limit - mean) ** 2 * part for limit, part in ((low, ndtr(a)), (high, ndtr(-b))) if np.isfinite(limit)]
    second = sigma**2 * (inside + edge_a - edge_b) + sum(outside)
    return [first, second - (first - mean) ** 2]


def _unclip(grid: _Grid, variance: float, patches: Indices) -> float:
    """The variance before clipping, from the variance after it and the means of the patches."""
    if variance == 0 or not (np.isfinite(grid.low) or np.isfinite(grid.high)):
        return variance
    seen = grid.mean[patches]
    before = np.linspace(-1, 2, 301)
    unclipped = variance
    for _ in range(20):
        sigma = float(np.sqrt(unclipped))
        shift, _ = _clipped(before, sigma, grid.low, grid.high)
        _, lost = _clipped(np.interp(seen, shift, before), sigma, grid.low, grid.high)
        step = variance / float(lost.mean())
        unclipped = min(unclipped * step, 4 * variance)  # a black-and-white picture is no clipped Gaussian
        if abs(step - 1) < 1e-3:
            break
    return unclipped


def _bins(grid: _Grid, line: tuple[float, float] | None) -> npt.NDArray[np.float64]:
    """Intensity, noise variance and number of patches, one row a bin."""
    live = np.flatnonzero(grid.live)
    if not len(live):
        return np.zeros((0, 3))
    edges = np.linspace(*np.quantile(grid.mean[live], (0.005, 0.995)), BINS + 1)
    rows = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        chosen = grid.live & (grid.mean >= low) & (grid.mean < high)
        total = np.count_nonzero(chosen)
        if line is not None:
            chosen &= grid.texture < _cut(STRICT)[0] * (line[0] * grid.mean + line[1])
        halves = grid.halves(chosen)
        if min(map(len, halves)) < FEWEST:
            continue
        if line is None:
            variance, used = _settle(grid, halves)
            passed = int(np.sum(grid.texture[np.concatenate(halves)] < _cut(STRICT)[0] * variance))
        else:
            passed = sum(map(len, halves))
            halves = [half[np.linspace(0, len(half) - 1, min(len(half), MOST)).astype(np.intp)] for half in halves]
            variance, used = _smallest(grid, halves, STRICT), np.concatenate(halves)
        middle = float(grid.mean[used].mean())
        if min(middle - grid.low, grid.high - middle) > 2 * np.sqrt(variance):
            rows.append((middle, variance, passed * (passed / total) ** POWER))
    return np.array(rows).reshape(-1, 3)


def _fit_line(x: Floats, y: Floats, count: Floats) -> tuple[float, float]:
    """Slope and intercept, neither negative, by least squares with Tukey's weights."""
    weight = robust = count / np.maximum(y, 1e-300) ** 2
    slope = intercept = 0.0
    for _ in range(30):
        mx, my = np.average(x, weights=robust), np.average(y, weights=robust)
        spread = np.average((x - mx) ** 2, weights=robust)
        slope = float(np.average((x - mx) * (y - my), weights=robust) / spread) if spread > 0 else 0.0
        intercept = float(my - slope * mx)
        if slope <= 0:
            slope, intercept = 0.0, float(my)
        elif intercept < 0:
            slope, intercept = float(np.average(x * y, weights=robust) / np.average(x * x, weights=robust)), 0.0
        off = (y - slope * x - intercept) / np.maximum(slope * x + intercept, 1e-300)
        scale = max(1.4826 * float(np.median(np.abs(off))), 0.01)
        robust = weight * np.maximum(1 - (off / (4.7 * scale)) ** 2, 0.0) ** 2
        if not robust.any():
            robust = weight
    return slope, intercept
