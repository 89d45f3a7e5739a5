"""Which places of k-space are measured: masks that are drawn, and masks from files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aplomb.errors import BadInput, ImageFileError, ShapeError

__all__ = ["check_mask", "kspace_mask", "read_mask"]

Mask = npt.NDArray[np.bool_]

GOLDEN_ANGLE = np.pi * (np.sqrt(5) - 1) / 2
"""Radians between one spoke and the next: any number of them in a row is spread evenly (Winkelmann et al. 2007)."""


def check_mask(mask: npt.ArrayLike, shape: tuple[int, int] | None = None) -> Mask:
    """`mask` as an array of bool (H, W); BadInput if it holds other than 0 and 1, is empty or not of `shape`.

    >>> check_mask([[0, 1]])
    array([[False,  True]])
    """
    found: npt.NDArray[Any] = np.asarray(mask)
    if found.ndim != 2 or (shape is not None and found.shape != tuple(shape)):
        wanted = "(H, W)" if shape is None else f"{shape[0]}x{shape[1]}, as the picture is"
        raise ShapeError(f"a k-space mask needs the shape {wanted}, found {found.shape}; make one of that size")
    if found.dtype.kind not in "biuf" or not np.isin(found, (0, 1)).all():
        raise BadInput("a k-space mask needs the values 0 and 1, found others; give 1 where k-space is measured")
    if not found.any():
        raise BadInput(f"the k-space mask of {found.shape} is empty: nothing is measured; give one with places kept")
    return found.astype(bool)


def kspace_mask(
    kind: Literal["cartesian", "radial", "random"],
    shape: tuple[int, int],
    fraction: float = 0.3,
    seed: int = 0,
    centre: float = 0.04,
) -> Mask:
    """Places of k-space that are measured, zero frequency in the middle.

    Parameters
    ----------
    kind
        "cartesian": whole columns (axis 1 is the phase encoding), the middle ones and others drawn evenly;
        "radial": spokes through the middle at the golden angle, the first at an angle drawn;
        "random": single places, drawn the more densely the lower the frequency.
    shape
        (H, W) of the picture.
    fraction
        Share of the places to be measured, above 0 and at most 1. Met to the nearest place or column; spokes are
        added until it is reached.
    seed
        The same seed draws the same mask.
    centre
        Share of the columns (cartesian) or places (random) that lie in the fully sampled middle, at most `fraction`.

    Returns
    -------
    mask
        bool (H, W).

    Raises
    ------
    BadInput
        The kind is not known, or a number is out of its range.

    References
    ----------
    M. Lustig, D. Donoho, J. M. Pauly, "Sparse MRI: the application of compressed sensing for rapid MR imaging",
    Magnetic Resonance in Medicine 58 (6), 2007. S. Winkelmann, T. Schaeffter, T. Koehler, H. Eggers, O. Doessel,
    "An optimal radial profile order based on the golden ratio for time-resolved MRI", IEEE Trans. Medical Imaging
    26 (1), 2007.

    Examples
    --------
    >>> mask = kspace_mask("cartesian", (8, 64), fraction=0.25)
    >>> float(mask.mean()), bool(mask[:, 31:34].all())
    (0.25, True)
    """
    if kind not in _DRAWN:
        raise BadInput(f"asked for a k-space mask {kind!r}, known are: {', '.join(_DRAWN)}")
    if len(shape) != 2 or min(shape) < 1:
        raise ShapeError(f"a k-space mask needs a size (H, W) of at least 1x1, found {tuple(shape)}")
    if not 0 < fraction <= 1:
        raise BadInput(f"a k-space mask measures a fraction above 0 and at most 1, found {fraction}")
    if not 0 <= centre <= 1:
        raise BadInput(f"the middle of a k-space mask is a share of 0..1, found {centre}")
    h, w = (int(n) for n in shape)
    return _DRAWN[kind](h, w, fraction, min(centre, fraction), np.random.default_rng(seed))


def _cartesian(h: int, w: int, fraction: float, centre: float, rng: np.random.Generator) -> Mask:
    weight = np.ones(w)
    kept = _drawn(weight, abs(np.arange(w) - w // 2), fraction, centre, rng)
    return np.broadcast_to(kept, (h, w)).copy()


def _random(h: int, w: int, fraction: float, centre: float, rng: np.random.Generator) -> Mask:
    y, x = np.ogrid[:h, :w]
    distance = np.hypot((y - h // 2) / max(1, h / 2), (x - w // 2) / max(1, w / 2))
    # the density of Lustig et al.: a power of the distance from the edge
    weight = np.maximum(1 - distance / np.sqrt(2), 0) ** 4 + 1e-3
    return _drawn(weight.ravel(), distance.ravel(), fraction, centre, rng).reshape(h, w)


def _drawn(
    weight: npt.NDArray[Any], distance: npt.NDArray[Any], fraction: float, centre: float, rng: np.random.Generator
) -> Mask:
    """The nearest places, and others drawn without replacement in proportion to `weight`."""
    n = len(weight)
    count = max(1, round(fraction * n))
    middle = np.argsort(distance, kind="stable")[: min(count, max(1, round(centre * n)))]
    # Efraimidis and Spirakis 2006: the largest u^(1 / weight) are such a draw
    keys = np.log(rng.random(n)) / weight
    keys[middle] = np.inf
    kept = np.zeros(n, bool)
    kept[np.argsort(-keys, kind="stable")[:count]] = True
    return kept


def _radial(h: int, w: int, fraction: float, centre: float, rng: np.random.Generator) -> Mask:
    if fraction == 1:
        return np.ones((h, w), bool)
    mask = np.zeros((h, w), bool)
    angle = rng.uniform(0, np.pi)
    # half a pixel at a time leaves no gaps; corners are reached by those spokes that point there
    t = np.arange(-np.hypot(h, w) / 2, np.hypot(h, w) / 2, 0.5)
    while mask.sum() < round(fraction * h * w) or not mask.any():
        y, x = np.rint(h // 2 + t * np.sin(angle)).astype(int), np.rint(w // 2 + t * np.cos(angle)).astype(int)
        inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
        mask[y[inside], x[inside]] = True
        angle += GOLDEN_ANGLE
    return mask


_DRAWN = {"cartesian": _cartesian, "radial": _radial, "random": _random}


def read_mask(
    path: str | os.PathLike[str], shape: tuple[int, int] | None = None, key: str = "", centred: bool = True
) -> Mask:
    """A k-space mask from a file: MATLAB (.mat, up to version 7), .npy, or a picture (PNG, TIFF, ...).

    Parameters
    ----------
    path
        The file. In a picture everything above 0 is measured.
    shape
        (H, W) that the mask must have; None takes any.
    key
        Name of the variable in a .mat file; "" takes the one matrix of 0 and 1 in it. Where two are the same mask
        with the zero frequency in a corner and in the middle, as in those of Yang, Sun, Li and Xu (ADMM-Net, 2016), the
        second is taken.
    centred
        Whether the file has the zero frequency in the middle; False: it is in the first corner, and moved.

    Raises
    ------
    ImageFileError
        The file is missing, damaged, or holds no such matrix.
    BadInput
        The mask is empty, of another size, or has values other than 0 and 1.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/mask.npy", np.eye(4))
    ...     read_mask(f"{folder}/mask.npy").sum()
    np.int64(4)
    """
    path = Path(path)
    if not path.is_file():
        raise ImageFileError(f"{path}: no such file")
    kind = path.suffix.lower()
    if kind == ".mat":
        found = _matlab(path, key)
    elif kind == ".npy":
        try:
            found = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise ImageFileError(f"{path}: not a sound .npy file ({error})") from None
    else:
        from aplomb.io import read

        found = read(path).array > 0
    try:
        mask = check_mask(found, shape)
    except BadInput as error:
        raise type(error)(f"{path}: {error}") from None
    return mask if centred else np.fft.fftshift(mask)


def _matlab(path: Path, key: str) -> npt.NDArray[Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        held = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError:
        raise ImageFileError(f"{path}: a MATLAB file of version 7.3; save it with '-v7'") from None
    except (MatReadError, ValueError, TypeError, OSError, EOFError) as error:
        raise ImageFileError(f"{path}: not a sound MATLAB file ({error})") from None
    if key:
        if key not in held:
            raise ImageFileError(f"{path}: asked for the variable {key!r}, it holds {', '.join(held) or 'none'}")
        return np.asarray(held[key])
    masks = {
        name: np.asarray(value)
        for name, value in held.items()
        if np.ndim(value) == 2 and min(value.shape) > 1 and value.dtype.kind in "biuf" and np.isin(value, (0, 1)).all()
    }
    if len(masks) == 2:
        a, b = masks.values()
        if a.shape == b.shape and (np.fft.fftshift(a) == b).all():
            # low frequencies are sampled most, so the centred one is that with more in its middle half
            h, w = a.shape
            return max(a, b, key=lambda m: float(m[h // 4 : -(h // 4) or None, w // 4 : -(w // 4) or None].sum()))
    if len(masks) != 1:
        raise ImageFileError(
            f"{path}: asked for the matrix of 0 and 1, found {', '.join(masks) or 'none'} among {', '.join(held)}; "
            "give its name as key"
        )
    return next(iter(masks.values()))
