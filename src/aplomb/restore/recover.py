"""Inverse problems: from a measurement y = D x + noise and its forward model to the picture x."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.degrade.blur import Blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.sample import Bicubic, Mask
from aplomb.degrade.words import in_words
from aplomb.errors import BadInput, ModelError
from aplomb.io import Picture
from aplomb.layers.pad import Pad
from aplomb.layers.resample import Downsample
from aplomb.model import Model, load
from aplomb.operator import Operator
from aplomb.restore.convergence import strongest
from aplomb.restore.fitting import beyond, trained_for
from aplomb.restore.measured import Measured, measured
from aplomb.restore.plug_and_play import LAST, METHODS, levels, plug_and_play
from aplomb.restore.prior import prior
from aplomb.restore.settings import settings
from aplomb.restore.start import smoothest
from aplomb.restore.trained import apply
from aplomb.runtime.engines import EngineName

__all__ = ["Recovered", "recover"]


@dataclass(frozen=True)
class Recovered:
    """A recovered picture and how it came about."""

    image: NDArray[Any]
    """Laid out as the measurement; dtype and range of it where it is a picture."""
    method: str
    model: str
    """The network; empty for a classical method."""
    sigma: float
    """Noise level of the measurement that was reckoned with (standard deviation)."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What a careful person would want to know."""
    residuals: tuple[float, ...] = ()
    """||x_{k+1} - x_k|| of each iteration, root mean square, range 0..1; empty if there are none."""
    guarantee: str = ""
    """What is proved about the iteration; empty if nothing is."""


