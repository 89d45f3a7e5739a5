"""Hand-made features: a picture as a vector of numbers that somebody thought of.

Intensity is taken of every channel, everything else of the grey picture (for RGB its luma, else the mean of the
channels). What depends on the size of a picture (HOG, Gabor energies) is scaled so that its length does not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aplomb.classical.pictures import Doubles, Pictures, check_pictures, grey
from aplomb.errors import BadInput

__all__ = ["FEATURES", "FeatureTable", "features"]

Named = dict[str, float]

_LEVELS = 16
"""Grey levels of the co-occurrence matrices."""


class FeatureTable(NamedTuple):
    """Features of N pictures: `values` (N, F) in float64, and the names of the `columns`."""

    values: Doubles
    columns: tuple[str, ...]


def features(images: Pictures, names: Sequence[str] | None = None) -> FeatureTable:
    """Features of pictures, side by side.

    Parameters
    ----------
    images
        (N, H, W) or (N, H, W, C), 0..1, at least 8 x 8 pixels, or a list of N pictures of one size.
    names
        Of `FEATURES`; all of them unless given.

    Raises
    ------
    BadInput
        An unknown name, or a picture that is NaN or infinite or far outside 0..1.
    ShapeError
        Pictures of different sizes, too small ones, or none.

    Examples
    --------
    >>> ramp = np.tile(np.linspace(0, 1, 16), (2, 16, 1))
    >>> table = features(ramp, ["intensity", "shape"])
    >>> table.values.shape, table.columns[:2]
    ((2, 32), ('intensity mean', 'intensity std'))
    """
    stack = check_pictures(images)
    chosen = list(FEATURES) if names is None else list(names)
    for name in chosen:
        if name not in _NAMED:
            raise BadInput(f"asked for the features {name!r}, known are {', '.join(FEATURES)}")
    if not chosen:
        raise BadInput(f"asked for no features; give one or more of {', '.join(FEATURES)}")
    rows = [{f"{name} {column}": v for name in chosen for column, v in _NAMED[name](one).items()} for one in stack]
    return FeatureTable(np.array([list(row.values()) for row in rows], np.float64), tuple(rows[0]))


def _intensity(picture: Doubles) -> Named:
    """Moments, percentiles and entropy of each channel's values."""
    from scipy.stats import kurtosis, skew

    found: Named = {}
    for c in range(picture.shape[-1]):
        x, word = picture[..., c].ravel(), f" of channel {c}" if picture.shape[-1] > 1 else ""
        flat = np.ptp(x) < 1e-12  # its skewness is 0 / 0
        counts = np.histogram(np.clip(x, 0, 1), 32, (0, 1))[0]
        share = counts[counts > 0] / x.size
        found |= {
            f"mean{word}": float(x.mean()),
            f"std{word}": float(x.std()),
            f"skewness{word}": 0.0 if flat else float(skew(x)),
            f"kurtosis{word}": 0.0 if flat else float(kurtosis(x)),
            f"entropy{word}": float(-(share * np.log2(share)).sum()),
        }
        found |= {
            f"percentile {q}{word}": float(v) for q, v in zip(_PERCENTS, np.percentile(x, _PERCENTS), strict=True)
        }
    return found


_PERCENTS = (0, 10, 25, 50, 75, 90, 100)


def _haralick(picture: Doubles) -> Named:
    """Texture by co-occurring grey levels (Haralick et al. 1973): mean and range over four directions."""
    from skimage.feature import graycomatrix, graycoprops

    levels = np.minimum(np.clip(grey(picture), 0, 1) * _LEVELS, _LEVELS - 1).astype(np.uint8)
    angles = [k * math.pi / 4 for k in range(4)]
    matrix = graycomatrix(levels, (1, 2), angles, _LEVELS, symmetric=True, normed=True)
    found: Named = {}
    for kind in ("contrast", "dissimilarity", "homogeneity", "ASM", "correlation", "entropy"):
        for distance, values in zip((1, 2), graycoprops(matrix, kind), strict=True):
            found[f"{kind} at {distance}"] = float(values.mean())
            found[f"{kind} at {distance}, range"] = float(np.ptp(values))
    return found


def _lbp(picture: Doubles) -> Named:
    """Histogram of uniform local binary patterns (Ojala et al. 2002), 8 points at radius 1 and 16 at 2."""
    from skimage.feature import local_binary_pattern

    levels = np.rint(255 * np.clip(grey(picture), 0, 1)).astype(np.uint8)
    found: Named = {}
    for points, radius in ((8, 1), (16, 2)):
        codes = local_binary_pattern(levels, points, radius, "uniform").astype(int)
        shares = np.bincount(codes.ravel(), minlength=points + 2) / codes.size
        found |= {f"{points} points, {k} of them": float(v) for k, v in enumerate(shares[:-1])}
        found[f"{points} points, not uniform"] = float(shares[-1])
    return found


