"""What can be compared: classical methods, networks, and anything that is called like them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.sources import Image
from aplomb.errors import AplombError, BadInput
from aplomb.model import Card, Model, load, shipped

__all__ = ["Answer", "Method", "choose", "free_name", "shipped_for"]

Denoiser = Callable[..., Any]
"""``denoiser(image, sigma) -> image``, with a `name` if it has one."""


@dataclass(frozen=True)
class Answer:
    """What a method makes of a picture; `seconds` as it counts them itself, or None."""

    image: NDArray[Any]
    seconds: float | None = None
    detail: str = ""
    """How it was run."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """A denoiser with a name."""

    name: str
    kind: Literal["classical", "network", "given"]
    run: Callable[[Image, float], Answer]
    card: Card | None = None
    """Which channels and noise levels it is made for; None: any."""
    asked: bool = True
    """Whether it was named by the caller; one that was not is passed over where it does not fit."""

    def takes(self, channels: int, level: float) -> bool:
        """Whether it runs on such a picture: always if it was named.

        >>> card = Card(channels=1, noise_range=(0.0, 0.2))
        >>> method = Method("net", "network", lambda image, sigma: Answer(image), card, asked=False)
        >>> method.takes(1, 0.1), method.takes(3, 0.1), method.takes(1, 0.3)
        (True, False, False)
        """
        fits = self.card is None or (self.card.channels == channels and self.card.covers(level))
        return self.asked or fits


def choose(
    methods: Sequence[str | os.PathLike[str] | Model | Denoiser] | None = None,
    without: Iterable[str] = (),
    **engine: Any,
) -> list[Method]:
    """The methods of those names, paths, models and functions.

    None takes every classical one, and the networks for noise of a level that is told.

    Parameters
    ----------
    methods
        Names of classical methods and of shipped models, paths of ONNX files, loaded models, and functions
        ``f(image, sigma)``.
    without
        Names to leave out.
    engine
        Options for `aplomb.denoise`.

    Raises
    ------
    BadInput
        A name that is neither a method nor a model nor a file.

    Examples
    --------
    >>> def half(image, sigma):
    ...     return image / 2
    >>> [method.name for method in choose([half])]
    ['half']
    """
    from aplomb.classical import BASELINES

    left_out = {str(name).casefold() for name in without}
    networks = shipped_for("denoise")
    known = [*BASELINES, *(model.path.stem for model in networks)]
    if unknown := sorted(name for name in left_out if name not in {k.casefold() for k in known}):
        raise BadInput(f"asked to leave out {unknown[0]!r}, which is not a method; known are {', '.join(known)}")
    # what was made for the speckle of one instrument is out of place here, unless it is asked for
    usual = [model for model in networks if model.card is not None and model.card.noise_range is not None]
    wanted: Sequence[Any] = [*BASELINES, *usual] if methods is None else methods
    if isinstance(wanted, (str, os.PathLike)):
        wanted = [wanted]
    found: dict[str, Method] = {}
    for item in wanted:
        method = _method(item, BASELINES, asked=methods is not None, engine=engine)
        named = item.path.stem if isinstance(item, Model) else str(item)
        if {method.name.casefold(), named.casefold()} & left_out:
            continue
        name = free_name(method.name, found)
        found[name] = method if name == method.name else replace(method, name=name)
    if not found:
        raise BadInput("no method is left to compare; name at least one")
    return list(found.values())


def shipped_for(task: str) -> list[Model]:
    """The shipped models whose cards say that task.

    >>> [model.name for model in shipped_for("denoise")][:2]
    ['denoise-colour', 'denoise-grey']
    """
    models = [load(name) for name in shipped()]
    return [model for model in models if model.card is not None and model.card.task == task]


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, with a number if it is taken: two files may have one name.

    >>> free_name("otsu", ["otsu", "otsu (2)"])
    'otsu (3)'
    """
    free, count = name, 2
    while free in taken:
        free, count = f"{name} ({count})", count + 1
    return free


def _method(item: Any, baselines: Any, *, asked: bool, engine: dict[str, Any]) -> Method:
    if isinstance(item, Model):
        return _network(item, asked, engine)
    if callable(item):
        return _function(item, str(getattr(item, "name", getattr(item, "__name__", repr(item)))), "given")
    text = str(item)
    classical = {name.casefold(): name for name in baselines}.get(text.casefold())
    if classical is not None:
        return _function(baselines[classical], classical, "classical")
    if text not in shipped() and not Path(text).is_file():
        known = ", ".join([*baselines, *(model.path.stem for model in shipped_for("denoise"))])
        raise BadInput(f"asked for method {text!r}, which is neither a file nor one of {known}")
    try:
        return _network(load(text), asked, engine)
    except AplombError as error:
        return Method(Path(text).stem, "network", _refusal(error))


def _network(model: Model, asked: bool, engine: dict[str, Any]) -> Method:
    def run(image: Image, sigma: float) -> Answer:
        from aplomb.restore import denoise

        result = denoise(image, sigma, model, error=False, **engine)
        return Answer(result.image, result.seconds, f"{result.engine} {result.precision}", result.notes)

    return Method(model.name, "network", run, model.card, asked)


def _function(denoiser: Denoiser, name: str, kind: Literal["classical", "given"]) -> Method:
    return Method(name, kind, lambda image, sigma: Answer(np.asarray(denoiser(image, sigma))))


def _refusal(error: AplombError) -> Callable[[Image, float], Answer]:
    """A method that only tells why it cannot be."""

    def run(image: Image, sigma: float) -> Answer:
        raise error

    return run
