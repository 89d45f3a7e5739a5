"""Point spread functions: what becomes of a point, as a small picture that is non-negative and sums to 1."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aplomb.errors import BadInput, ImageFileError

__all__ = ["check_psf", "disk", "gaussian", "motion", "read_psf"]

Doubles = npt.NDArray[np.float64]

ROUNDING = 1e-4
"""How far from 1 the sum of a stored psf may be for rounding: one of 8-bit levels divided by their sum is closer."""

FINE = 32
"""Points per pixel, on each axis, with which areas and lengths are measured."""

MATLAB_7 = b"MATLAB 7.3"


def check_psf(psf: npt.ArrayLike, *, normalise: bool = False, name: str = "psf") -> Doubles:
    """A point spread function, checked: float64, non-negative, of sum 1.

    Parameters
    ----------
    psf
        (kh, kw), any numbers. Its centre is the pixel (kh // 2, kw // 2).
    normalise
        Divide by the sum, whatever it is. Otherwise a sum further from 1 than rounding explains is refused, since it
        would make the picture brighter or darker.
    name
        What it is called in messages.

    Raises
    ------
    BadInput
        It is not two-dimensional, has values that are negative or not finite, or does not sum to 1.

    Examples
    --------
    >>> check_psf([[1, 2, 1]], normalise=True)
    array([[0.25, 0.5 , 0.25]])
    >>> check_psf([[1, 2, 1]])
    Traceback (most recent call last):
        ...
    aplomb.errors.BadInput: psf sums to 4, not to 1; divide it by its sum, or ask for normalise
    """
    found = np.asarray(psf)
    if found.ndim != 2 or not found.size or found.dtype.kind not in "biuf":
        raise BadInput(f"{name} must be an array of numbers (height, width), found {found.dtype} {found.shape}")
    values = found.astype(np.float64)
    if not np.isfinite(values).all():
        raise BadInput(f"{name} has values that are NaN or infinite; mend them first")
    if values.min() < 0:
        raise BadInput(f"{name} has negative values down to {values.min():.3g}; set them to 0 and divide by the sum")
    total = float(values.sum())
    if total == 0:
        raise BadInput(f"{name} is zero everywhere; a point must go somewhere")
    if not normalise and abs(total - 1) > ROUNDING:
        raise BadInput(f"{name} sums to {total:.6g}, not to 1; divide it by its sum, or ask for normalise")
    return values / total


def gaussian(sigma: float, size: int | tuple[int, int] | None = None) -> Doubles:
    """Gaussian psf: the atmosphere, or many small blurs together.

    .. math:: h(k) \\propto \\exp(-|k|^2 / 2 \\sigma^2)

    Parameters
    ----------
    sigma
        Standard deviation in pixels, above 0.
    size
        Odd number of pixels, or (height, width); without it 3 sigma on each side.

    Raises
    ------
    BadInput
        `sigma` is not above 0, or `size` is not odd.

    Examples
    --------
    >>> gaussian(0.5).round(3)
    array([[0.   , 0.   , 0.   , 0.   , 0.   ],
           [0.   , 0.011, 0.084, 0.011, 0.   ],
           [0.   , 0.084, 0.619, 0.084, 0.   ],
           [0.   , 0.011, 0.084, 0.011, 0.   ],
           [0.   , 0.   , 0.   , 0.   , 0.   ]])
    """
    _positive("gaussian psf", "sigma", sigma)
    n = 2 * math.ceil(3 * sigma) + 1
    sizes = (n, n) if size is None else (size, size) if isinstance(size, int) else tuple(size)
    if len(sizes) != 2 or any(int(k) != k or k < 1 or k % 2 == 0 for k in sizes):
        raise BadInput(f"gaussian psf asked for size {size}; give an odd number of pixels, or two")
    y, x = (np.exp(-((np.arange(k) - k // 2) ** 2) / (2 * sigma**2)) for k in sizes)
    return check_psf(np.outer(y, x), normalise=True)


def disk(radius: float) -> Doubles:
    """Defocus: a disk of that radius, each pixel weighted by the share of its area that lies inside.

    Parameters
    ----------
    radius
        In pixels, above 0.

    Raises
    ------
    BadInput
        `radius` is not above 0.

    Examples
    --------
    >>> disk(1.0).round(2)
    array([[0.03, 0.15, 0.03],
           [0.15, 0.32, 0.15],
           [0.03, 0.15, 0.03]])
    """
    _positive("disk psf", "radius", radius)
    reach = math.ceil(radius - 0.5)
    n = 2 * max(reach, 0) + 1
    at = (np.arange(n * FINE) + 0.5) / FINE - n / 2
    inside = (at[:, None] ** 2 + at**2 <= radius**2).astype(np.float64)
    return check_psf(inside.reshape(n, FINE, n, FINE).sum((1, 3)), normalise=True)


def motion(length: float, angle: float = 0.0) -> Doubles:
    """Uniform motion along a line: each pixel weighted by the length of the line inside it.

    Parameters
    ----------
    length
        In pixels, above 0.
    angle
        In degrees, counter-clockwise from the horizontal.

    Raises
    ------
    BadInput
        `length` is not above 0, or `angle` is no finite number.

    Examples
    --------
    >>> motion(4)
    array([[0.125, 0.25 , 0.25 , 0.25 , 0.125]])
    >>> motion(3, 90).shape
    (3, 1)
    """
    _positive("motion psf", "length", length)
    if not math.isfinite(angle):
        raise BadInput(f"motion psf asked for angle {angle}; give a number of degrees")
    points = FINE * 8 * math.ceil(length)
    along = ((np.arange(points) + 0.5) / points - 0.5) * length
    # rounded, so that the sine of 180 degrees is 0 and ties fall on one side
    y, x = (np.floor(np.round(f * along, 9) + 0.5).astype(int) for f in (-_sine(angle), _sine(angle + 90)))
    top, left = abs(y).max(), abs(x).max()
    found = np.zeros((2 * top + 1, 2 * left + 1))
    np.add.at(found, (y + top, x + left), 1.0)
    return check_psf(found + found[::-1, ::-1], normalise=True)


def read_psf(path: str | os.PathLike[str], index: int = 0, *, normalise: bool = False) -> Doubles:
    """A measured psf from a file: a picture (PNG, TIFF), .npy, or MATLAB's .mat.

    Grey levels of integer type have no unit, so they are always divided by their sum; floating point must sum to 1, or
    `normalise` be asked for. A .mat file of version 7.3 needs h5py (``pip install 'aplomb[matlab]'``).

    Parameters
    ----------
    path
        The file.
    index
        Which psf, counted from 0, where the file holds several: pages of a TIFF, planes of a .npy (n, kh, kw), cells
        or planes (kh, kw, n) of a .mat.
    normalise
        Divide by the sum.

    Raises
    ------
    BadInput
        There is no psf of that index, or it is none (see `check_psf`); h5py is needed and missing.
    ImageFileError
        The file is missing or cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageFileError(f"{path}: no such file; a psf is read from PNG, TIFF, .npy or .mat")
    if path.suffix.lower() == ".npy":
        stack = _several(_numpy(path))
    elif path.suffix.lower() == ".mat":
        stack = _matlab(path)
    else:
        from aplomb.io import read

        picture = read(path)
        values = picture.array
        if "S" in picture.axes:  # a grey picture saved as colour is taken, too
            colours = np.moveaxis(values, picture.axes.index("S"), -1)
            values = colours[..., 0]
            if (colours != values[..., None]).any():
                raise BadInput(f"psf {path} is a picture in colour; save it as grey")
        stack = _several(values)
    if not 0 <= index < len(stack):
        raise BadInput(f"psf {index} asked of {path}, which holds {len(stack)}, counted from 0")
    whole = np.asarray(stack[index]).dtype.kind in "bu"
    return check_psf(stack[index], normalise=normalise or whole, name=f"psf {path}")


def _several(array: Any) -> list[Any]:
    return [*array] if array.ndim == 3 else [array]


def _numpy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ImageFileError(f"{path} is no array of numbers: {error}") from None


def _matlab(path: Path) -> list[Any]:
    with path.open("rb") as file:
        modern = file.read(len(MATLAB_7)) == MATLAB_7
    arrays = _hdf5(path) if modern else _version_5(path)
    if len(arrays) != 1:
        raise BadInput(f"{path} holds {len(arrays)} arrays ({', '.join(arrays) or 'none'}); keep the psf alone in it")
    (found,) = arrays.values()
    return found if isinstance(found, list) else [*np.moveaxis(found, -1, 0)] if found.ndim == 3 else [found]


def _version_5(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        found = loadmat(path)
    except (MatReadError, ValueError, TypeError, OSError, NotImplementedError) as error:
        raise ImageFileError(f"{path} is no MATLAB file: {error}") from None
    arrays = {name: value for name, value in found.items() if not name.startswith("__")}
    return {name: [*value.ravel("F")] if value.dtype == object else value for name, value in arrays.items()}


def _hdf5(path: Path) -> dict[str, Any]:
    try:
        import h5py
    except ImportError:
        raise BadInput(f"{path} is a .mat file of version 7.3; install h5py: pip install 'aplomb[matlab]'") from None
    try:
        with h5py.File(path) as file:
            # columns come first in MATLAB's memory: every array is transposed, and cells are references
            return {
                name: [file[cell][()].T for cell in np.ravel(value[()], "A")] if value.dtype == object else value[()].T
                for name, value in file.items()
                if isinstance(value, h5py.Dataset)
            }
    except OSError as error:
        raise ImageFileError(f"{path} is a broken .mat file: {error}") from None


def _positive(what: str, name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise BadInput(f"{what} asked for {name} {value}; give a number of pixels above 0")


def _sine(degrees: float) -> float:
    return math.sin(math.radians(degrees))
