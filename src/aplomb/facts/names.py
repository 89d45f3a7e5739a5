"""Layers by the short names that tables of the field use: "Conv 3x3 + b", "Max pool 2x2"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aplomb.layers.activation import (
    ELU,
    HardClip,
    LeakyReLU,
    Maxout,
    ReLU,
    Sigmoid,
    Softmax,
    SoftShrink,
    Step,
    Swish,
    Tanh,
)
from aplomb.layers.channels import AppendConstant, Place, Take
from aplomb.layers.conv import Conv
from aplomb.layers.dense import Dense, Flatten, Unflatten
from aplomb.layers.norm import BatchNorm, Dropout, LayerNorm, LocalContrastNorm
from aplomb.layers.pad import NO_PADS, Crop, Pad, Pads
from aplomb.layers.pool import AveragePool, GlobalAverage, L2Pool, MaxPool
from aplomb.layers.radial import RadialBasis
from aplomb.layers.recurrent import LSTMCell
from aplomb.layers.resample import Bilinear, Downsample, PixelShuffle, PixelUnshuffle, Repeat, ZeroUpsample
from aplomb.layers.response_norm import LocalResponseNorm
from aplomb.layers.stable import BoundedConv, ChannelClip, ClipBy, GroupSort, Shift, Spline
from aplomb.operator import Compose, Operator, Scaling

__all__ = ["is_activation", "short_name"]


def short_name(operator: Operator) -> str:
    """Name of a leaf with its sizes, or of a chain of them; what has no name is written as code.

    >>> from aplomb.layers import conv, max_pool, relu
    >>> short_name(conv(1, 32)), short_name(relu @ conv(1, 8, 2, stride=2, padding="valid", bias=False))
    ('Conv 3x3 + b', 'Conv 2x2, stride 2, ReLU')
    >>> short_name(max_pool(2))
    'Max pool 2x2'
    """
    if isinstance(operator, Compose):
        return ", ".join(short_name(part) for part in operator.parts)
    name = _NAMES.get(type(operator))
    return name(operator) if name is not None else repr(operator)


def is_activation(operator: Operator) -> bool:
    """Whether tables name this leaf beside the layer before it.

    >>> from aplomb.layers import dropout, relu
    >>> is_activation(relu), is_activation(dropout())
    (True, False)
    """
    return type(operator).__module__ == ReLU.__module__


def _conv(layer: Conv) -> str:
    size = _size(layer.weight.shape[2:])
    kind = "Conv" if not layer.transposed else "Transposed conv" if layer.stride == (1, 1) else "Up-conv"
    name = f"{kind} {size}{'' if layer.bias is None else ' + b'}"
    if layer.dilation != (1, 1):
        name += f", dilation {_one(layer.dilation)}"
    if layer.stride != (1, 1):
        name += f", stride {_one(layer.stride)}"
    if layer.groups > 1:
        name += ", depthwise" if layer.groups == layer.channels[0] else f", {layer.groups} groups"
    reach = [extent - 1 for extent in layer.extent]
    if layer.transposed:
        return name if layer.pads == NO_PADS else f"{name}, cropped {_border(layer.pads)}"
    if layer.pads == tuple((r // 2, r - r // 2) for r in reach):
        return name
    if layer.pads == NO_PADS:
        # windows side by side need no word: nothing is lost
        return name if layer.stride == layer.extent else f"{name}, valid"
    return f"{name}, zeros {_border(layer.pads)}"


def _pool(layer: Any, name: str) -> str:
    name = f"{name} {_size(layer.size)}"
    if layer.stride != layer.size:
        name += f", stride {_one(layer.stride)}"
    return name if layer.pads == NO_PADS else f"{name}, pad {_border(layer.pads)}"


def _scaling(layer: Scaling) -> str:
    return "Negate" if layer.factor == -1 else f"Scale by {layer.factor:g}"


def _size(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))


def _one(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else _size(values)


def _border(pads: Pads) -> str:
    """Top, bottom, left, right; one number where they are equal."""
    (top, bottom), (left, right) = pads
    return str(top) if top == bottom == left == right else f"{top}/{bottom}/{left}/{right}"


_NAMES: dict[type, Callable[[Any], str]] = {
    Scaling: _scaling,
    Conv: _conv,
    Dense: lambda o: "Dense" if o.bias is None else "Dense + b",
    Flatten: lambda o: "Flatten",
    Unflatten: lambda o: f"Unflatten {o.channels} x {o.height} x {o.width}",
    Step: lambda o: "Step",
    Sigmoid: lambda o: "Sigmoid",
    Tanh: lambda o: "tanh",
    ReLU: lambda o: "ReLU",
    LeakyReLU: lambda o: f"Leaky ReLU {o.slope:g}",
    ELU: lambda o: "ELU" if o.alpha == 1 else f"ELU {o.alpha:g}",
    Swish: lambda o: "Swish",
    SoftShrink: lambda o: f"Soft shrinkage {o.threshold:g}",
    HardClip: lambda o: f"Clip {o.lo:g}..{o.hi:g}",
    Maxout: lambda o: f"Maxout {o.pieces}",
    Softmax: lambda o: "Softmax",
    BatchNorm: lambda o: "Batch norm",
    LayerNorm: lambda o: "Layer norm" if o.over == "all" else "Layer norm, per pixel",
    LocalContrastNorm: lambda o: f"Local contrast norm {o.size}x{o.size}",
    Dropout: lambda o: "Dropout",
    Pad: lambda o: f"Pad {_border(o.pads)}, {o.border}",
    Crop: lambda o: f"Crop {_border(o.pads)}",
    MaxPool: lambda o: _pool(o, "Max pool"),
    AveragePool: lambda o: _pool(o, "Spread pool" if o.transposed else "Average pool"),
    L2Pool: lambda o: _pool(o, "L2 pool"),
    GlobalAverage: lambda o: "Average over the picture",
    LocalResponseNorm: lambda o: f"Local response norm {o.size}",
    RadialBasis: lambda o: "Radial basis",
    LSTMCell: lambda o: "LSTM cell",
    Place: lambda o: f"Zero channels to {o.total}",
    Downsample: lambda o: f"Down-sample {o.factor}",
    ZeroUpsample: lambda o: f"Up-sample {o.factor}, zeros",
    Repeat: lambda o: f"Block sum {o.factor}" if o.transposed else f"Up-sample {o.factor}, repeat",
    Bilinear: lambda o: f"Up-sample {o.factor}, bilinear" + (", adjoint" if o.transposed else ""),
    PixelShuffle: lambda o: f"Pixel shuffle {o.factor}",
    PixelUnshuffle: lambda o: f"Pixel unshuffle {o.factor}",
    Take: lambda o: f"Channel {o.start}" if o.stop == o.start + 1 else f"Channels {o.start}..{o.stop - 1}",
    BoundedConv: lambda o: _conv(o),
    Shift: lambda o: "Shift by a pixel",
    ClipBy: lambda o: "Clip by widths",
    ChannelClip: lambda o: "Clip per channel",
    Spline: lambda o: f"Spline, {o.values.shape[1]} knots",
    GroupSort: lambda o: "Group sort",
    AppendConstant: lambda o: f"Append a channel of {o.value:g}",
}
"""One line a leaf; a new leaf without one is shown by its repr."""
