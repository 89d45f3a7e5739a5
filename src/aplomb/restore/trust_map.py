"""Where not to trust a restored picture: the error to be expected at each pixel.

For the best denoiser that there can be, f = E[x | y], Tweedie's formula of second order says how uncertain each value
is: its posterior variance is the variance of the noise times the derivative of the value by itself,

.. math:: \\mathrm{E}[(x_i - f_i)^2 \\mid y] = w_i \\frac{\\partial f_i}{\\partial y_i}

(Efron 2011; Manor and Michaeli 2024). A trained network comes close to it, so this is where its error lies; how large
it is on the mean, SURE says without assuming that. The derivatives come from the pass that SURE takes anyway: a push
times the answer to it is the derivative plus what neighbours add, which has random signs and is averaged out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb import io
from aplomb.errors import BadInput
from aplomb.restore.estimate import ErrorEstimate

__all__ = ["WINDOW", "check_map", "expected_error", "write_map"]

WINDOW = 4.0
"""Standard deviation in pixels of the Gaussian that averages one probe. Of 2, 3, 4 and 6 pixels it fitted the true
error best (``benchmarks/error_estimate.py``): below the probe's own noise shows, above detail is lost."""

BASE = 0.05
"""Share of the mean squared error that every pixel is given: a single probe shows derivatives near 0 as 0 or less."""


def expected_error(
    step: NDArray[Any],
    slope: NDArray[Any],
    estimate: ErrorEstimate,
    *,
    clipped: tuple[NDArray[Any], NDArray[Any]] | None = None,
    window: float = WINDOW,
) -> NDArray[np.float32]:
    """Root mean square of the error that is to be expected around each pixel, (H, W), in units of the picture.

    Parameters
    ----------
    step, slope
        The push and the derivative of the denoiser along it, (C, H, W), see `aplomb.restore.estimate`. Channels are
        averaged.
    estimate
        Of the same picture: its `mse` sets the scale, unless it is refused; then the network is taken at its word.
    clipped
        What clipping left of the variance and how far it moved the mean, (C, H, W), see `Level.clipped`.
    window
        Standard deviation of the average, in pixels.

    References
    ----------
    B. Efron, "Tweedie's formula and selection bias", J. American Statistical Association 106, 2011. H. Manor, T.
    Michaeli, "On the posterior distribution in denoising: application to uncertainty quantification", ICLR 2024.
    """
    from scipy.ndimage import gaussian_filter

    left, shift = clipped or (1.0, 0.0)
    square = left * step.astype(np.float64) * slope + np.square(shift)
    local = np.maximum(gaussian_filter(square.mean(axis=0), window, mode="reflect"), 0)
    mean = float(local.mean())
    if mean == 0:
        return np.zeros(local.shape, np.float32)
    square = (1 - BASE) * local + BASE * mean
    if estimate.psnr is not None:
        square *= estimate.mse / mean
    return np.asarray(np.sqrt(square), np.float32)


def check_map(path: Path, result: Path, picture: io.Picture) -> None:
    """Raise what `write_map` would raise for a map of this picture, before the work is done."""
    if path.resolve() == result.resolve():
        raise BadInput(f"the map and the result would both go to {path}; give the map another name")
    shape = ((picture.images,) if picture.images > 1 else ()) + picture.size
    kind = np.float32 if _holds_floats(path) else np.uint8
    io.check_output(path, io.Picture(np.broadcast_to(kind(0), shape), axes="NYX"[-len(shape) :]))


def write_map(path: Path, errors: NDArray[np.float32]) -> str:
    """Write a map, floats into a TIFF and grey elsewhere; returns a sentence that says what its grey means."""
    errors = errors.reshape(-1, *errors.shape[-2:])
    what = f"wrote {path}: error to be expected at each pixel (rms)"
    if _holds_floats(path):
        io.write(path, errors if len(errors) > 1 else errors[0])
        return f"{what}, in units of the range 0..1"
    white = max(float(errors.max()), 1e-6)
    io.write(path, np.rint(255 * errors[0] / white).astype(np.uint8))
    return f"{what}; black is 0, white {255 * white:.1f} of 255"


def _holds_floats(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff")
