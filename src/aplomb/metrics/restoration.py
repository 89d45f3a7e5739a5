"""How far an image is from its reference: MSE, PSNR, SSIM, and the field's rounding to 8 bits.

The protocol of the literature on denoising: the noise is added to the image in 0..1 and not clipped, the
result is clipped and rounded to 8 bits (`eight_bit`), PSNR is taken against the 8-bit reference with peak
255, over the whole picture without cutting borders, and the mean over the pictures of a set is the mean of
their PSNRs in decibels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ShapeError

__all__ = ["eight_bit", "mse", "psnr", "ssim"]

_SSIM_WINDOW = 11
"""Width of the Gaussian window of sigma 1.5 that is cut off at 3.5 sigma."""


def mse(image: ArrayLike, reference: ArrayLike) -> float:
    """Mean squared error, in the squared unit of the arrays.

    .. math:: \\operatorname{MSE}(x, r) = \\frac{1}{n} \\sum_i (x_i - r_i)^2

    Parameters
    ----------
    image, reference
        Arrays of the same shape and dtype, of any layout; float16, 32 and 64 count as one kind. Computed in
        float64.

    Raises
    ------
    ShapeError
        The shapes differ, or there is no pixel.
    BadInput
        The dtypes differ (their ranges then differ too), or a value is NaN or infinite.

    Examples
    --------
    >>> mse([[0.0, 0.5]], [[0.0, 0.0]])
    0.125
    """
    x, r = _pair(image, reference)
    return float(np.mean(np.square(x.astype(np.float64) - r.astype(np.float64))))


def psnr(image: ArrayLike, reference: ArrayLike, peak: float | None = None) -> float:
    """Peak signal-to-noise ratio in decibels; infinite for equal arrays.

    .. math:: \\operatorname{PSNR}(x, r) = 10 \\log_{10} \\frac{p^2}{\\operatorname{MSE}(x, r)}

    Parameters
    ----------
    image, reference
        Arrays of the same shape and dtype.
    peak
        The value of white, p: by default 1 for float and bool, 255 for uint8, 65535 for uint16. Other
        dtypes need it.

    Raises
    ------
    ShapeError, BadInput
        As `mse`; also if the dtype has no agreed peak and none is given, or `peak` is not positive.

    Examples
    --------
    >>> print(f"{psnr(np.full((8, 8), 0.6), np.full((8, 8), 0.5)):.2f} dB")
    20.00 dB
    """
    x, r = _pair(image, reference)
    white = _peak(x.dtype, peak)
    error = mse(x, r)
    return math.inf if error == 0 else 10 * math.log10(white**2 / error)


def ssim(image: ArrayLike, reference: ArrayLike, peak: float | None = None) -> float:
    """Mean structural similarity, in -1..1, as its paper defines it; 1 for equal arrays.

    .. math:: \\operatorname{SSIM}(x, r) = \\frac{(2 \\mu_x \\mu_r + c_1)(2 \\sigma_{xr} + c_2)}
              {(\\mu_x^2 + \\mu_r^2 + c_1)(\\sigma_x^2 + \\sigma_r^2 + c_2)},
              \\quad c_1 = (0.01 p)^2, \\; c_2 = (0.03 p)^2

    with local moments under a Gaussian of standard deviation 1.5, 11 pixels wide, averaged where the window
    lies inside the image, and over the channels of a colour image.

    Parameters
    ----------
    image, reference
        One picture each, (H, W) or (H, W, C) with C of 1, 3 or 4, of the same shape and dtype, at least
        11 x 11 pixels.
    peak
        The value of white, p, as in `psnr`.

    Raises
    ------
    ShapeError, BadInput
        As `psnr`; also for stacks and for pictures smaller than the window.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image quality assessment: from error
           visibility to structural similarity", IEEE Transactions on Image Processing 13(4), 2004.
           :DOI:`10.1109/TIP.2003.819861`

    Examples
    --------
    >>> ramp = np.tile(np.linspace(0, 1, 32), (32, 1))
    >>> ssim(ramp, ramp), ssim(1 - ramp, ramp) < 0.5
    (1.0, True)
    """
    from skimage.metrics import structural_similarity

    x, r = _pair(image, reference)
    colour = x.ndim == 3 and x.shape[2] in (1, 3, 4)
    if not (x.ndim == 2 or colour):
        raise ShapeError(f"asked for SSIM of (H, W) or (H, W, C), found the shape {x.shape}; give one picture a call")
    if min(x.shape[:2]) < _SSIM_WINDOW:
        raise ShapeError(f"asked for SSIM of {x.shape[0]} x {x.shape[1]} pixels, its window has {_SSIM_WINDOW} a side")
    return float(
        structural_similarity(
            x.astype(np.float64),
            r.astype(np.float64),
            data_range=_peak(x.dtype, peak),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1 if colour else None,
        )
    )


def eight_bit(image: ArrayLike) -> NDArray[np.uint8]:
    """An image clipped to its range and rounded to 8 bits, as results are before their PSNR is taken.

    .. math:: v = \\operatorname{round}\\left(255 \\min(1, \\max(0, x / p))\\right)

    Parameters
    ----------
    image
        Any shape; float (p = 1), bool (1), uint8 (255, unchanged) or uint16 (65535).

    Raises
    ------
    BadInput
        Another dtype, or NaN.

    Examples
    --------
    >>> eight_bit([-0.1, 0.2, 0.5, 1.3]).tolist()
    [0, 51, 128, 255]
    """
    array = np.asarray(image)
    white = _peak(array.dtype, None)
    if array.dtype == np.uint8:
        return array.copy()
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise BadInput(f"asked for 8 bits, found {int(np.isnan(array).sum())} values of {array.size} that are NaN")
    clipped = np.clip(array.astype(np.float64) / white, 0, 1)
    return np.rint(255 * clipped).astype(np.uint8)


def _pair(image: ArrayLike, reference: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as arrays that may be compared."""
    x, r = np.asarray(image), np.asarray(reference)
    if x.shape != r.shape:
        raise ShapeError(f"asked to compare an image of shape {x.shape} with a reference of shape {r.shape}")
    if x.size == 0:
        raise ShapeError(f"asked to compare empty images of shape {x.shape}")
    if x.dtype != r.dtype and not (x.dtype.kind == "f" and r.dtype.kind == "f"):
        raise BadInput(
            f"asked to compare an image of {x.dtype} with a reference of {r.dtype}, whose ranges differ; "
            "convert one of them first, for example with aplomb.metrics.eight_bit"
        )
    if x.dtype.kind not in "buif":
        raise BadInput(f"asked to compare images of {x.dtype}; give real numbers")
    for name, array in (("image", x), ("reference", r)):
        wrong = int(array.size - np.isfinite(array).sum())
        if wrong:
            raise BadInput(f"the {name} holds {wrong} values of {array.size} that are NaN or infinite")
    return x, r


def _peak(dtype: np.dtype[Any], peak: float | None) -> float:
    if peak is not None:
        if not (peak > 0 and math.isfinite(peak)):
            raise BadInput(f"asked for a peak of {peak}; give the positive value of white")
        return float(peak)
    if dtype.kind in "fb":
        return 1.0
    if dtype.name in ("uint8", "uint16"):
        return float(np.iinfo(dtype).max)
    raise BadInput(f"the peak of {dtype} is not known; give it, or convert to uint8, uint16, bool or float first")
