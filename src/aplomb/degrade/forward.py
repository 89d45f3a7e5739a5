"""Forward models: y = D x + noise, an operator with what is known of the noise; read from tables and TOML files.

A table has steps, in the order in which light, optics and sensor act, and the noise:

>>> text = '''
... [[step]]
... kind = "blur"
... psf = "motion"
... length = 9
... angle = 30
... border = "circular"
...
... [[step]]
... kind = "downsample"
... factor = 2
...
... [noise]
... kind = "gaussian"
... sigma = 2.55
... '''
>>> import tomllib
>>> model = parse_forward(tomllib.loads(text))
>>> model.operator.output_shape((1, 3, 64, 48)), round(model.sigma, 4)
((1, 3, 32, 24), 0.01)

A step has a `kind` and the keys of that kind. A key with a default may be left out; files stand beside the TOML file;
sizes are (height, width) of the picture that arrives at the step, and may be left out where the reader is told the
picture's shape.

| kind | keys |
|---|---|
| blur | psf: "gaussian" (sigma, size), "disk" (radius), "motion" (length, angle), "shake" (length, seed = 0), a file \
(index, normalise), or rows of numbers (normalise); border = "reflect", "circular", "replicate", "zero" or "valid" |
| downsample | factor = 2: every so many pixels |
| bicubic | factor = 2, antialias = true |
| mask | file: a picture, what is not black is seen; or draw: "random" (fraction = 0.5), "scratches" (count = 10, \
width = 2.0), "regions" (count = 5, side = 16), each with seed = 0, or "text" (text = "Aplomb", height = 16.0); size |
| mosaic | pattern = "RGGB" |
| interference | frequency = [down, across] in cycles per pixel, amplitude in grey levels (0..255), \
phase = 0.0 degrees |
| fourier | mask: a file, or sampling: "cartesian", "radial", "random" (fraction = 0.3, seed = 0, size); maps: a .npy \
file of coil sensitivities; real = true |
| gaussian | block = 32, fraction = 0.25, seed = 0, orthonormal = false |
| hadamard | fraction = 0.25, seed = 0, signs = true, low = 0.0, size |
| radon | angles: a number of them, over 180 degrees, or a list of degrees; circle = true, size |
| fan-beam | angles: a number of them, over 360 degrees, or a list of degrees; source_distance, \
detector_distance = 0.0, detectors, spacing, size |

`[noise]` has a kind of `aplomb.degrade.noise` and its numbers; the sigma of Gaussian noise and read_noise are in grey
levels (0..255). `name`, beside the steps, is for reports.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.degrade.noise import Gaussian, Noise, noise
from aplomb.degrade.steps import KINDS, Here, call
from aplomb.errors import BadInput, ShapeError
from aplomb.operator import Linearity, Operator, chain

__all__ = ["ForwardModel", "parse_forward", "read_forward"]

Leaf = TypeVar("Leaf", bound=Operator)


@dataclass(frozen=True)
class ForwardModel:
    """How a measurement comes from a picture: y = D x + noise.

    Parameters
    ----------
    operator
        D, linear or affine, on (N, C, H, W).
    noise
        What the measurement adds, or None where nothing is known of it.
    name
        For messages and reports.

    Raises
    ------
    BadInput
        The operator is nonlinear.

    Examples
    --------
    >>> from aplomb.degrade.blur import blur
    >>> from aplomb.degrade.psf import disk
    >>> model = ForwardModel(blur(disk(2), "valid"), Gaussian(0.01))
    >>> y = model.simulate(np.zeros((1, 1, 32, 32)), np.random.default_rng(0))
    >>> y.shape, model.picture_shape(y.shape), model.sigma
    ((1, 1, 28, 28), (1, 1, 32, 32), 0.01)
    """

    operator: Operator
    noise: Noise | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.operator.linearity is Linearity.NONLINEAR:
            raise BadInput(f"{self._named} is nonlinear; a forward model is linear or affine")

    @property
    def _named(self) -> str:
        return f"forward model {self.name or repr(self.operator)}"

    @property
    def linear(self) -> Operator:
        """The linear part of the operator: D x = linear x + offset."""
        return self.operator.linear_part()

    @property
    def sigma(self) -> float | None:
        """Standard deviation of the noise in 0..1 where it is Gaussian (0 for none at all), else None."""
        return self.noise.sigma if isinstance(self.noise, Gaussian) else None

    def find(self, kind: type[Leaf]) -> Leaf | None:
        """The first leaf of that kind, or None."""
        return next((leaf for leaf in self.operator.leaves() if isinstance(leaf, kind)), None)

    def simulate(self, picture: Array, rng: np.random.Generator) -> Array:
        """The measurement of a picture (N, C, H, W) in 0..1, with noise drawn from `rng`; ShapeError if it fits not."""
        measured = self.operator(picture)
        return measured if self.noise is None else self.noise(measured, rng)

    def picture_shape(self, measured: Shape) -> Shape:
        """Shape of the pictures whose measurement has the shape `measured`; ShapeError if there are none."""
        try:
            picture = self.linear.adjoint().output_shape(measured)
            back = self.operator.output_shape(picture)
        except ShapeError as error:
            raise ShapeError(f"a measurement of shape {tuple(measured)} does not fit {self._named}: {error}") from None
        if back != tuple(measured):
            raise ShapeError(f"a measurement of shape {tuple(measured)} does not fit {self._named}, which gives {back}")
        return picture

    def check_measurement(self, y: Array) -> None:
        """Refuse an array that this model cannot have given.

        Raises
        ------
        ShapeError
            The shape does not fit.
        BadInput
            It is not floating point, or has values that are NaN or infinite.
        """
        self.picture_shape(tuple(y.shape))
        values = np.asarray(y)
        if values.dtype.kind != "f":
            raise BadInput(f"a measurement must be floating point, found {values.dtype}; scale it as the picture")
        if not np.isfinite(values).all():
            raise BadInput("the measurement has values that are NaN or infinite; mend or mask them first")

    def centred(self, y: Array) -> Array:
        """The measurement without what the model adds to any picture, y - D 0: what the linear part is to explain."""
        if self.operator.linearity is Linearity.LINEAR:
            return y
        return y - self.operator(0 * self.linear.adjoint()(y))


def read_forward(path: str | os.PathLike[str], shape: Shape | None = None) -> ForwardModel:
    """The forward model in a TOML file (see `aplomb.degrade.forward` for its form).

    Parameters
    ----------
    path
        The file; files that it names stand beside it.
    shape
        As of `parse_forward`.

    Raises
    ------
    BadInput
        It is missing, no TOML, or as of `parse_forward`; the message begins with the file's name.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"forward model {path} cannot be read: {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"forward model {path} is not valid TOML: {error}") from None
    try:
        return parse_forward(table, path.parent, shape)
    except BadInput as error:
        raise type(error)(f"{path}: {error}") from None


