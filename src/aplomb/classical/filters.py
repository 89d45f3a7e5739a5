"""Filters that remove noise by looking at a small window, and what every denoiser of this package shares.

The strengths, as functions of sigma, are those that gave the highest PSNR at sigma 5..75 of 255 on eight
photographs that come with scikit-image (camera, astronaut, coffee, chelsea, moon, brick, rocket, coins; 256 x
256 crops).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from aplomb.errors import BadInput, ShapeError

__all__ = [
    "AdaptiveMedian",
    "Denoiser",
    "GaussianFilter",
    "MeanFilter",
    "MedianFilter",
    "average",
    "check_number",
    "check_size",
]

F = TypeVar("F", bound=np.floating)
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Denoiser(ABC):
    """What all denoisers share: ``method(image, sigma)``, checked, and a `name`."""

    name: ClassVar[str]

    @property
    def uses_sigma(self) -> bool:
        """Whether the noise level changes the result; where it does, noise 0 leaves the image as it is."""
        return True

    def __call__(self, image: npt.NDArray[F], sigma: float) -> npt.NDArray[F]:
        """The restored image.

        Parameters
        ----------
        image
            (H, W) or (H, W, C), floating point, 0..1; noise may reach beyond, and nothing is clipped or
            rescaled.
        sigma
            Standard deviation of the noise, in the units of the image.

        Returns
        -------
        restored
            A new array of the same shape and dtype.

        Raises
        ------
        BadInput
            The image is not floating point or not finite, or sigma is negative or not finite.
        ShapeError
            The image is empty or has another number of dimensions.
        """
        image = np.asarray(image)
        if image.ndim not in (2, 3) or image.size == 0:
            raise ShapeError(f"{self.name} needs an image (H, W) or (H, W, C), found shape {image.shape}")
        if not np.issubdtype(image.dtype, np.floating):
            raise BadInput(f"{self.name} needs floating point, found {image.dtype}; scale the image to 0..1")
        if not np.isfinite(image).all():
            raise BadInput(f"{self.name} needs finite values, found NaN or infinity; fill them first")
        if np.ndim(sigma) or not np.isfinite(sigma) or sigma < 0:
            raise BadInput(f"{self.name} needs one noise level in image units, 0 or above; found {sigma!r}")
        if self.uses_sigma and sigma == 0:
            return image.copy()
        working = np.float32 if image.dtype in (np.float16, np.float32) else np.float64
        restored = self._restore(image.astype(working), float(sigma))
        return restored.reshape(image.shape).astype(image.dtype)

    @abstractmethod
    def _restore(self, image: Floats, sigma: float) -> Floats:
        """The restored image; `image` is a copy in float32 or float64, sigma above 0 where it is used."""


def check_size(name: str, size: int | None) -> None:
    """Refuse a window that has no centre."""
    if size is not None and not (isinstance(size, (int, np.integer)) and size >= 1 and size % 2):
        raise BadInput(f"{name} needs an odd window side of at least 1 pixel, found {size!r}")


def check_number(name: str, what: str, value: float | None) -> None:
    """Refuse a parameter that is negative or no finite number."""
    if value is not None and not (np.isfinite(value) and value >= 0):
        raise BadInput(f"{name} needs {what} of at least 0, found {value!r}")


@dataclass(frozen=True)
class MeanFilter(Denoiser):
    """Mean over a square window, on each channel.

    .. math:: x_i = n^{-2} \\sum_{j \\in W_i} y_j

    Parameters
    ----------
    size
        Side n of the window in pixels, odd. None: 3 below sigma 30 of 255, 5 below 50, then 7. With a size,
        sigma is ignored.

    Raises
    ------
    BadInput
        If the size is even or below 1.

    Examples
    --------
    >>> MeanFilter(size=3)(np.eye(3), 0.1)[1, 1].round(3)
    np.float64(0.333)
    """

    size: int | None = None
    name: ClassVar[str] = "mean"

    def __post_init__(self) -> None:
        check_size(self.name, self.size)

    @property
    def uses_sigma(self) -> bool:
        """Whether sigma chooses the window."""
        return self.size is None

    def _restore(self, image: Floats, sigma: float) -> Floats:
        from scipy import ndimage

        size = self.size or _side(sigma, 30, 50)
        return np.asarray(ndimage.uniform_filter(image, size, mode="mirror", axes=(0, 1)))


@dataclass(frozen=True)
class GaussianFilter(Denoiser):
    """Convolution with a Gaussian, on each channel.

    .. math:: x = G_w * y

    Parameters
    ----------
    width
        Standard deviation w of the Gaussian in pixels, at least 0. None: ``3.5 sqrt(sigma)``, 1.1 pixels at
        sigma 25 of 255. With a width, sigma is ignored.

    Raises
    ------
    BadInput
        If the width is negative.

    Examples
    --------
    >>> GaussianFilter(width=1)(np.eye(3), 0.1).sum().round(3)
    np.float64(3.0)
    """

    width: float | None = None
    name: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        check_number(self.name, "a width in pixels", self.width)

    @property
    def uses_sigma(self) -> bool:
        """Whether sigma chooses the width."""
        return self.width is None

    def _restore(self, image: Floats, sigma: float) -> Floats:
        from scipy import ndimage

        width = 3.5 * sigma**0.5 if self.width is None else self.width
        return np.asarray(ndimage.gaussian_filter(image, width, mode="reflect", axes=(0, 1)))


@dataclass(frozen=True)
class MedianFilter(Denoiser):
    """Median over a square window, on each channel: edges stay, single outliers vanish.

    .. math:: x_i = \\mathrm{median}\\{y_j : j \\in W_i\\}

    Parameters
    ----------
    size
        Side of the window in pixels, odd. None: 3 below sigma 20 of 255, 5 below 40, then 7. With a size,
        sigma is ignored.

    Raises
    ------
    BadInput
        If the size is even or below 1.

    References
    ----------
    J. W. Tukey, "Exploratory Data Analysis", Addison-Wesley, 1977.

    Examples
    --------
    >>> MedianFilter(size=3)(np.eye(3), 0.1)[1, 1]
    np.float64(0.0)
    """

    size: int | None = None
    name: ClassVar[str] = "median"

    def __post_init__(self) -> None:
        check_size(self.name, self.size)

    @property
    def uses_sigma(self) -> bool:
        """Whether sigma chooses the window."""
        return self.size is None

    def _restore(self, image: Floats, sigma: float) -> Floats:
        from scipy import ndimage

        size = self.size or _side(sigma, 20, 40)
        return np.asarray(ndimage.median_filter(image, size, mode="mirror", axes=(0, 1)))


def _side(sigma: float, *steps: float) -> int:
    """Side of a window: 3, and 2 more from each of the noise levels `steps`, which are in units of 1/255."""
    return 3 + 2 * sum(255 * sigma >= step for step in steps)


@dataclass(frozen=True)
class AdaptiveMedian(Denoiser):
    """Median over a window that grows until its median is no impulse; pixels that are none stay as they are.

    For windows of side 3, 5, ..., `largest` around a pixel y, with minimum a, median m and maximum b: if a <
    m < b, the pixel becomes y where a < y < b and m elsewhere, and is done; otherwise the window grows. A
    pixel that is never done becomes the last m. Sigma is ignored. Made for salt and pepper: against Gaussian
    noise it only removes the outliers.

    Parameters
    ----------
    largest
        Side of the largest window in pixels, odd, at least 3.

    Raises
    ------
    BadInput
        If `largest` is even or below 3.

    References
    ----------
    H. Hwang, R. A. Haddad, "Adaptive median filters: new algorithms and results", IEEE Trans. Image
    Processing 4 (4), 1995.

    Examples
    --------
    >>> ramp = np.add.outer(np.arange(7.0), np.arange(7.0)) / 20
    >>> hit = ramp.copy()
    >>> hit[3, 3] = 1
    >>> np.abs(AdaptiveMedian()(hit, 0.0) - ramp)[1:-1, 1:-1].max().round(3)
    np.float64(0.0)
    """

    largest: int = 9
    name: ClassVar[str] = "adaptive-median"

    def __post_init__(self) -> None:
        check_size(self.name, self.largest)
        if self.largest < 3:
            raise BadInput(f"{self.name} needs a largest window of at least 3 pixels, found {self.largest}")

    @property
    def uses_sigma(self) -> bool:
        """False: the window is chosen by the pixels."""
        return False

    def _restore(self, image: Floats, sigma: float) -> Floats:
        planes = image[..., None] if image.ndim == 2 else image
        return np.stack([self._plane(planes[..., c]) for c in range(planes.shape[2])], axis=-1)

    def _plane(self, y: Floats) -> Floats:
        from scipy import ndimage

        def extremes(size: int) -> tuple[Any, Any]:
            lowest = ndimage.minimum_filter(y, size, mode="mirror")
            return lowest, ndimage.maximum_filter(y, size, mode="mirror")

        low, high = extremes(3)
        middle = ndimage.median_filter(y, 3, mode="mirror")
        done = (low < middle) & (middle < high)
        x = np.where(done & (low < y) & (y < high), y, middle)
        last_low, last_high = extremes(self.largest)
        flat = last_low == last_high  # growing would find nothing else
        left = np.argwhere(~done & ~flat)
        for size in range(5, self.largest + 1, 2):
            padded = np.pad(y, size // 2, mode="reflect")
            windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
            again = []
            for i in range(0, len(left), 50_000):  # bounds the memory
                rows, columns = left[i : i + 50_000].T
                ranked = windows[rows, columns].reshape(-1, size * size)
                ranked.partition((0, size * size // 2, size * size - 1), axis=1)
                a, m, b = ranked[:, 0], ranked[:, size * size // 2], ranked[:, -1]
                pixel, done = y[rows, columns], (a < m) & (m < b)
                x[rows, columns] = np.where(done & (a < pixel) & (pixel < b), pixel, m)
                again.append(left[i : i + 50_000][~done])
            left = np.concatenate(again) if again else left
        return x


def average(stack: npt.NDArray[F]) -> npt.NDArray[F]:
    """Mean of K pictures of the same scene: independent noise falls as 1 / sqrt(K).

    .. math:: x = \\frac1K \\sum_k y_k, \\qquad \\sigma_x = \\sigma_y / \\sqrt K

    Parameters
    ----------
    stack
        (K, H, W) or (K, H, W, C), floating point, K at least 1.

    Returns
    -------
    picture
        (H, W) or (H, W, C), of the dtype of the stack; summed in float64.

    Raises
    ------
    BadInput
        If the stack is not floating point.
    ShapeError
        If it is empty or has another number of dimensions.

    Examples
    --------
    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, (16, 64, 64))
    >>> print(f"{noisy[0].std():.3f} {average(noisy).std():.3f}")
    0.100 0.025
    """
    stack = np.asarray(stack)
    if stack.ndim not in (3, 4) or stack.size == 0:
        raise ShapeError(f"averaging needs a stack (K, H, W) or (K, H, W, C), found shape {stack.shape}")
    if not np.issubdtype(stack.dtype, np.floating):
        raise BadInput(f"averaging needs floating point, found {stack.dtype}; scale the pictures to 0..1")
    return np.asarray(stack.mean(axis=0, dtype=np.float64).astype(stack.dtype))