def recover(
    measurement: Picture | ArrayLike,
    forward: ForwardModel | Operator,
    method: str | None = None,
    sigma: float | None = None,
    model: str | Path | Model | None = None,
    *,
    iterations: int | None = None,
    strength: float | None = None,
    engine: EngineName = "auto",
    threads: int | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Recovered:
    """Recover a picture from a measurement of it, y = D x + noise.

    Parameters
    ----------
    measurement
        y. A picture, as `aplomb.denoise` takes it, where D makes pictures; else an array: k-space complex (H, W), with
        coils (K, H, W); sinograms (detectors, angles); sums of pixels (M, H, W); or (N, C, H, W).
    forward
        D with what is known of the noise, or D alone.
    method
        "network", one that was trained for this forward model; "pnp", plug-and-play by half-quadratic splitting
        ("hqs"), "admm", "proximal-gradient"; or the name of a classical one. None: the network that `model` is, else
        one in the package that was trained for this and for so much noise, else plug-and-play.
    sigma
        Standard deviation of the noise in y, the picture being in 0..1. None: the forward model's; where that says
        nothing, it is estimated from blurred pictures, and taken to be next to none elsewhere.
    model
        Name of a shipped model, ONNX file or `Model`: a network trained for this, or a denoiser for plug-and-play.
        None: the usual one, or with "proximal-gradient" the one that is non-expansive, so that the iteration is
        known to converge.
    iterations, strength
        Of plug-and-play, see `aplomb.restore.plug_and_play.plug_and_play`. None: what suits the forward model.
    engine, threads
        See `aplomb.runtime.engines.open_engine`.
    progress
        Called with the iterations done, the iterations in all and the last residual.

    Raises
    ------
    BadInput, ShapeError
        The measurement is none of this forward model, a sigma below 0, a method that is not known or does not fit.
    ModelError
        A model that does not fit the picture.

    Examples
    --------
    >>> from aplomb.degrade.blur import blur
    >>> from aplomb.degrade.psf import disk
    >>> from skimage.data import camera
    >>> clean = camera()[100:164, 180:244]
    >>> forward = ForwardModel(blur(disk(3), "circular"))
    >>> y = forward.operator(clean[None, None] / 255)[0, 0]
    >>> result = recover(y, forward, sigma=1 / 255)
    >>> bool(abs(result.image - clean / 255).mean() < 0.6 * abs(y - clean / 255).mean())
    True
    """
    begin = time.perf_counter()
    forward = forward if isinstance(forward, ForwardModel) else ForwardModel(forward)
    given = measured(measurement, forward)
    if isinstance(forward.operator, Mask):
        # what stands in the holes of a picture is not to be looked at, whatever it is
        given = replace(given, y=np.where(forward.operator.weight > 0, given.y, np.float32(0)))
    noise, notes = _noise(given, forward, sigma)
    model = model if model is None or isinstance(model, Model) else load(model)
    channels = forward.picture_shape(given.y.shape)[1]
    net = _network(method, model, forward, channels, noise)
    if net is not None:
        # where the forward model states noise of the kind that it was trained on, it is told the level at white
        trained = ((net.card and net.card.forward.get("noise")) or {}).get("kind")
        stated = sigma is None and forward.noise is not None and trained == forward.noise.name
        if stated and forward.sigma is None:
            notes = []
        x = apply(net, given.y, forward, level=None if stated else noise, engine=engine, threads=threads)
        if net.card is not None and (note := beyond(net.card, forward, noise)):
            notes.append(note)
        return Recovered(given.as_given(x), "network", net.name, noise, time.perf_counter() - begin, tuple(notes))
    chosen = "hqs" if method in (None, "pnp") else method
    if chosen not in METHODS:
        x = _classical(chosen, given, forward, noise)
        return Recovered(given.as_given(x), chosen, "", noise, time.perf_counter() - begin, tuple(notes))
    operator, usual = forward.operator, settings(forward)
    if model is None and chosen == "proximal-gradient":
        model = "stable-colour" if channels == 3 else "stable-grey"
    denoiser = prior(model, channels, box=given.box, engine=engine, threads=threads)
    norm = strongest(operator.linear_part(), forward.picture_shape(given.y.shape))
    count = iterations or (usual.iterations if chosen == "hqs" else 20 if chosen == "admm" else 100)
    found = plug_and_play(
        given.y,
        operator,
        denoiser,
        sigma=noise,
        method=chosen,
        iterations=count,
        schedule=levels(max(noise / norm, usual.last, LAST), count) if chosen == "hqs" else None,
        strength=usual.strength if strength is None else strength,
        start=smoothest(given.y, operator, 1e-3 * norm**2, iterations=usual.fill).astype(np.float32),
        turns=chosen != "proximal-gradient",
        solves=usual.solves,
        progress=progress,
    )
    x = found.x
    if noise == 0 and isinstance(operator, Mask):
        # without noise what was seen needs no network
        seen = np.broadcast_to(operator.weight == 1, x.shape)
        x = np.where(seen, given.y, x)
        notes.append("there is no noise: what the mask lets through was left as it is")
    return Recovered(
        image=given.as_given(x),
        method=method or "pnp",
        model=denoiser.name,
        sigma=noise,
        seconds=time.perf_counter() - begin,
        notes=(*notes, *found.notes),
        residuals=found.residuals,
        guarantee=found.guarantee,
    )


def _network(
    method: str | None, model: Model | None, forward: ForwardModel, channels: int, noise: float
) -> Model | None:
    """The network that was trained for this: the one asked for, or one that fits where no method is; else None."""
    if model is not None:
        restores = model.card is not None and model.card.task == "restore"
        return model if method == "network" or (method is None and restores) else None
    if method not in (None, "network"):
        return None
    found = trained_for(forward, channels)
    if method is None:
        return next((each for each in found if each.card and not beyond(each.card, forward, noise)), None)
    if not found:
        raise ModelError(
            f"no network in the package was trained for this forward model ({in_words(forward)}); take the method pnp, "
            "or give yours as model"
        )
    return found[0]


def _classical(name: str, given: Measured, forward: ForwardModel, sigma: float) -> NDArray[Any]:
    from aplomb.classical.recovery import RECOVERIES, recovery

    if name not in RECOVERIES:
        raise BadInput(f"method {name!r} asked for; known are: network, pnp, {', '.join((*METHODS, *RECOVERIES))}")
    return np.asarray(recovery(name)(given.y, forward, sigma))


def _noise(given: Measured, forward: ForwardModel, sigma: float | None) -> tuple[float, list[str]]:
    """The noise level to reckon with, and what there is to say about it."""
    if sigma is not None:
        if not 0 <= sigma < np.inf:
            raise BadInput(f"sigma is {sigma}; give a standard deviation of 0 or more, the picture being in 0..1")
        return float(sigma), []
    if forward.sigma is not None:
        return forward.sigma, []
    if forward.noise is not None:
        level = float(np.sqrt(forward.noise.variance(np.maximum(given.y, 0)).mean()))
        return level, [
            f"{forward.noise.name} noise is not the same everywhere; its mean, {255 * level:.3g} of 255, was taken"
        ]
    if all(isinstance(leaf, (Blur, Pad, Downsample, Bicubic)) for leaf in forward.operator.leaves()):
        from aplomb.classical.noise_level import estimate_sigma

        level = float(np.mean([estimate_sigma(plane) for picture in given.y for plane in picture]))
        return level, [f"the noise was estimated from the measurement: {255 * level:.3g} of 255"]
    return 0.0, ["no noise level is known; next to none was taken, give sigma if the result is noisy"]
