"""Noise: what a sensor, a line or a coherent wave does to an image, drawn from the caller's generator.

Each noise is a value: called with an image and a generator it returns the noisy image, and `variance` says
how much the noise scatters where the image is x. Nothing is clipped, since clipping would make the noise of
dark and bright places another one (salt and pepper sets its pixels to 0 or 1, that is what it is).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from aplomb.errors import BadInput

__all__ = ["NOISES", "Gaussian", "Noise", "Poisson", "PoissonGaussian", "SaltAndPepper", "Speckle", "noise"]

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
F = TypeVar("F", bound=np.floating)


@dataclass(frozen=True)
class Noise(ABC):
    """What all noises share: ``noise(image, rng)``, checked, and ``noise.variance(x)``."""

    name: ClassVar[str]

    def __call__(self, image: npt.NDArray[F], rng: np.random.Generator) -> npt.NDArray[F]:
        """The noisy image.

        Parameters
        ----------
        image
            Floating point, any shape, in 0..1; every value draws its own noise, channels are independent.
        rng
            Generator to draw from; the same state gives the same noise, whatever the dtype of the image.

        Returns
        -------
        noisy
            Same shape and dtype, not clipped.

        Raises
        ------
        BadInput
            The image is not floating point or not finite (or negative, for counted light), or `rng` is no
            generator.
        """
        image = np.asarray(image)
        if not np.issubdtype(image.dtype, np.floating):
            raise BadInput(f"{self.name} noise needs floating point, found {image.dtype}; scale it to 0..1")
        kind = type(rng).__name__
        if not hasattr(rng, "standard_normal"):
            raise BadInput(f"{self.name} noise needs a generator, found {kind}; pass default_rng(seed)")
        if not np.isfinite(image).all():
            raise BadInput(f"{self.name} noise needs finite values, found NaN or infinity; fill them first")
        return self._draw(image.astype(np.float64), rng).astype(image.dtype)

    def variance(self, x: npt.ArrayLike) -> Doubles:
        """Variance of the noisy value where the image is `x`, a number or an array, in its shape."""
        return np.asarray(self._variance(np.asarray(x, dtype=np.float64)))

    @abstractmethod
    def _draw(self, x: Doubles, rng: np.random.Generator) -> Doubles: ...

    @abstractmethod
    def _variance(self, x: Doubles) -> Doubles: ...

    def _check(self, what: str, low: float = 0.0, high: float = np.inf, *, above: bool = False) -> None:
        """Refuse a parameter outside [low, high], or (low, high] with `above`; keep it as a float."""
        value: Any = getattr(self, what)
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not number or not np.isfinite(value) or not low <= value <= high or (above and value == low):
            wanted = f"above {low:g}" if above else f"of at least {low:g}"
            wanted += f" and at most {high:g}" if np.isfinite(high) else ""
            raise BadInput(f"{self.name} noise needs a number {what} {wanted}, found {value!r}")
        object.__setattr__(self, what, float(value))


@dataclass(frozen=True)
class Gaussian(Noise):
    """White Gaussian noise: thermal noise of electronics.

    .. math:: y = x + \\mathcal N(0, \\sigma^2), \\qquad \\mathrm{var}(y) = \\sigma^2

    Parameters
    ----------
    sigma
        Standard deviation in the units of the image, at least 0: 25/255 is "noise 25".

    Raises
    ------
    BadInput
        If `sigma` is negative or no finite number.

    Examples
    --------
    >>> noisy = Gaussian(0.1)(np.full((500, 500), 0.5), np.random.default_rng(0))
    >>> f"{noisy.mean():.2f} {noisy.std():.2f}"
    '0.50 0.10'
    """

    sigma: float
    name: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        self._check("sigma")

    def _draw(self, x: Doubles, rng: np.random.Generator) -> Doubles:
        return x + self.sigma * rng.standard_normal(x.shape)

    def _variance(self, x: Doubles) -> Doubles:
        return np.full(x.shape, self.sigma**2)


@dataclass(frozen=True)
class Poisson(Noise):
    """Photon noise: light is counted, and the count where the image is 1 is `peak` on average.

    .. math:: y = \\mathrm{Poisson}(p x) / p, \\qquad \\mathrm{var}(y) = x / p

    Parameters
    ----------
    peak
        Mean count at x = 1, above 0: the smaller, the noisier. The image must not be negative.

    Raises
    ------
    BadInput
        If `peak` is not above 0, or the image is negative somewhere.

    Examples
    --------
    >>> noisy = Poisson(100)(np.full((500, 500), 0.25), np.random.default_rng(0))
    >>> f"{noisy.mean():.2f} {noisy.std():.2f}"  # sqrt(0.25 / 100) = 0.05
    '0.25 0.05'
    """

    peak: float
    name: ClassVar[str] = "poisson"

    def __post_init__(self) -> None:
        self._check("peak", above=True)

    def _draw(self, x: Doubles, rng: np.random.Generator) -> Doubles:
        return _counted(self.name, x, 1 / self.peak, rng)

    def _variance(self, x: Doubles) -> Doubles:
        return x / self.peak


@dataclass(frozen=True)
class PoissonGaussian(Noise):
    """Noise of a camera sensor: counted light, then read-out electronics.

    .. math:: y = g \\, \\mathrm{Poisson}(x / g) + \\mathcal N(0, r^2), \\qquad \\mathrm{var}(y) = g x + r^2

    Parameters
    ----------
    gain
        g, the value that one photo-electron adds, at least 0; 0 leaves the Gaussian part only.
    read_noise
        r, standard deviation of the read-out in the units of the image, at least 0.

    Raises
    ------
    BadInput
        If a parameter is negative, or the image is negative somewhere and g is not 0.

    References
    ----------
    A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and
    fitting for single-image raw-data", IEEE Trans. Image Processing 17 (10), 2008.

    Examples
    --------
    >>> sensor = PoissonGaussian(gain=0.01, read_noise=0.02)
    >>> noisy = sensor(np.full((500, 500), 0.21), np.random.default_rng(0))
    >>> f"{noisy.std():.2f} {float(sensor.variance(0.21)) ** 0.5:.2f}"  # sqrt(0.0021 + 0.0004)
    '0.05 0.05'
    """

    gain: float
    read_noise: float
    name: ClassVar[str] = "poisson-gaussian"

    def __post_init__(self) -> None:
        self._check("gain")
        self._check("read_noise")

    def _draw(self, x: Doubles, rng: np.random.Generator) -> Doubles:
        light = _counted(self.name, x, self.gain, rng) if self.gain else x
        return light + self.read_noise * rng.standard_normal(x.shape)

    def _variance(self, x: Doubles) -> Doubles:
        return self.gain * x + self.read_noise**2


@dataclass(frozen=True)
class SaltAndPepper(Noise):
    """Impulse noise: dead and stuck pixels, transmission errors.

    .. math:: y = 0 \\text{ or } 1 \\text{ with probability } f / 2 \\text{ each, else } x, \\qquad
              \\mathrm{var}(y) = (1 - f) x^2 + f / 2 - ((1 - f) x + f / 2)^2

    It is not centred: the mean of y is (1 - f) x + f / 2.

    Parameters
    ----------
    fraction
        f, share of the values that are hit, 0..1.

    Raises
    ------
    BadInput
        If `fraction` is outside 0..1.

    Examples
    --------
    >>> noisy = SaltAndPepper(0.35)(np.full((500, 500), 0.5), np.random.default_rng(1))
    >>> f"{np.mean(noisy == 0):.2f} {np.mean(noisy == 0.5):.2f} {np.mean(noisy == 1):.2f}"
    '0.18 0.65 0.18'
    """

    fraction: float
    name: ClassVar[str] = "salt-and-pepper"

    def __post_init__(self) -> None:
        self._check("fraction", high=1.0)

    def _draw(self, x: Doubles, rng: np.random.Generator) -> Doubles:
        u = rng.random(x.shape)
        return np.where(u < self.fraction / 2, 0.0, np.where(u < self.fraction, 1.0, x))

    def _variance(self, x: Doubles) -> Doubles:
        f = self.fraction
        return np.asarray((1 - f) * x**2 + f / 2 - ((1 - f) * x + f / 2) ** 2)


@dataclass(frozen=True)
class Speckle(Noise):
    """Multiplicative noise: coherent light, ultrasound and radar, averaged over several looks.

    .. math:: y = x (1 + \\mathcal N(0, \\sigma^2)), \\qquad \\mathrm{var}(y) = \\sigma^2 x^2

    Parameters
    ----------
    sigma
        Standard deviation relative to the intensity, at least 0.

    Raises
    ------
    BadInput
        If `sigma` is negative or no finite number.

    Examples
    --------
    >>> noisy = Speckle(0.2)(np.full((500, 500), 0.5), np.random.default_rng(0))
    >>> f"{noisy.std():.2f}"
    '0.10'
    """

    sigma: float
    name: ClassVar[str] = "speckle"

    def __post_init__(self) -> None:
        self._check("sigma")

    def _draw(self, x: Doubles, rng: np.random.Generator) -> Doubles:
        return x * (1 + self.sigma * rng.standard_normal(x.shape))

    def _variance(self, x: Doubles) -> Doubles:
        return np.asarray((self.sigma * x) ** 2)


NOISES: dict[str, type[Noise]] = {
    kind.name: kind for kind in (Gaussian, Poisson, PoissonGaussian, SaltAndPepper, Speckle)
}
"""The noises by name."""


def noise(name: str, **numbers: float) -> Noise:
    """The noise of that name and those numbers.

    Parameters
    ----------
    name
        gaussian, poisson, poisson-gaussian, salt-and-pepper or speckle.
    numbers
        Its parameters, all of them, by name.

    Raises
    ------
    BadInput
        If the name, a parameter's name or a value is not known or not possible.

    Examples
    --------
    >>> noise("gaussian", sigma=0.1)
    Gaussian(sigma=0.1)
    >>> noise("poisson-gaussian", gain=0.01, read_noise=0.02)
    PoissonGaussian(gain=0.01, read_noise=0.02)
    >>> noise("rain")
    Traceback (most recent call last):
        ...
    aplomb.errors.BadInput: asked for noise 'rain', known are: gaussian, poisson, poisson-gaussian, ...
    """
    if name not in NOISES:
        raise BadInput(f"asked for noise {name!r}, known are: {', '.join(NOISES)}")
    kind = NOISES[name]
    wanted = [field.name for field in fields(kind)]
    if sorted(numbers) != sorted(wanted):
        raise BadInput(f"{name} noise takes {', '.join(wanted)}; found {', '.join(numbers) or 'nothing'}")
    return kind(**numbers)


def _counted(name: str, x: Doubles, gain: float, rng: np.random.Generator) -> Doubles:
    """Light of expectation `x`, counted in steps of `gain`."""
    if x.size and x.min() < 0:
        raise BadInput(f"{name} noise needs intensities of at least 0, found {x.min():g}; clip the image")
    if x.size and x.max() > 1e18 * gain:
        count = x.max() / gain
        raise BadInput(f"{name} noise cannot count {count:.3g} photons; for so much light use gaussian noise")
    return np.asarray(gain * rng.poisson(x / gain), dtype=np.float64)
