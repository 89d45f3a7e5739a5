"""Certificates: how much a network can amplify a change of its input, proved from above and searched for from below."""

from __future__ import annotations

import hashlib
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Context, Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.data import load_pictures
from aplomb.errors import BadInput, ModelError, RunError, ShapeError
from aplomb.facts.flow import steps
from aplomb.facts.gain import gain_at
from aplomb.facts.lipschitz import tight
from aplomb.facts.rounding import rounding_error
from aplomb.facts.table import fitting_shape
from aplomb.layers.conv import Conv
from aplomb.layers.pad import NO_PADS, Pad
from aplomb.model import Model, load
from aplomb.operator import Bound, Operator

__all__ = ["Certificate", "Found", "Layer", "certify"]

USEFUL = 100.0
"""A bound this many times above the strongest amplification that was found says nothing about the network in use."""
SLACK = 1e-9
"""What is found is computed in float64 and may lie this far above the truth, relative to it."""
RADII = (1e-3, 0.1)
"""Sizes of the changes that are searched for, root mean square of the range: a local one, and one as large as noise."""


@dataclass(frozen=True)
class Layer:
    """One layer and its own bound."""

    number: int
    name: str
    bound: Bound
    padding: tuple[tuple[int, int], tuple[int, int]]
    border: str


@dataclass(frozen=True)
class Found:
    """The strongest amplification that was found around one picture, by changes of one size."""

    where: str
    radius: float
    """Root mean square of the change, in the range 0..1."""
    gain: float
    area: Shape = ()
    """Rows and columns of the part of the picture that was searched; empty for vectors."""


@dataclass(frozen=True)
class Certificate:
    """What is proved of a network's stability in l2, and what was found; `certify` makes it."""

    name: str
    weights: str
    """SHA-256 over the weights that were certified."""
    bound: Bound
    """Of the whole network, composed: ``||T x - T y|| <= bound ||x - y||``."""
    layers: tuple[Layer, ...]
    found: tuple[Found, ...]
    rounding: float
    """Bound of the rounding error of one execution in float32, root mean square, for inputs of `shape`."""
    shape: Shape
    level: float | None
    """Noise level at which the amplification was searched for, where the network is told one."""
    seconds: float
    versions: Mapping[str, str]

    @property
    def gain(self) -> float:
        """The strongest amplification that was found."""
        return max((f.gain for f in self.found), default=0.0)

    @property
    def sentence(self) -> str:
        """What the certificate says, in words.

        >>> from aplomb.layers import hard_clip
        >>> certify(hard_clip(), iterations=2).sentence
        'Whatever is changed in the input, the output never changes by more (in l2, for pictures of every size).'
        """
        seen = f"The strongest amplification found here is {self.gain:.3g}; there may be stronger ones elsewhere."
        if self.bound.kind == "unknown":
            return f"Nothing is proved: {self.bound.reason}. {seen}"
        if self.bound.value > USEFUL * max(self.gain, 1e-9):
            return (
                f"The bound, {self.bound.value:.3g}, is true and says nothing about the network in use: a network that "
                f"was not made to be stable cannot be certified layer by layer. {seen}"
            )
        # no rule looks at what a level sets, widths and thresholds, so that the bound holds for all of them
        where = "in l2, for pictures of every size" + (", told any noise level" if self.level is not None else "")
        changed = "Whatever is changed in the input, the output never changes"
        if self.bound.value <= 1 + 1e-6:
            more = "" if self.bound.value <= 1 else f", up to a factor of {self.bound.value:.9f}"
            return f"{changed} by more{more} ({where})."
        return f"{changed} by more than {_up(self.bound.value)} times as much ({where}). {seen}"

    def to_dict(self) -> dict[str, Any]:
        """The certificate as plain values, for JSON; ``bound`` is the composed bound, None if none is proved."""
        return {
            "name": self.name,
            "weights_sha256": self.weights,
            "bound": _finite(self.bound.value),
            "kind": self.bound.kind,
            "reason": self.bound.reason,
            "norm": "l2",
            "sizes": "all",
            "found": [{"where": f.where, "radius": f.radius, "gain": f.gain, "area": list(f.area)} for f in self.found],
            "gain": self.gain,
            "layers": [
                {
                    "number": layer.number,
                    "name": layer.name,
                    "bound": _finite(layer.bound.value),
                    "kind": layer.bound.kind,
                    "reason": layer.bound.reason,
                    "padding": [list(side) for side in layer.padding],
                    "border": layer.border,
                }
                for layer in self.layers
            ],
            "rounding_error_rms": _finite(self.rounding),
            "rounding_shape": list(self.shape),
            "noise_level": self.level,
            "sentence": self.sentence,
            "seconds": self.seconds,
            "versions": dict(self.versions),
        }

    def __str__(self) -> str:
        """Table of layers, what was found, and the sentence."""
        width = max((len(layer.name) for layer in self.layers), default=5)
        lines = [f"{self.name}  (weights {self.weights[:12]})", ""]
        lines += [f"{'':>3}  {'layer':<{width}}  {'bound':>10}  {'kind':<7}  by"]
        for layer in self.layers:
            value = "" if layer.bound.kind == "unknown" else _up(layer.bound.value)
            lines += [
                f"{layer.number:>3}  {layer.name:<{width}}  {value:>10}  {layer.bound.kind:<7}  {layer.bound.reason}"
            ]
        whole = "unknown" if self.bound.kind == "unknown" else f"{_up(self.bound.value)} ({self.bound.kind})"
        lines += ["", f"whole network: {whole}, {self.bound.reason}"]
        level = "" if self.level is None else f", told a noise of {255 * self.level:g} of 255"
        for f in self.found:
            # the search is in the middle; where a picture was smaller than usual, that is told
            area = "" if f.area == self.shape[2:] else f" ({' x '.join(map(str, f.area))} pixels)"
            lines += [
                f"found: {f.gain:.6g} around {f.where}{area}, by changes of {255 * f.radius:g} of 255 (rms){level}"
            ]
        if math.isfinite(self.rounding):
            size = " x ".join(map(str, self.shape[2:] or self.shape[1:]))
            lines += [
                f"executed in float32, two results differ by up to {2 * self.rounding:.2g} more (rms, inputs of {size})"
            ]
        return "\n".join([*lines, "", self.sentence])