def _hog(picture: Doubles) -> Named:
    """Histograms of oriented gradients (Dalal and Triggs 2005) in 4 x 4 cells, 9 directions, blocks of 2 x 2."""
    from skimage.feature import hog

    x = grey(picture)
    vector = hog(x[: x.shape[0] // 4 * 4, : x.shape[1] // 4 * 4], 9, (x.shape[0] // 4, x.shape[1] // 4), (2, 2))
    return {str(k): float(v) for k, v in enumerate(vector)}


@functools.lru_cache(maxsize=1)
def _gabor_bank() -> tuple[tuple[str, ...], Doubles]:
    """Names of Gabor filters, and their complex kernels in the middle of arrays of one size."""
    from skimage.filters import gabor_kernel

    wavelengths, angles = (3, 5, 8), (0, 45, 90, 135)
    kernels = [gabor_kernel(1 / w, math.radians(a), n_stds=2) for w in wavelengths for a in angles]
    sides = [max(k.shape[axis] for k in kernels) for axis in (0, 1)]
    bank = [np.pad(k, [((s - n) // 2, (s - n) // 2) for s, n in zip(sides, k.shape, strict=True)]) for k in kernels]
    return tuple(f"wavelength {w}, angle {a}" for w in wavelengths for a in angles), np.stack(bank)


def _gabor(picture: Doubles) -> Named:
    """Mean and spread of the modulus behind Gabor filters of 3 wavelengths and 4 directions."""
    from scipy.signal import fftconvolve

    x = grey(picture)
    names, bank = _gabor_bank()
    # the mean is taken away, so that the border of zeros is no edge
    copies = np.broadcast_to(x - x.mean(), (len(bank), *x.shape))
    energy = np.abs(fftconvolve(copies, bank, mode="same", axes=(1, 2)))
    found = {f"{name}, mean": float(e.mean()) for name, e in zip(names, energy, strict=True)}
    return found | {f"{name}, std": float(e.std()) for name, e in zip(names, energy, strict=True)}


def _shape(picture: Doubles) -> Named:
    """Area, place, ellipse, outline and Hu's moments of what Otsu's threshold cuts out.

    The side of the threshold that has less of the border is taken for the object.
    """
    from skimage.filters import threshold_otsu
    from skimage.measure import euler_number, perimeter, regionprops

    x = grey(picture)
    above = x > threshold_otsu(x) if np.ptp(x) > 0 else np.zeros(x.shape, bool)
    border = np.concatenate([above[0], above[-1], above[1:-1, 0], above[1:-1, -1]])
    mask = ~above if border.mean() > 0.5 else above
    if not mask.any():  # a flat picture has no object
        return dict.fromkeys(_SHAPE, 0.0)
    region = regionprops(mask.astype(np.uint8))[0]
    h, w = x.shape
    size = math.sqrt(region.area)
    hu = region.moments_hu
    values = [
        region.area / x.size,
        region.centroid[0] / h,
        region.centroid[1] / w,
        region.eccentricity,
        math.sin(2 * region.orientation) * region.eccentricity,
        math.cos(2 * region.orientation) * region.eccentricity,
        region.axis_major_length / size,
        region.axis_minor_length / size,
        region.extent,
        region.solidity if region.area > 2 else 1.0,
        perimeter(mask) / size,
        float(euler_number(mask)),
        float(x[mask].mean() - x[~mask].mean()) if not mask.all() else 0.0,
        *(math.copysign(math.log10(1 + abs(v) * 1e6), v) for v in hu),
    ]
    return dict(zip(_SHAPE, map(float, values), strict=True))


_SHAPE = (
    "area", "centre y", "centre x", "eccentricity", "orientation, sine", "orientation, cosine", "major axis",
    "minor axis", "extent", "solidity", "perimeter", "Euler number", "contrast", *(f"Hu {k}" for k in range(1, 8)),
)  # fmt: skip

_NAMED: dict[str, Callable[[Doubles], Named]] = {
    "intensity": _intensity,
    "haralick": _haralick,
    "lbp": _lbp,
    "hog": _hog,
    "gabor": _gabor,
    "shape": _shape,
}


def _vector(name: str, image: npt.ArrayLike) -> Doubles:
    return np.asarray(features(np.asarray(image)[None], [name]).values[0])


FEATURES: dict[str, Callable[[npt.ArrayLike], Doubles]] = {name: functools.partial(_vector, name) for name in _NAMED}
"""Kinds of features by name: each takes a picture (H, W) or (H, W, C) and gives a vector (F,) in float64."""
