"""Denoisers that look further than a window: edges, wavelets, similar patches; mostly of known libraries.

The strengths, as functions of sigma, were chosen as those of `aplomb.classical.filters`. The libraries are
called such that they neither rescale nor clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.classical.filters import Denoiser, check_number, check_size
from aplomb.errors import BadInput

__all__ = [
    "BM3D",
    "Bilateral",
    "HighPassClip",
    "NonLocalMeans",
    "TotalVariation",
    "WaveletShrinkage",
    "Wiener",
]

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class HighPassClip(Denoiser):
    """The handcrafted ancestor of a residual network: small detail is taken for noise and subtracted.

    .. math:: x = y - \\sum_k h_k^T * \\mathrm{clip}_t(h_k * y), \\qquad
              \\mathrm{clip}_t(d) = \\max(-t, \\min(t, d))

    The h_k are the n^2 - 1 cosine filters of an n x n window that are not constant, divided by n. As ``y =
    mean + sum_k h_k' * (h_k * y)`` and ``d - clip_t(d)`` is soft shrinkage, this is the same as shrinking the
    detail and adding it back to a mean filter (t = 0: the image itself; t = infinity: the mean, twice). It is
    also a network with one hidden layer: convolution, clipping, convolution, subtract.

    Parameters
    ----------
    size
        Side n of the filters in pixels, odd, at least 3; 3 gives 8 filters, 5 gives 24.
    strength
        t in units of sigma (of a filter h_k with norm 1). None: ``3 sigma^0.23``, 1.8 at sigma 25 of 255.

    Raises
    ------
    BadInput
        If the size is even or below 3, or the strength negative.

    References
    ----------
    D. L. Donoho, "De-noising by soft-thresholding", IEEE Trans. Information Theory 41 (3), 1995. For the
    cosine filters: G. Yu, G. Sapiro, "DCT image denoising", Image Processing On Line 1, 2011.

    Examples
    --------
    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, (64, 64))
    >>> print(f"{noisy.std():.3f} {HighPassClip()(noisy, 0.1).std():.3f}")
    0.100 0.024
    """

    size: int = 5
    strength: float | None = None
    name: ClassVar[str] = "high-pass-clip"

    def __post_init__(self) -> None:
        check_size(self.name, self.size)
        check_number(self.name, "a strength", self.strength)
        if self.size < 3:
            raise BadInput(f"{self.name} needs filters of at least 3 pixels, found {self.size}")

    def _restore(self, image: Floats, sigma: float) -> Floats:
        from scipy.fft import dct
        from scipy.ndimage import convolve1d, correlate1d

        n = self.size
        t = sigma * (3 * sigma**0.23 if self.strength is None else self.strength)
        cosines = dct(np.eye(n), axis=0, norm="ortho")
        x = image.copy()
        for i, down in enumerate(cosines):
            rows, noise = correlate1d(image, down, axis=0, mode="mirror"), np.zeros_like(image)
            for j, across in enumerate(cosines):
                if i or j:
                    detail = correlate1d(rows, across, axis=1, mode="mirror").clip(-t, t)
                    noise += convolve1d(detail, across, axis=1, mode="mirror")
            x -= convolve1d(noise, down, axis=0, mode="mirror") / n**2
        return x


@dataclass(frozen=True)
class Wiener(Denoiser):
    """Local Wiener filter: the mean of a window, and of the rest the part that the variance explains.

    .. math:: x_i = \\mu_i + \\frac{\\max(v_i - \\sigma^2, 0)}{v_i} (y_i - \\mu_i)

    with mean mu and variance v over a square window (side 5 below sigma 20 of 255, then 7), on each channel.
    The borders are mirrored before `scipy.signal.wiener`, which would put zeros there.

    References
    ----------
    J. S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE Trans. Pattern
    Analysis and Machine Intelligence 2 (2), 1980.

    Examples
    --------
    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, (64, 64))
    >>> print(f"{noisy.std():.3f} {Wiener()(noisy, 0.1).std():.3f}")
    0.100 0.019
    """

    name: ClassVar[str] = "wiener"

    def _restore(self, image: Floats, sigma: float) -> Floats:
        from scipy.signal import wiener

        size = 5 if sigma < 20 / 255 else 7

        def one(plane: Floats) -> Floats:
            padded = np.pad(plane, size, mode="symmetric")
            with np.errstate(divide="ignore", invalid="ignore"):  # windows without variance become their mean
                return np.asarray(wiener(padded, size, sigma**2)[size:-size, size:-size])

        return _each(one, image)


@dataclass(frozen=True)
class Bilateral(Denoiser):
    """Mean of the neighbours, weighted by how near they are in place and in value.

    .. math:: x_i = \\frac{\\sum_j w_{ij} y_j}{\\sum_j w_{ij}}, \\qquad
              w_{ij} = \\exp\\Big(-\\frac{|i - j|^2}{2 s^2} - \\frac{|y_i - y_j|^2}{2 C (3 \\sigma)^2}\\Big)

    over a window of radius 2.5 s, s = 1.5 pixels, C channels weighted as one. Written out here, since
    `skimage.restoration.denoise_bilateral` (0.26) reads its table of spatial weights with the wrong width,
    which shears the window, and takes a wrong range where an image is negative.

    References
    ----------
    C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998.

    Examples
    --------
    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, (64, 64))
    >>> print(f"{noisy.std():.3f} {Bilateral()(noisy, 0.1).std():.3f}")
    0.100 0.025
    """

    name: ClassVar[str] = "bilateral"

    def _restore(self, image: Floats, sigma: float) -> Floats:
        near, radius = 1.5, 4
        image = image[..., None] if image.ndim == 2 else image
        height, width, channels = image.shape
        padded = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="symmetric")
        total, weights = np.zeros_like(image), np.zeros_like(image[..., :1])
        for i in range(-radius, radius + 1):
            for j in range(-radius, radius + 1):
                other = padded[radius + i : radius + i + height, radius + j : radius + j + width]
                apart = np.square(other - image).sum(axis=2, keepdims=True) / (channels * (3 * sigma) ** 2)
                weight = np.exp(-0.5 * (apart + (i * i + j * j) / near**2))
                total += weight * other
                weights += weight
        return total / weights


@dataclass(frozen=True)
class TotalVariation(Denoiser):
    """The image near the noisy one that has the least total variation, on each channel.

    .. math:: x = \\arg\\min_u \\tfrac12 \\|u - y\\|^2 + \\lambda \\sum_i |\\nabla u_i|, \\qquad
              \\lambda = 1.4 \\sigma^{1.2}

    by Chambolle's projections (`skimage.restoration.denoise_tv_chambolle`, at most 200, with a stopping rule
    that is tight enough for the result to follow lambda).

    References
    ----------
    L. Rudin, S. Osher, E. Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60,
    1992. A. Chambolle, "An algorithm for total variation minimization and applications", J. Mathematical
    Imaging and Vision 20, 2004.

    Examples
    --------
    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, (64, 64))
    >>> print(f"{noisy.std():.3f} {TotalVariation()(noisy, 0.1).std():.3f}")
    0.100 0.010
    """

    name: ClassVar[str] = "total-variation"

    def _restore(self, image: Floats, sigma: float) -> Floats:
        from skimage.restoration import denoise_tv_chambolle

        weight = 1.4 * sigma**1.2
        return _each(lambda plane: denoise_tv_chambolle(plane, weight, eps=1e-5, max_num_iter=200), image)


@dataclass(frozen=True)
class WaveletShrinkage(Denoiser):
    """Soft shrinkage of wavelet coefficients with BayesShrink's threshold for each band, on each channel.

    .. math:: T_b = \\sigma_b^2 / \\sqrt{\\max(v_b - \\sigma_b^2, 0)}

    with v the mean square and sigma_b the noise of band b, in 4 levels of the stationary transform
    (PyWavelets, Daubechies 2), which has no preferred grid and so beats the decimated one by about 1.5 dB.

    References
    ----------
    S. G. Chang, B. Yu, M. Vetterli, "Adaptive wavelet thresholding for image denoising and compression", IEEE
    Trans. Image Processing 9 (9), 2000. R. R. Coifman, D. L. Donoho, "Translation-invariant de-noising",
    1995.

    Examples
    --------
    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, (64, 64))
    >>> print(f"{noisy.std():.3f} {WaveletShrinkage()(noisy, 0.1).std():.3f}")
    0.100 0.005
    """

    name: ClassVar[str] = "wavelet"

    def _restore(self, image: Floats, sigma: float) -> Floats:
        import pywt

        levels, margin = 4, 16

        def shrunk(band: Floats, noise: float) -> Floats:
            signal = float(np.mean(np.square(band, dtype=np.float64))) - noise**2
            if signal <= 0:
                return np.zeros_like(band)
            return np.asarray(pywt.threshold(band, noise**2 / signal**0.5, "soft"))

        def one(plane: Floats) -> Floats:
            height, width = plane.shape
            room = [(margin, margin + -side % 2**levels) for side in plane.shape]  # the transform's multiple
            coarse, *details = pywt.swt2(
                np.pad(plane, room, mode="symmetric"), "db2", levels, trim_approx=True, norm=True
            )
            bands = [
                tuple(shrunk(band, sigma / 2 ** (levels - level)) for band in detail)
                for level, detail in enumerate(details)
            ]
            whole = pywt.iswt2([coarse, *bands], "db2", norm=True)
            return np.asarray(whole[margin : margin + height, margin : margin + width])

        return _each(one, image)


@dataclass(frozen=True)
class NonLocalMeans(Denoiser):
    """Mean of the pixels whose surroundings look alike; channels together.

    .. math:: w_{ij} = \\exp\\big(-\\max(d_{ij}^2 - 2 \\sigma^2, 0) / h^2\\big), \\qquad h = 0.6 \\sigma

    with d^2 the mean squared difference of 7 x 7 patches, j within 9 pixels of i
    (`skimage.restoration.denoise_nl_means`, fast mode).

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005.

    Examples
    --------
    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, (64, 64))
    >>> print(f"{noisy.std():.3f} {NonLocalMeans()(noisy, 0.1).std():.3f}")
    0.100 0.008
    """

    name: ClassVar[str] = "non-local-means"

    def _restore(self, image: Floats, sigma: float) -> Floats:
        from skimage.restoration import denoise_nl_means

        restored = denoise_nl_means(
            image,
            patch_size=7,
            patch_distance=9,
            h=0.6 * sigma,
            sigma=sigma,
            fast_mode=True,
            preserve_range=True,
            channel_axis=-1 if image.ndim == 3 else None,
        )
        return np.asarray(restored)


@dataclass(frozen=True)
class BM3D(Denoiser):
    """Groups of similar patches, shrunk in a 3-D transform: the reference of classical denoising.

    The package ``bm3d``: one channel as it is, three in opponent colours (patches are matched by luminance),
    other numbers of channels one by one. Its licence allows non-commercial use only, so that it is an extra:
    ``pip install "aplomb[bm3d]"``.

    Raises
    ------
    BadInput
        When called, if the package is not installed.

    References
    ----------
    K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image denoising by sparse 3-D transform-domain
    collaborative filtering", IEEE Trans. Image Processing 16 (8), 2007.

    Examples
    --------
    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, (64, 64))
    >>> print(f"{noisy.std():.3f} {BM3D()(noisy, 0.1).std():.2f}")  # doctest: +SKIP
    0.100 0.01
    """

    name: ClassVar[str] = "bm3d"

    def _restore(self, image: Floats, sigma: float) -> Floats:
        try:
            import bm3d
        except ImportError as error:
            raise BadInput(
                'bm3d (licensed for non-commercial use only) is not installed: pip install "aplomb[bm3d]"'
            ) from error

        height, width = image.shape[:2]
        room = [(0, max(16 - side, 0)) for side in (height, width)]  # it crashes below its block size, 8
        padded = np.pad(image, [*room, (0, 0)][: image.ndim], mode="symmetric")
        if image.ndim == 3 and image.shape[2] == 3:
            restored: Any = bm3d.bm3d_rgb(padded, sigma)
        else:
            restored = _each(lambda plane: bm3d.bm3d(plane, sigma).reshape(plane.shape), padded)
        return np.asarray(restored)[:height, :width]


def _each(one: Any, image: Floats) -> Floats:
    """The result of `one` on each channel."""
    if image.ndim == 2:
        return np.asarray(one(image))
    return np.stack([one(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])], axis=-1)