def certify(
    model: str | Path | Model | Operator,
    pictures: Mapping[str, Array] | Sequence[str | Path] | None = None,
    *,
    sigma: float = 25 / 255,
    iterations: int = 10,
    seed: int = 0,
    progress: Callable[..., None] | None = None,
) -> Certificate:
    """Bound how much a network can amplify a change of its input, and search for the strongest amplification.

    The bound L is proved: ||T x - T y|| <= L ||x - y|| in l2 for every two inputs x, y of one size, whatever size the
    network takes, with T the network in exact arithmetic with the weights of the file. Rounding errors in computing L
    are added to it; those of executing T are a number of their own, `Certificate.rounding`. What is found is attained
    by two inputs, so that the smallest L lies between the two, up to the float64 rounding of the search. The guide (How
    far to trust a network) states each rule with what it assumes.

    A network that takes a noise level is certified in the picture, at any fixed level. Estimating the level from the
    picture, and rounding the result to 8 or 16 bits, are not part of T.

    Parameters
    ----------
    model
        Name of a shipped model, an ONNX file of anybody's, a `Model` or an operator.
    pictures
        Image files, or arrays (H, W) or (H, W, C) in 0..1 by name, around which to search; the middle of each is
        looked at (64 x 64 pixels, or the nearest that fits; less of smaller pictures). Noise and a photograph of
        scikit-image unless given.
    sigma
        Noise level that networks which take one are told while searching, in the range 0..1; clipped to the range that
        the network was trained for. The bound does not depend on it.
    iterations
        Steps of each search.
    seed
        Of the noise, and of the first changes.
    progress
        Called with the steps done, the steps in all, and what is looked at.

    Returns
    -------
    certificate
        Prints as a table with a sentence; `to_dict` for JSON.

    Raises
    ------
    ModelError
        No such model, a broken or a quantised file, weights that are no numbers, or operations that are not known;
        they are named.
    BadInput, ShapeError
        A picture has the wrong number of channels, or is smaller than the network takes.
    RunError
        An amplification was found above the bound, so that a rule is wrong; nothing is certified then.

    Examples
    --------
    >>> from aplomb.layers import conv, relu
    >>> from aplomb.operator import chain
    >>> found = certify(chain(conv(1, 2, bias=False), relu), iterations=2)
    >>> found.gain <= found.bound.value
    True
    """
    start = time.perf_counter()
    operator, name, weights, level, channels = _network(model, sigma)
    tell = progress or (lambda *_: None)
    shown, _ = steps(operator)
    layers = []
    for number, step in enumerate(shown, 1):
        tell(number, len(shown) + 1, f"layer {number}")
        if not step.join:
            layers.append(Layer(number, step.name, _of_layer(step.operator), *_border(step.operator)))
    tell(len(shown), len(shown) + 1, "the whole network")
    bound = operator.lipschitz(tight)
    shape = fitting_shape(operator, channels)
    starts = _starts(operator, shape, pictures, seed)
    error = rounding_error(operator, shape)
    found: list[Found] = []
    for place, (where, x) in enumerate(starts.items()):
        change = None
        for turn, radius in enumerate(RADII):
            tell(len(RADII) * place + turn, len(RADII) * len(starts), f"searching around {where}")
            best = gain_at(operator, x, radius=radius, iterations=iterations, seed=seed, start=change)
            if not math.isfinite(best.value):
                raise ModelError(
                    f"{name} gives values that are infinite or no numbers around {where}; look at its weights"
                )
            found.append(Found(where, radius, best.value, tuple(x.shape[2:])))
            change = best.change
            if best.value > bound.value * (1 + SLACK):
                raise RunError(
                    f"{name}: a gain of {best.value:.9g} was found above the bound {bound.value:.9g}; "
                    "the bound is wrong, please report it with the model"
                )
    kinds = {"aplomb": version("aplomb"), "numpy": np.__version__, "python": platform.python_version()}
    rms = error / math.sqrt(math.prod(shape))
    return Certificate(
        name, weights, bound, tuple(layers), tuple(found), rms, shape, level, time.perf_counter() - start, kinds
    )


