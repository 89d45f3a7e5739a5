"""A wrong version of every rule, and the check of the suite that notices it.

The rules are those of certified bounds in l2, by number: 1 border of zeros, 2 from a grid to all frequencies, 3 Gram
iteration, 4 stride, dilation, groups, 5 transposed, 6 copied borders, 7 what may be joined, 8 pooling and resampling,
9 activations, 10 normalisation, 11 sums, stacks, residuals, 12 floating point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import soundness
from aplomb import certificate, exchange, operator
from aplomb.errors import ModelError
from aplomb.facts import lipschitz, rounding, spectrum
from aplomb.layers import batch_norm, conv, conv_transposed, max_pool, relu, tanh
from aplomb.layers.activation import ELU, LeakyReLU, Softmax, Swish
from aplomb.layers.conv import Conv
from aplomb.layers.norm import BatchNorm, LayerNorm
from aplomb.layers.pad import NO_PADS, Pad
from aplomb.layers.pool import AveragePool, _Window
from aplomb.layers.resample import Bilinear, Repeat
from aplomb.operator import Bound, Operator, Scaling, Stack, Sum, chain, identity, root, stack
from soundness import attacked, between_frequencies, dense_svd, laws_hold

Patch = pytest.MonkeyPatch
Seed = Callable[[Patch], None]


# -- how a bug is seeded -----------------------------------------------------------------------------------------


def put(place: object, name: str, value: Any) -> Seed:
    """`value` instead of what stands there."""
    return lambda patch: patch.setattr(place, name, value)


def around(place: object, name: str, wrong: Callable[..., Any]) -> Seed:
    """``wrong(right, *arguments)`` instead of ``right(*arguments)``."""
    right = getattr(place, name)
    return lambda patch: patch.setattr(place, name, lambda *arguments: wrong(right, *arguments))


def law(kind: type[Operator], value: Callable[[Any], float] | float) -> Seed:
    """A bound of `value`, or ``value(operator)``, by law."""

    def wrong(self: Operator, ask: Any) -> Bound:
        return Bound(value(self) if callable(value) else value, "upper", "seeded")

    return put(kind, "_lipschitz", wrong)


def both(*seeds: Seed) -> Seed:
    def seed(patch: Patch) -> None:
        for each in seeds:
            each(patch)

    return seed


def power_iteration(kernel: np.ndarray, sizes: list[int]) -> float:
    layer = Conv(kernel)
    x = np.random.default_rng(0).normal(size=(1, kernel.shape[1], 12, 12))
    for _ in range(5):
        x = layer.adjoint()(layer(x / np.linalg.norm(x)))
    return math.sqrt(np.linalg.norm(x))


def mean_eigenvalue(w: np.ndarray) -> np.ndarray:
    return np.square(np.abs(w)).sum((1, 2)) / w.shape[1]


def by_group(layer: Operator) -> list[float]:
    assert isinstance(layer, Conv)
    kernels = np.asarray(layer.weight, np.float64).reshape(layer.groups, -1, *layer.weight.shape[1:])
    return [spectrum.convolution_norm(k, layer.stride, layer.dilation) for k in kernels]


def not_turned(right: Any, layer: Conv) -> Any:
    kernel = right(layer)
    return replace(kernel, taps=kernel.taps[:, :, ::-1, ::-1]) if layer.transposed else kernel


def merged(right: Any, second: Any, first: Any) -> Any:
    """Zeros between two convolutions are put before the first."""
    if second is None or first is None:
        return None
    pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(first.pads, second.pads, strict=True))
    return right(replace(second, pads=NO_PADS), replace(first, pads=pads))


def without_norms(right: Any, part: Operator) -> Any:
    return right(identity if isinstance(part, BatchNorm) else part)


def upper_end_only(right: Any, total: Sum) -> Any:
    found = right(total)
    return found and Bound(min(found.value, 1.0), "upper", "seeded")


def largest_part(self: Any, ask: Any) -> Bound:
    return Bound(max(ask(part).value for part in self.parts), "upper", "seeded")


# -- what is looked at ---------------------------------------------------------------------------------------------


def with_weight(layer: Operator, weight: Any) -> Operator:
    shape = layer.weights()["0.weight"].shape
    return layer.with_weights({"0.weight": np.asarray(np.broadcast_to(weight, shape), np.float64)})


def row(*taps: float, **more: Any) -> Operator:
    """A convolution along rows with these taps, of one channel."""
    return with_weight(conv(1, 1, (1, len(taps)), bias=False, **more), [[[taps]]])


circular = conv(2, 3, padding="circular", bias=False)
strided = with_weight(conv(1, 1, 3, stride=2, padding=1, bias=False), 1.0)
holed = with_weight(conv(1, 1, 2, stride=2, dilation=2, padding="valid", bias=False), 1.0)
uneven = with_weight(conv(2, 2, 1, groups=2, bias=False), [[[[1.0]]], [[[3.0]]]])
up = with_weight(conv_transposed(1, 1, bias=False), 1.0)
odd = row(1.0, 0.0, -1.0)
zeros_between = chain(row(-2.0, -2.0, -1.0), row(-1.0, 2.0, -2.0))
scale = batch_norm(2).with_weights({"0.weight": np.float32([3, 1]), "0.variance": np.float32([0.01, 1])})
bent = identity + chain(with_weight(conv(1, 1, 1, bias=False), 2.0), relu, with_weight(conv(1, 1, 1, bias=False), 2.0))
descent = identity - 2.0 * chain(conv(2, 5), relu, conv(2, 5, bias=False).adjoint())
deep_low_sharp_high = Conv(
    np.stack([np.outer(g, g) * a for g, a in [([0.5, 0.5], 0.9)] * 4 + [([0.5, -0.5], 1.0)]])[:, None]
    * np.eye(5)[:, :, None, None]
)
"""Four channels with their energy at low frequencies, and one with more at a high one."""


def training_mode_is_refused() -> None:
    one = np.ones(2, np.float32)
    node = helper.make_node("BatchNormalization", ["x", *"abcd"], ["y", "m", "v"], training_mode=1)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 2, "H", "W"]) for n in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(one, n) for n in "abcd"])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    try:
        exchange.read(model)
    except ModelError:
        return
    raise AssertionError("it was read as in evaluation mode")


def third(*parts: float) -> Operator:
    return Sum(tuple(Scaling(p) for p in parts))


RULES: list[tuple[int, str, Seed, Callable[[], None]]] = [
    (1, "a power iteration stands for the bound", put(spectrum, "_largest", power_iteration),
     lambda: dense_svd(circular, 2, 16, 16)),
    (1, "the frequencies of a small circular grid, for a border of zeros",
     both(put(spectrum, "_sizes", lambda k: [*k.shape[2:]]), put(spectrum, "_cosines", lambda *_: 1.0)),
     lambda: dense_svd(odd, 1, 1, 30)),
    (2, "no cosine", put(spectrum, "_cosines", lambda *_: 1.0), lambda: between_frequencies(3)),
    (2, "the cosine of half of the distance",
     put(spectrum, "_cosines", lambda taps, sizes: math.cos(math.pi * (max(taps) - 1) / (4 * max(sizes)))),
     lambda: between_frequencies(3)),
    (2, "a cosine for columns only",
     put(spectrum, "_cosines", lambda taps, sizes: math.cos(math.pi * (taps[1] - 1) / (2 * sizes[1]))),
     lambda: between_frequencies(3, axis=0)),
    (3, "frequencies are ruled out by a mean of their eigenvalues",
     both(put(spectrum, "_eigenvalue_above", mean_eigenvalue), put(spectrum, "MEMORY", 1)),
     lambda: dense_svd(deep_low_sharp_high, 5, 9, 9)),
    (4, "taps that do not fill a stride are dropped",
     around(spectrum, "_unshuffled", lambda right, k, s: right(k[:, :, : max(1, k.shape[2] // s[0]) * s[0],
                                                                   : max(1, k.shape[3] // s[1]) * s[1]], s)),
     lambda: dense_svd(strided, 1, 9, 9)),
    (4, "one phase of a stride", put(spectrum, "_unshuffled", lambda k, s: k[:, :, :: s[0], :: s[1]]),
     lambda: dense_svd(strided, 1, 9, 9)),
    (4, "dilation is forgotten behind a stride", put(spectrum, "_dilated", lambda k, d: k),
     lambda: dense_svd(holed, 1, 9, 9)),
    (4, "groups are averaged", put(lipschitz, "symbol_norm", lambda layer: float(np.mean(by_group(layer)))),
     lambda: dense_svd(uneven, 2, 4, 4)),
    (4, "the first group stands for all", put(lipschitz, "symbol_norm", lambda layer: by_group(layer)[0]),
     lambda: dense_svd(uneven, 2, 4, 4)),
    (5, "a transposed layer is divided by its stride",
     around(lipschitz, "symbol_norm", lambda right, layer: right(layer) / math.sqrt(math.prod(layer.stride))),
     lambda: dense_svd(up, 1, 4, 4)),
    (5, "the taps of a transposed layer are not turned around", around(lipschitz, "_of_conv", not_turned),
     lambda: dense_svd(odd - odd.adjoint(), 1, 1, 9)),
    (6, "a reflected border counts as 1", law(Pad, 1.0), lambda: laws_hold("pad")),
    (6, "a reflected border is the root of 2 an axis for every size",
     law(Pad, lambda p: root(math.prod(1 + (a + b if p.border == "replicate" else max(a, b) > 0) for a, b in p.pads))),
     lambda: laws_hold("pad")),
    (6, "a replicated border copies an edge once",
     law(Pad, lambda p: root(math.prod(1 + (a > 0) + (b > 0) for a, b in p.pads))), lambda: laws_hold("pad")),
    (7, "convolutions with zeros between them are joined", around(lipschitz, "_after", merged),
     lambda: dense_svd(zeros_between, 1, 1, 9)),
    (8, "pooling windows do not overlap", put(_Window, "_overlap", lambda self: 1), lambda: laws_hold("pool")),
    (8, "windows on a pixel are rounded down",
     put(_Window, "_overlap", lambda w: math.prod(max(1, k // s) for k, s in zip(w.size, w.stride, strict=True))),
     lambda: laws_hold("pool")),
    (8, "an average that overlaps is 1 / k", law(AveragePool, lambda p: 1 / math.sqrt(math.prod(p.size))),
     lambda: laws_hold("pool")),
    (8, "bilinear interpolation averages, so it is 1", law(Bilinear, 1.0), lambda: laws_hold("resample")),
    (8, "m x m copies of a pixel count m", law(Repeat, lambda r: math.sqrt(r.factor)), lambda: laws_hold("resample")),
    (9, "swish is taken for 1", law(Swish, 1.0), lambda: laws_hold("activation")),
    (9, "softmax is taken for 1/4", law(Softmax, 0.25), lambda: laws_hold("activation")),
    (9, "leaky ReLU is 1 for every slope", law(LeakyReLU, 1.0), lambda: laws_hold("activation")),
    (9, "ELU is 1 for every alpha", law(ELU, 1.0), lambda: laws_hold("activation")),
    (10, "batch norm counts as 1", law(BatchNorm, 1.0), lambda: dense_svd(scale, 2, 3, 3)),
    (10, "batch norm without its variance", law(BatchNorm, lambda n: float(abs(n.weight).max())),
     lambda: dense_svd(scale, 2, 3, 3)),
    (10, "batch norm is left out where it is joined", around(lipschitz, "_kernel", without_norms),
     lambda: dense_svd(chain(conv(2, 2, bias=False), scale), 2, 5, 5)),
    (10, "training mode is read as evaluation mode", put(exchange, "_check_mode", lambda *_: None),
     training_mode_is_refused),
    (10, "layer norm gives unit variance, so it is 1", law(LayerNorm, 1.0),
     lambda: attacked(chain(LayerNorm(*np.float32([[1, 1], [0, 0]]))), 2, 3, 3, scale=0.01)),
    (11, "a sum is its largest term", put(Sum, "_lipschitz", largest_part),
     lambda: attacked(tanh + relu, 1, 3, 3, scale=0.1)),
    (11, "a stack is its largest part", put(Stack, "_lipschitz", largest_part),
     lambda: attacked(stack(relu, max_pool(1)), 1, 3, 3)),
    (11, "factors are left out", law(Scaling, 1.0), lambda: attacked(3.0 * tanh, 1, 3, 3, scale=0.1)),
    (11, "slopes without their middle", around(lipschitz, "_middle", lambda right, s: (0.0, right(s)[1])),
     lambda: attacked(bent, 1, 4, 4)),
    (11, "slopes with half of their half width",
     around(lipschitz, "_middle", lambda right, s: (right(s)[0], right(s)[1] / 2)),
     lambda: attacked(bent, 1, 4, 4)),
    (11, "a gradient step without its lower end", around(lipschitz, "_step", upper_end_only),
     lambda: attacked(descent, 2, 8, 8)),
    (12, "no rounding errors of eigenvalues and symbols", put(spectrum, "U", 0.0), soundness.in_exact_arithmetic),
    (12, "squares may vanish or overflow", put(math, "frexp", lambda x: (x, 1)), soundness.of_any_magnitude),
    (12, "weights are certified in half precision",
     around(lipschitz, "convolution_norm", lambda right, k, *more: right(np.asarray(k, np.float16), *more)),
     lambda: dense_svd(row(1.0004), 1, 1, 1)),
    (12, "sums are rounded to nearest", put(operator, "rounded_up", float),
     lambda: soundness.sums_round_up(third(0.1, 0.7), Fraction(0.1) + Fraction(0.7))),
    (12, "the rounding error of an execution is dropped", put(rounding, "_sums", lambda leaf, gain: (0, gain)),
     soundness.executions_are_covered),
    (12, "printed digits are rounded to nearest", put(soundness, "_up", lambda value: f"{value:.6g}"),
     soundness.printed_above),
]  # fmt: skip
"""Rule, what is wrong, how it is seeded, which check notices."""


@pytest.mark.parametrize(("rule", "wrong", "seed", "check"), RULES, ids=[f"{r}: {w}" for r, w, *_ in RULES])
def test_a_wrong_rule_is_noticed(rule: int, wrong: str, seed: Seed, check: Callable[[], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectrum, "_KNOWN", {})
        seed(patch)
        with pytest.raises(AssertionError):
            check()
    if check.__code__.co_names != ("laws_hold",):  # laws are run on every maker elsewhere
        check()


def test_every_rule_has_a_bug() -> None:
    assert {rule for rule, *_ in RULES} == {*range(1, 13)}


def test_what_is_printed_is_what_is_checked() -> None:
    assert soundness._up is certificate._up
