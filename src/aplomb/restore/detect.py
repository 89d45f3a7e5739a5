"""How much of each fault is in a picture: one function a fault, each gives one number, limits in `LIMITS`.

The numbers are made so that what the picture shows does not count:

- Noise is read from 8 x 8 cosine transforms of weakly textured blocks. They are chosen by their low frequencies
  and measured in the others; for white noise these are independent, so the choice does not bias what is measured.
- Stripes, interference and JPEG blocks go on over the whole picture, which objects do not. So they must be found
  alike in parts that are far from each other.

Everything is measured on a sample of at most 0.6 megapixels; only the search for clipped areas sees every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["LIMITS", "Blocks", "Faults", "measure", "sample"]

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

LIMITS: dict[str, float] = {
    "clipped": 0.002,  # share of the pixels
    "range": 0.1,  # share of 0..1, of which less is used
    "correlated": 0.28,  # fine over coarse energy of the noise, 1 for white noise; less is a fault
    "brightness": 1.5,  # noise where it is bright over noise where it is dark, or the other way round
    "channels": 1.8,  # largest over smallest noise of a channel
    "columns": 0.25,  # standard deviation of the stripes over that of the noise
    "rows": 0.25,
    "interference": 20.0,  # peak of the spectrum over its surroundings
    "blocks": 4.0,  # standard errors
}
"""Where each number becomes a fault; ``benchmarks/guards.py`` prints how often that is wrong."""

TILES, TILE = 4, 192  # tiles a side, and their side: they stand for a larger picture
SIDE = 8  # of the blocks whose cosine transform is taken
SHIFT = 3  # where they begin: in the grid of a JPEG of low quality, most of its transform is zero
FLAT = 0.05  # share of the blocks that count as weakly textured
FEWEST = 48  # blocks below which nothing is said
BINS = 6  # of brightness
FAINT = 1 / 255  # noise, relative to the range in use, below which nothing is said of its kind
WINDOW = 64  # side of the blocks whose spectrum is searched for peaks
SLOW = 0.06  # cycles a pixel below which a peak may be the picture's
MEDIAN = 0.4549  # of a squared standard Gaussian

_u, _v = np.mgrid[:SIDE, :SIDE]
_both = (_u > 0) & (_v > 0)  # without the axes, on which stripes are
LOW = (_u + _v > 0) & (_u + _v <= 3)
MIDDLE = _both & (_u + _v >= 4) & (_u + _v <= 6)
HIGH = _u + _v >= 9
ACROSS = (_u >= 3) & (_v >= 2) & (_v <= 4), (_u >= 3) & (_v >= 6)  # coarse and fine along a row


@dataclass(frozen=True)
class Faults:
    """What was measured in one picture. Levels are in the range 0..1."""

    clipped: tuple[float, float] = (0.0, 0.0)
    """Shares of the pixels in areas cut off at the lowest and at the highest value."""
    used: tuple[float, float] = (0.0, 1.0)
    """Lowest and highest value, but for one pixel in 1000 at either end."""
    equal: bool = False
    """Whether all channels (more than one) are the same."""
    noise: tuple[float, ...] = ()
    """Standard deviation of the noise of each channel, roughly; empty where it cannot be told."""
    fine: float = 1.0
    brightness: float = 1.0
    columns: float = 0.0
    rows: float = 0.0
    interference: float = 0.0
    frequency: tuple[float, float] = (0.0, 0.0)
    """Of the interference, down and across, in cycles a pixel."""
    blocks: float = 0.0

    @property
    def channels(self) -> float:
        """Largest over smallest noise of a channel."""
        return max(self.noise) / max(min(self.noise), 1e-9) if self.noise else 1.0

    @property
    def found(self) -> tuple[str, ...]:
        """Names of the faults that exceed `LIMITS`.

        >>> Faults(blocks=9.0, fine=0.2).found
        ('correlated', 'blocks')
        """
        over = {
            "clipped": max(self.clipped) > LIMITS["clipped"],
            "range": 0 < self.used[1] - self.used[0] < LIMITS["range"],
            "equal": self.equal,
            "correlated": self.fine < LIMITS["correlated"],
            "brightness": max(self.brightness, 1 / self.brightness) > LIMITS["brightness"],
            "channels": self.channels > LIMITS["channels"],
        }
        over |= {name: getattr(self, name) > LIMITS[name] for name in ("columns", "rows", "interference", "blocks")}
        return tuple(name for name, yes in over.items() if yes)


def measure(picture: Floats) -> Faults:
    """All faults of one picture (C, H, W) in 0..1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> picture = rng.normal(0.5, 0.1, (1, 256, 256)).astype(np.float32)
    >>> measure(picture).found
    ()
    >>> measure(picture + rng.normal(0, 0.1, 256).astype(np.float32)).found  # each column its own offset
    ('columns',)
    """
    parts = [sample(plane) for plane in picture]
    low, high = (float(q) for q in np.quantile(np.stack(parts)[..., ::2, ::2], (0.001, 0.999)))
    if high <= low or picture[0].size < SIDE**2:
        return Faults()
    clipped = [clipped_shares(plane) for plane in picture]
    known = Faults(
        clipped=(max(a for a, _ in clipped), max(b for _, b in clipped)),
        used=(low, high),
        equal=len(picture) > 1 and all(np.array_equal(plane, picture[0]) for plane in picture[1:]),
    )
    scale = 1 / (high - low)
    blocks = [
        Blocks(part * np.float32(scale), *(scale * end for end in ends(p)))
        for part, p in zip(parts, picture, strict=True)
    ]
    told = [b for b in blocks if len(b.flat)]
    luma = np.mean(parts, axis=0) * np.float32(scale)
    jumps = blockiness(luma)
    peak, frequency = interference(luma, skip=8 if jumps > LIMITS["blocks"] else 0)
    faint = any(level(b) < FAINT for b in told) or not told
    return Faults(
        known.clipped,
        known.used,
        known.equal,
        tuple(level(b) / scale for b in told) if len(told) == len(blocks) and not faint else (),
        min((fine_share(b) for b in told if level(b) >= FAINT), default=1.0),
        max((brightness_ratio(b) for b in told if level(b) >= FAINT), key=lambda r: abs(np.log(r)), default=1.0),
        stripes(luma),
        stripes(luma.transpose(0, 2, 1)),
        peak,
        frequency,
        jumps,
    )


def sample(plane: Floats) -> Floats:
    """The plane (H, W) as (1, H, W), or 16 evenly spread tiles of a larger one; all begin at multiples of 8.

    >>> sample(np.zeros((100, 300), np.float32)).shape, sample(np.zeros((3000, 2000), np.float32)).shape
    ((1, 100, 300), (16, 192, 192))
    """
    height, width = plane.shape
    if plane.size <= (TILES * TILE) ** 2:
        return plane[None]
    h, w = min(TILE, height), min(TILE, width)
    down = min(TILES**2 // min(TILES, width // w), height // h)
    across = min(TILES**2 // down, width // w)
    top, left = (np.linspace(0, (a - b) // 8, n).astype(int) * 8 for a, b, n in ((height, h, down), (width, w, across)))
    return np.stack([plane[i : i + h, j : j + w] for i in top for j in left])


# -- values --------------------------------------------------------------------------------------------------


def ends(plane: Floats) -> tuple[float, float]:
    """Values at which a picture was cut off: its extremes where many pixels have them, else infinite."""
    low, high = float(plane.min()), float(plane.max())
    few = 1e-4 * plane.size + 2
    cut = [np.count_nonzero(plane == end) > few for end in (low, high)]
    return low if cut[0] else -np.inf, high if cut[1] else np.inf


def clipped_shares(plane: Floats) -> tuple[float, float]:
    """Shares of the pixels around which most of 7 x 7 have the lowest, or the highest, value of the picture.

    Most is 70 %: what is beyond the limit was cut off there, with its noise. Where only noise reaches the limit, as it
    does in half of the pixels of a black area, this is rare.
    """
    low, high = plane.min(), plane.max()
    if low == high:
        return 0.0, 0.0
    return _areas(plane == low), _areas(plane == high)


def _areas(mask: Mask) -> float:
    from scipy.ndimage import uniform_filter

    if np.count_nonzero(mask) < LIMITS["clipped"] / 2 * mask.size or min(mask.shape) < 7:
        return 0.0
    return float(np.mean(uniform_filter(mask.astype(np.float32), 7) > 0.7))


# -- the kind of noise ---------------------------------------------------------------------------------------


class Blocks:
    """Energies (n, 8, 8) of the cosine transforms of the blocks of a sample, their means, and which are flat."""

    def __init__(self, tiles: Floats, low: float = -np.inf, high: float = np.inf) -> None:
        n, height, width = tiles.shape
        rows, columns = max(height - SHIFT, 0) // SIDE, max(width - SHIFT, 0) // SIDE
        cut = tiles[:, SHIFT : SHIFT + rows * SIDE, SHIFT : SHIFT + columns * SIDE]
        c = _cosines()
        blocks = cut.reshape(n, rows, SIDE, columns, SIDE).transpose(0, 1, 3, 2, 4).reshape(-1, SIDE, SIDE)
        z = np.asarray(c @ blocks @ c.T, np.float32)
        self.mean = z[:, 0, 0] / SIDE
        self.energy = z * z
        self.energy[:, 0, 0] = 0
        self.texture = self.energy[:, LOW].sum(axis=1)
        noise = float(np.sqrt(np.median(self.energy[:, HIGH].mean(axis=1)))) if len(z) else 0.0
        # constant ones hold no noise; near a limit it was cut off
        alive = self.energy.max(axis=(1, 2), initial=0) > 1e-12
        self.live = alive & (self.mean > low + 2 * noise) & (self.mean < high - 2 * noise)
        self.flat = self.energy[self.flattest(self.live, FLAT)]

    def flattest(self, among: Mask, share: float) -> npt.NDArray[np.intp]:
        """Where those of least texture are: a share of them, at least `FEWEST`, or none if there are fewer."""
        where = np.flatnonzero(among)
        if len(where) < FEWEST:
            return where[:0]
        return where[np.argsort(self.texture[where], kind="stable")[: max(FEWEST, round(share * len(where)))]]


@cache
def _cosines() -> Floats:
    """The orthonormal cosine transform of 8 values as a matrix."""
    from scipy.fft import dct

    return np.asarray(dct(np.eye(SIDE), axis=0, norm="ortho"), np.float32)


def _variance(energy: Floats, band: Mask) -> float:
    """Variance of the noise from a band: medians over blocks and over coefficients, which outliers do not move."""
    return float(np.median(np.median(energy[:, band], axis=0))) / MEDIAN + 1e-12


def level(blocks: Blocks) -> float:
    """Standard deviation of the noise, at middle frequencies; quick and rough."""
    return float(np.sqrt(_variance(blocks.flat, MIDDLE)))


def fine_share(blocks: Blocks) -> float:
    """Energy of the noise at high frequencies over that at middle ones: 1 for white noise, less if correlated.

    The smallest of three ratios: in both directions, along rows, along columns. Texture makes it smaller too, but less
    so in the very flattest blocks: what these say counts, if it is more.
    """
    coarse, fine = ACROSS
    pairs = ((MIDDLE, HIGH), (coarse, fine), (coarse.T, fine.T))
    sets = (blocks.flat, blocks.flat[:FEWEST])
    return max(min(_variance(e, b) / _variance(e, a) for a, b in pairs) for e in sets)


def brightness_ratio(blocks: Blocks) -> float:
    """Noise (standard deviation) where the picture is bright over that where it is dark: 1 for one level.

    Over bins of brightness, of which those with texture left are passed over; 1 if there is no trend.
    """
    from scipy.stats import spearmanr

    if np.count_nonzero(blocks.live) < BINS * FEWEST:
        return 1.0
    found = []
    for low, high in pairwise(np.quantile(blocks.mean[blocks.live], np.linspace(0, 1, BINS + 1))):
        chosen = blocks.flattest(blocks.live & (blocks.mean >= low) & (blocks.mean <= high), 0.1)
        if len(chosen):
            energy = blocks.energy[chosen]
            found.append((_variance(energy, HIGH), _variance(energy, MIDDLE)))
    fine, coarse = np.array(found).reshape(-1, 2).T
    fine = fine[coarse / fine <= 1.4 * (coarse / fine).min(initial=np.inf)]
    if len(fine) < 3 or abs(spearmanr(range(len(fine)), fine)[0]) < 0.7:
        return 1.0
    return float(np.sqrt(fine[-1] / fine[0]))


# -- patterns ------------------------------------------------------------------------------------------------


def stripes(tiles: Floats) -> float:
    """Standard deviation of what the rows of a column share, over that of the noise; transpose for the other way.

    Across a row, second differences d are taken; their means over strips of rows are profiles. Stripes are in all of
    them, edges in a few: the products of profiles that are not neighbours give the variance of what is shared, and of
    these the lower quartile counts.
    """
    n, height, width = tiles.shape
    strips = min(height // 24, 8)
    if strips < 4 or width < WINDOW:
        return 0.0
    tiles = tiles[:, : height // strips * strips]
    d = tiles[:, :, 1:-1] - (tiles[:, :, :-2] + tiles[:, :, 2:]) / 2
    scale = 1.4826 * float(np.median(np.abs(d)))
    if scale < FAINT:
        return 0.0
    profiles = np.clip(d, -3 * scale, 3 * scale).reshape(n, strips, -1, width - 2).mean(axis=2)
    pairs = [(a, b) for a, b in combinations(range(strips), 2) if b - a > 1]
    shared = np.concatenate([(profiles[:, a] * profiles[:, b]).mean(axis=1) for a, b in pairs]) / scale**2
    part = float(np.clip(np.quantile(shared, 0.25), 0, 0.95))  # of the variance of all
    return float(np.sqrt(part / (1 - part)))


def interference(tiles: Floats, skip: int = 0) -> tuple[float, tuple[float, float]]:
    """How far the strongest isolated peak of the spectrum stands out, and where: cycles a pixel, down and across.

    The spectrum is the lower quartile over blocks of 64 x 64: a texture is in some of them only. Its axes, where
    stripes and edges are, and low frequencies are left out; with `skip`, those of that period as well.
    """
    from scipy import fft, ndimage

    n, height, width = tiles.shape
    rows, columns = height // WINDOW, width // WINDOW
    if min(rows, columns) < 2:
        return 0.0, (0.0, 0.0)
    blocks = tiles[:, : rows * WINDOW, : columns * WINDOW].reshape(n, rows, WINDOW, columns, WINDOW)
    blocks = blocks.transpose(0, 1, 3, 2, 4).reshape(-1, WINDOW, WINDOW)
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    blocks = (blocks - blocks.mean(axis=(1, 2), keepdims=True)) * window * window[:, None]
    power = np.quantile(np.abs(fft.rfft2(blocks)) ** 2, 0.25, axis=0)
    power = np.concatenate([power, power[-np.arange(WINDOW), -2:0:-1]], axis=1)  # the other half mirrors this one
    peaks = power / (ndimage.median_filter(power, 9, mode="wrap") + 1e-12)
    k = np.abs(np.rint(fft.fftfreq(WINDOW, 1 / WINDOW)))
    down, across = np.meshgrid(k, k, indexing="ij")
    left_out = (down <= 1) | (across <= 1) | (np.hypot(down, across) < SLOW * WINDOW)
    if skip:
        left_out |= (down % (WINDOW // skip) == 0) & (across % (WINDOW // skip) == 0)
    peaks[left_out] = 0
    i, j = np.unravel_index(np.argmax(peaks), peaks.shape)
    return float(peaks[i, j]), (float(k[i]) / WINDOW, float(k[j]) / WINDOW)


def blockiness(tiles: Floats) -> float:
    """How far the jumps at one of 8 phases exceed those at the others, in standard errors; the lesser of both axes.

    A jump is the difference of neighbours beyond the mean of the differences beside it, so an edge counts as
    little as a ramp. The grid may begin anywhere.
    """
    return min(_jumps(tiles), _jumps(tiles.transpose(0, 2, 1)))


def _jumps(tiles: Floats) -> float:
    n, height, width = tiles.shape
    groups, strips = (width - 3) // 8, height // 32
    if groups < 6 or strips < 2:
        return 0.0
    d = np.abs(np.diff(tiles[:, : strips * 32], axis=2))
    e = (d[:, :, 1:-1] - (d[:, :, :-2] + d[:, :, 2:]) / 2)[:, :, : groups * 8]
    size = np.abs(e)
    # in a picture of low quality most differences are 0, and so is their median
    limit = 4 * max(float(np.median(size)), 0.25 * float(size.mean()))
    e = np.clip(e, -limit, limit).reshape(n, strips, 32, groups, 8).mean(axis=2).reshape(-1, 8)
    means = e.mean(axis=0)
    first = int(np.argmax(means))
    others = np.delete(means, [(first + step) % 8 for step in (-1, 0, 1)])
    return float((means[first] - others.mean()) / (e.std() / np.sqrt(len(e)) + 1e-12))
