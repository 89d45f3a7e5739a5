"""Why a classifier picks a class: Grad-CAM and integrated gradients, by captum.

The one module here that needs torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from aplomb.errors import BadInput
from aplomb.explanation.channels import layer_of
from aplomb.explanation.drawn import Drawn, save_figure
from aplomb.explanation.subject import mirrored, subject
from aplomb.facts.flow import results, steps
from aplomb.io import Picture
from aplomb.layers import softmax
from aplomb.model import Model
from aplomb.operator import Compose, Operator, chain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Attribution", "attribute"]

STEPS = 128
"""Points on the way from the baseline to the picture, by Gauss and Legendre."""


@dataclass(frozen=True, eq=False)
class Attribution(Drawn):
    """What each pixel adds to the score of a class; draws itself, which a notebook shows."""

    name: str
    method: str
    label: int
    """Number of the class."""
    score: float
    """Of the class for the picture: what the network gives before a softmax at its end."""
    probability: float
    """Softmax of the scores at the class."""
    values: NDArray[np.float64]
    """(H, W): summed over the channels for integrated gradients; 0 or more for Grad-CAM."""
    gap: float
    """Integrated gradients: the sum of the values less the score's change from the baseline, 0 but for the
    quadrature. NaN for Grad-CAM, which adds up to nothing in particular."""
    picture: NDArray[np.float64]
    """(H, W, C)."""

    def figure(self) -> Figure:
        """The picture, and the attribution on it."""
        from aplomb.explanation.figure import attribution

        return attribution(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure; the suffix says the format. Raises OutputError if that cannot be."""
        return save_figure(self, path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON, without the map."""
        return {
            "name": self.name,
            "method": self.method,
            "class": self.label,
            "score": self.score,
            "probability": self.probability,
            "sum": float(self.values.sum()),
            "gap": None if np.isnan(self.gap) else self.gap,
        }


def attribute(
    picture: Picture | ArrayLike,
    model: str | Path | Model | Operator,
    label: int | None = None,
    *,
    method: Literal["grad-cam", "integrated-gradients"] = "integrated-gradients",
    layer: int | None = None,
    baseline: float = 0.0,
) -> Attribution:
    """Which pixels speak for a class, in the eyes of a classifier.

    Integrated gradients add the gradients on the straight way from a flat picture b to the picture x, and sum to the
    change of the score s (completeness):

    .. math:: a_i = (x_i - b_i) \\int_0^1 \\partial_i s(b + t (x - b))\\, dt, \\qquad \\sum_i a_i = s(x) - s(b)

    Grad-CAM weighs the channels of a layer by their mean gradient, adds them, and keeps what is positive.

    Parameters
    ----------
    picture
        As for `explain`.
    model
        A classifier: a network that gives numbers, one for each class. A softmax at its end is left out, because
        where it is sure of a class its gradient vanishes.
    label
        Number of the class, from 0; the most probable one unless given.
    method
        "integrated-gradients" (Sundararajan, Taly and Yan, 2017) or "grad-cam" (Selvaraju et al., 2017).
    layer
        Grad-CAM: number of the layer, as `aplomb inspect` shows it; the last one that gives pictures unless given.
    baseline
        Integrated gradients: value of the flat picture where the way begins.

    Raises
    ------
    BadInput
        captum is not installed, the network is no classifier, there is no such class or layer.
    ShapeError, ModelError
        The network does not take the picture.

    Examples
    --------
    >>> from aplomb.layers import dense, flatten
    >>> found = attribute(np.eye(4), chain(flatten, dense(16, 3)), label=1)  # doctest: +SKIP
    >>> abs(found.gap) < 1e-9  # doctest: +SKIP
    True
    """
    try:
        from captum.attr import IntegratedGradients, LayerGradCam
    except ModuleNotFoundError as error:
        raise BadInput(
            f"class attributions need {error.name}, which is not installed; pip install 'aplomb[explain]'"
        ) from None
    given = subject(picture, model, 0.0)
    x = mirrored(given.operator, given.x)
    shape = given.operator.output_shape(x.shape)
    if len(shape) != 2:
        raise BadInput(f"{given.name} gives pictures, so it has no classes; explain a pixel of it instead")
    network = _Network(_without_softmax(given.operator))
    tensor = torch.from_numpy(x)
    with torch.no_grad():
        scores = network(tensor)[0].numpy()
    label = int(scores.argmax()) if label is None else label
    if not 0 <= label < len(scores):
        raise BadInput(f"class {label} does not exist; {given.name} has {len(scores)}: 0 to {len(scores) - 1}")
    gap = float("nan")
    if method == "integrated-gradients":
        found, gaps = IntegratedGradients(network).attribute(
            tensor, torch.full_like(tensor, baseline), target=label, n_steps=STEPS, method="gausslegendre",
            return_convergence_delta=True,
        )  # fmt: skip
        values, gap = found[0].sum(dim=0), float(gaps[0])
    elif method == "grad-cam":
        pictures = network.pictures(tensor)
        at = layer_of(network.operator, layer)[1] if layer is not None else max(pictures, default=0)
        if at not in pictures:
            raise BadInput(
                f"Grad-CAM needs a layer that gives pictures; in {given.name} those are {pictures or 'none'}"
            )
        cam = LayerGradCam(network, network.layers[at - 1]).attribute(tensor, target=label, relu_attributions=True)
        values = torch.nn.functional.interpolate(cam, x.shape[2:], mode="bilinear", align_corners=False)[0, 0]
    else:
        raise BadInput(f"method {method!r} is not known; give 'grad-cam' or 'integrated-gradients'")
    height, width = given.x.shape[2:]
    odds = np.exp(scores - scores.max())
    return Attribution(
        given.name,
        method,
        label,
        float(scores[label]),
        float(odds[label] / odds.sum()),
        values.detach().numpy()[:height, :width].astype(np.float64),
        gap,
        np.moveaxis(given.x[0], 0, -1),
    )


def _without_softmax(operator: Operator) -> Operator:
    ends = isinstance(operator, Compose) and operator.parts[-1] == softmax
    return chain(*operator.parts[:-1]) if isinstance(operator, Compose) and ends else operator


class _Layer(nn.Module):
    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.operator(x))


class _Network(nn.Module):
    """An operator with a module for each step, on which captum can hang its hooks."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.operator = operator
        weights = {name: torch.from_numpy(np.array(array)) for name, array in operator.weights().items()}
        found, self.output = steps(operator.with_weights(weights))
        self.layers = nn.ModuleList(_Layer(step.operator) for step in found)
        # a module is called as an operator is
        self.steps = [replace(s, operator=cast(Operator, m)) for s, m in zip(found, self.layers, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, results(self.steps, x)[self.output])

    def pictures(self, x: Tensor) -> list[int]:
        """Numbers of the layers that give pictures; of a single pixel nothing can be seen."""
        with torch.no_grad():
            found = enumerate(results(self.steps, x))
            return [i for i, value in found if i and value.ndim == 4 and value.shape[2:].numel() > 1]