def _network(model: str | Path | Model | Operator, sigma: float) -> tuple[Operator, str, str, float | None, int | None]:
    """Operator in the picture alone, name, hash of the weights, level that it is told, channels if they are stated."""
    level = channels = None
    if isinstance(model, Operator):
        operator, name = model, type(model).__name__
    else:
        model = model if isinstance(model, Model) else load(model)
        operator, name, level = model.told(sigma), model.name, model.level(sigma)
        channels = model.channels_in if level is None else model.card.channels if model.card else None
    digest = hashlib.sha256()
    for key, array in operator.weights().items():
        if not np.isfinite(array).all():
            raise ModelError(f"{name} has weights that are infinite or no numbers ({key}); nothing can be certified")
        digest.update(f"{key}{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return operator, name, digest.hexdigest(), level, channels


def _of_layer(operator: Operator) -> Bound:
    """Its bound; for a layer with an activation the reason is that of the layer."""
    bound = operator.lipschitz(tight)
    heavy = [leaf for leaf in operator.leaves() if leaf.parameters]
    return replace(bound, reason=heavy[0].lipschitz(tight).reason) if heavy and bound.kind != "unknown" else bound


def _starts(
    operator: Operator, shape: Shape, pictures: Mapping[str, Array] | Sequence[str | Path] | None, seed: int
) -> dict[str, Array]:
    """Inputs to search around: of `shape`, or as large as a smaller picture allows."""
    if pictures is not None and len(shape) != 4:
        raise BadInput(f"pictures were given, and the network takes vectors of {shape[1]} numbers; leave them out")
    if pictures is None:
        starts = {"noise": np.random.default_rng(seed).random(shape)}
        if len(shape) == 4 and shape[1] in (1, 3):
            from skimage.data import astronaut

            photo = astronaut()[30:, 180:] / 255
            photo = photo if shape[1] == 3 else photo.mean(axis=2)
            starts["a photograph"] = _part(operator, photo, shape, "the photograph")
        return starts
    if not isinstance(pictures, Mapping):
        pictures = {str(path): _read(Path(path), shape[1]) for path in pictures}
    return {name: _part(operator, array, shape, name) for name, array in pictures.items()}


def _read(path: Path, channels: int) -> Array:
    if channels not in (1, 3):
        raise BadInput(f"{path} was given, and the network takes {channels} channels; give arrays from Python")
    array = load_pictures([path], channels=channels)[0].transpose(1, 2, 0)
    return array / (np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1)


def _part(operator: Operator, array: Array, shape: Shape, name: str) -> Array:
    """The middle of a picture (H, W) or (H, W, C), as (1, C, h, w): of `shape`, or the most that fits."""
    array = np.asarray(array, np.float64)
    array = array[:, :, None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] != shape[1]:
        found = "x".join(map(str, array.shape))
        raise BadInput(
            f"picture {name} has the shape {found}, the network takes {shape[1]} channel(s); convert it first"
        )
    if not np.isfinite(array).all():
        raise BadInput(f"picture {name} has values that are infinite or no numbers; replace them")
    fitting = [_sizes(operator, shape, axis) for axis in (0, 1)]
    largest = [
        max((n for n in sizes if n <= there), default=0) for sizes, there in zip(fitting, array.shape, strict=False)
    ]
    if not all(largest):
        raise ShapeError(
            f"picture {name} has {array.shape[0]} x {array.shape[1]} pixels, the network takes at least "
            f"{min(fitting[0])} x {min(fitting[1])}; give a larger one"
        )
    h, w = largest
    y, x = (array.shape[0] - h) // 2, (array.shape[1] - w) // 2
    return array[y : y + h, x : x + w].transpose(2, 0, 1)[None]


def _sizes(operator: Operator, shape: Shape, axis: int) -> list[int]:
    """Sizes along `axis` that the operator takes, up to that of `shape`; one axis does not depend on the other."""
    found = []
    for n in range(1, shape[2 + axis] + 1):
        try:
            operator.output_shape((*shape[: 2 + axis], n, *shape[3 + axis :]))
        except (ShapeError, ValueError):
            continue
        found.append(n)
    return found


def _border(operator: Operator) -> tuple[tuple[tuple[int, int], tuple[int, int]], str]:
    for leaf in operator.leaves():
        if isinstance(leaf, Pad):
            return leaf.pads, leaf.border
        if isinstance(leaf, Conv):
            return leaf.pads, "none" if leaf.pads == NO_PADS else "cropped" if leaf.transposed else "zero"
    return NO_PADS, "none"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _up(value: float) -> str:
    """A bound with few digits, rounded up."""
    return f"{Decimal(value).normalize(Context(prec=6, rounding=ROUND_CEILING)):g}" if math.isfinite(value) else "inf"
