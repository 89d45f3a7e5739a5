"""An operator's weights as torch parameters, and back.

    model = Trainable(operator)        # weights are Parameters, running statistics are buffers
    model(x)                           # the same expression, read by torch
    model.operator()                   # the numpy operator again, its weights bit for bit

The expression is built once: its leaves hold the Parameter objects themselves, so that an optimiser's step
is seen without copying anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from aplomb.arrays import Array
from aplomb.layers.norm import BatchNorm, Dropout
from aplomb.operator import Operator

__all__ = ["Trainable", "array_of", "remembers"]


class Trainable(nn.Module):
    """`operator` with its weights as torch parameters.

    In training mode batch normalisations use the statistics of the batch and update the running ones,
    and dropouts drop; in evaluation mode both are as the operator has them.

    Examples
    --------
    >>> from aplomb.layers import conv
    >>> operator = conv(1, 2).initialise(0)
    >>> model = Trainable(operator)
    >>> sorted(name for name, _ in model.named_parameters())
    ['0:bias', '0:weight']
    >>> model.operator() == operator
    True
    """

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.source = operator
        trained = operator.weights(state=False)
        for name, array in operator.weights().items():
            value = torch.from_numpy(np.array(array, dtype=np.float32))  # a copy: the operator stays as it is
            if value.ndim == 4:  # the layout in which convolutions are fast
                value = value.contiguous(memory_format=torch.channels_last)
            if name in trained:
                self.register_parameter(_key(name), nn.Parameter(value))
            else:
                self.register_buffer(_key(name), value)
        self.dropout = Randomness()
        self._build()

    def _build(self) -> None:
        self._used = self.source.with_weights(self.tensors())
        self._trained = self._used.map(self._training_form)

    def _training_form(self, leaf: Operator) -> Operator:
        if isinstance(leaf, BatchNorm):
            return BatchStatistics(leaf.weight, leaf.bias, leaf.mean, leaf.variance, leaf.epsilon)
        if isinstance(leaf, Dropout):
            return RandomDropout(leaf.probability, self.dropout)
        return leaf

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Trainable:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._build()  # .to(device) makes new tensors of buffers, sometimes of parameters
        return self

    def forward(self, x: Tensor) -> Tensor:
        """The expression at `x`, in its training form if in training mode."""
        return cast(Tensor, (self._trained if self.training else self._used)(x))

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers by the names that the operator has for them."""
        mine = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {name: mine[_key(name)] for name in self.source.weights()}

    def operator(self, weights: Mapping[str, Tensor] | None = None) -> Operator:
        """The numpy operator with the weights as they are now (or with `weights`), float32, bit for bit."""
        values = self.tensors() if weights is None else weights
        return self.source.with_weights({name: array_of(value) for name, value in values.items()})

    def copy_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrite parameters and buffers in place, so that their memory layout stays."""
        with torch.no_grad():
            for name, mine in self.tensors().items():
                mine.copy_(weights[name])


def remembers(operator: Operator) -> bool:
    """Whether a pass in training mode changes something: running statistics, dropout's generator."""
    return any(isinstance(leaf, (BatchNorm, Dropout)) for leaf in operator.leaves())


def _key(name: str) -> str:
    return name.replace(".", ":")  # torch forbids the point


def array_of(value: Tensor) -> Array:
    """A tensor as an ndarray of its own: float32, contiguous."""
    return value.detach().to("cpu", torch.float32).contiguous().numpy().copy()


class Randomness:
    """A seeded generator for each device, which leaves can hold."""

    def __init__(self) -> None:
        self.seed = 0
        self.generators: dict[torch.device, torch.Generator] = {}

    def reseed(self, seed: int) -> None:
        self.seed = seed
        for generator in self.generators.values():
            generator.manual_seed(seed)

    def on(self, device: torch.device) -> torch.Generator:
        if device not in self.generators:
            self.generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[device]


@dataclass(frozen=True, eq=False)
class BatchStatistics(Operator):
    """Batch normalisation while training: statistics of the batch, running ones updated in place.

    running <- 0.9 running + 0.1 batch. Reference: Ioffe and Szegedy, 2015.
    """

    weight: Array
    bias: Array
    mean: Array
    variance: Array
    epsilon: float = 1e-5
    momentum: float = 0.1

    _weights: ClassVar[tuple[str, ...]] = ("weight", "bias")
    _state: ClassVar[tuple[str, ...]] = ("mean", "variance")

    def _torch(self, x: Array, torch: Any) -> Array:
        norm = torch.nn.functional.batch_norm
        return norm(x, self.mean, self.variance, self.weight, self.bias, True, self.momentum, self.epsilon)


@dataclass(frozen=True, eq=False)
class RandomDropout(Operator):
    """Dropout while training: a value is dropped with `probability` p, what stays is divided by 1 - p."""

    probability: float
    randomness: Randomness

    def _torch(self, x: Array, torch: Any) -> Array:
        keep = 1.0 - self.probability
        drawn = torch.rand(x.shape, device=x.device, generator=self.randomness.on(x.device))
        return x * (drawn < keep).to(x.dtype) / keep