def parse_forward(
    table: Mapping[str, Any], folder: str | os.PathLike[str] = ".", shape: Shape | None = None
) -> ForwardModel:
    """The forward model in a table (see `aplomb.degrade.forward` for its form).

    Parameters
    ----------
    table
        ``{"step": [{"kind": ..., ...}, ...], "noise": {"kind": ..., ...}, "name": ...}``, the last two if wanted.
    folder
        Where the files are that it names.
    shape
        (N, C, H, W) of the pictures, for steps that need a size and are not given one.

    Raises
    ------
    BadInput
        A kind or a key is not known or missing, with what is known; a value is not possible; steps do not fit `shape`.

    Examples
    --------
    >>> parse_forward({"step": [{"kind": "mask", "draw": "random"}]}, shape=(1, 1, 8, 8)).operator.input_channels()
    >>> parse_forward({"step": [{"kind": "mosaic", "patern": "RGGB"}]})
    Traceback (most recent call last):
        ...
    aplomb.errors.BadInput: step 1, mosaic: no key 'patern'; its keys are pattern
    """
    unknown = [key for key in table if key not in ("step", "noise", "name")]
    if unknown:
        raise BadInput(f"a forward model has no {unknown[0]!r}; its parts are [[step]], [noise] and name")
    steps = table.get("step", [])
    steps_wrong = not isinstance(steps, list) or not all(isinstance(step, Mapping) for step in steps)
    if steps_wrong or not (steps or table.get("noise")):
        raise BadInput("a forward model needs steps, each a table [[step]] with its kind, or [noise]")
    operator, here = chain(), None if shape is None else tuple(int(n) for n in shape)
    for number, step in enumerate(steps, 1):
        keys = dict(step)
        kind = keys.pop("kind", None)
        if kind not in KINDS:
            raise BadInput(f"step {number} has the kind {kind!r}; known are {', '.join(KINDS)}")
        place = Here(Path(folder), here)
        try:
            made = call("", KINDS[kind], keys, place)
            here = None if here is None else made.output_shape(here)
        except BadInput as error:
            raise type(error)(f"step {number}, {kind}: {error}") from None
        operator = chain(operator, made)
    return ForwardModel(operator, _noise(table.get("noise")), str(table.get("name", "")))


def _noise(table: Any) -> Noise | None:
    if table is None:
        return None
    if not isinstance(table, Mapping) or not isinstance(table.get("kind"), str):
        raise BadInput(f"[noise] needs a kind and its numbers, found {table!r}")
    numbers = {key: value for key, value in table.items() if key != "kind"}
    in_levels = {"gaussian": ("sigma",), "poisson-gaussian": ("read_noise",)}.get(table["kind"], ())
    for key in in_levels:
        if isinstance(numbers.get(key), (int, float)):
            numbers[key] = numbers[key] / 255
    return noise(table["kind"], **numbers)
