"""Lipschitz bounds in l2 that look at the weights: a rule for ``operator.lipschitz(tight)``.

What the laws of ``operator.py`` know from the structure stays; the rule is asked first, of every part, and answers

- linear parts: convolutions that follow each other or are added up, as one kernel where that is exact, by the largest
  singular value of its symbol (`aplomb.facts.spectrum`); dense layers by their largest singular value;
- chains: linear runs between nonlinearities as one;
- sums x + W2 phi(W1 x), by the slopes of phi: ||L + c W2 W1|| + r ||W2|| ||W1|| with c, r middle and half width;
- gradient steps l x - t A* phi(A x): their Jacobian is symmetric, with eigenvalues from l - t max(b, 0) ||A||^2 to
  l - t min(a, 0) ||A||^2 for slopes in [a, b], so they can be non-expansive however deep the network is.

Kernels are joined only where no zeros were put between them: with a border of zeros in between, the composition is no
convolution, and its norm can be larger than that of the joined kernel.

References: Goujon et al., "A neural-network-based convex regularizer for inverse problems", IEEE TCI 2023 (gradient
steps); Araujo et al., "A unified algebraic perspective on Lipschitz neural networks", ICLR 2023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from aplomb.arrays import Array
from aplomb.facts.spectrum import U, convolution_norm, matrix_norm
from aplomb.layers.activation import Pointwise
from aplomb.layers.conv import Conv
from aplomb.layers.dense import Dense
from aplomb.layers.norm import BatchNorm, Dropout
from aplomb.layers.pad import NO_PADS, Crop, Pad, Pads
from aplomb.layers.pool import AveragePool
from aplomb.operator import Bound, Compose, Identity, Linearity, Operator, Scaling, Sum, chain, combined, rounded_up

__all__ = ["symbol_norm", "tight"]

LARGEST = 63
"""Pixels a side above which kernels are not joined any more."""


def tight(operator: Operator) -> Bound | None:
    """A bound from the weights, or None where the law from the structure has to do.

    Certified in floating point: rounding errors of the weights' singular values are added.

    >>> from aplomb.layers import conv, relu
    >>> from aplomb.operator import chain, identity
    >>> step = identity - 0.05 * chain(conv(1, 4, bias=False), relu, conv(1, 4, bias=False).adjoint())
    >>> step.lipschitz().value > 1.5, step.lipschitz(tight).value
    (True, 1.0)
    """
    if isinstance(operator, Dense):
        return _smaller(operator, matrix_norm(operator.weight), "largest singular value")
    if isinstance(operator, (Conv, AveragePool)):
        return _smaller(operator, symbol_norm(operator), "largest singular value of the symbol, over all frequencies")
    if isinstance(operator, (Compose, Sum)):
        kernel = _kernel(operator)
        if kernel is not None and (value := kernel.norm()) is not None:
            whole = _smaller(operator, value, "one kernel: largest singular value of its symbol")
            # a product can be smaller: of maps that keep lengths, whose kernels together cost a cosine
            apart = operator._lipschitz(lambda part: part.lipschitz(tight)) if isinstance(operator, Compose) else whole
            return min(whole, apart, key=lambda bound: bound.value)
    if isinstance(operator, Compose):
        return _runs(operator)
    if isinstance(operator, Sum):
        return _step(operator) or _slopes(operator)
    return None


def _added(a: float, b: float) -> float:
    return rounded_up(Fraction(a) + Fraction(b)) if math.isfinite(a) and math.isfinite(b) else math.inf


def _smaller(operator: Operator, value: float, reason: str) -> Bound:
    """The bound by structure where it is no larger, as for an average or a sum of copies."""
    law = operator.lipschitz()
    return law if law.value <= value else Bound(value, "upper", reason)


def symbol_norm(layer: Operator) -> float:
    """Largest singular value of the symbol of a convolution or an average, bounded from above."""
    if isinstance(layer, AveragePool):
        layer = Conv(np.full((1, 1, *layer.size), 1 / math.prod(layer.size)), None, layer.stride)
    assert isinstance(layer, Conv)
    groups = np.asarray(layer.weight, np.float64).reshape(layer.groups, -1, *layer.weight.shape[1:])
    # groups work on channels of their own: the largest counts; equal ones are looked at once
    return max(convolution_norm(kernel, layer.stride, layer.dilation) for kernel in np.unique(groups, axis=0))


# -- linear parts as one kernel --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kernel:
    """y[n] = sum_k h[k] x[s n + k - p]: `taps` (N2, N1, kh, kw), or (1, 1, kh, kw) for `each` channel alike.

    `error` bounds the norm of what the taps are off by, where they were computed.
    """

    taps: Array
    pads: Pads = NO_PADS
    stride: tuple[int, int] = (1, 1)
    each: bool = False
    circular: bool = False
    error: float = 0.0

    @property
    def plain(self) -> bool:
        """No border and no stride."""
        return self.pads == NO_PADS and self.stride == (1, 1)

    @property
    def keeps(self) -> bool:
        """The border gives back what the kernel takes."""
        return all(a + b == k - 1 for (a, b), k in zip(self.pads, self.taps.shape[2:], strict=True))

    def norm(self) -> float | None:
        if not self.circular:
            return _added(convolution_norm(self.taps, self.stride), self.error)
        # rows of a circulant; with a stride the whole one, since sizes need not be multiples of it
        fits = all(a + b <= k - 1 for (a, b), k in zip(self.pads, self.taps.shape[2:], strict=True))
        return _added(convolution_norm(self.taps), self.error) if fits else None

    @property
    def size(self) -> float:
        """Bound of the norm with the absolute values of the taps, by Schur's test: what rounding errors refer to."""
        absolute = np.abs(self.taps)
        return float(np.sqrt(absolute.sum((1, 2, 3)).max() * absolute.sum((0, 2, 3)).max())) * (1 + 1e-9)

    @property
    def moves(self) -> bool:
        """Whether it only moves values, so that what is composed with it is not rounded."""
        return self.each and np.count_nonzero(self.taps) == 1 and abs(self.taps.sum()) == 1

    def spread(self, channels: int) -> Array:
        return np.einsum("oi,abyx->oiyx", np.eye(channels), self.taps) if self.each else self.taps


def _kernel(operator: Operator) -> _Kernel | None:
    """The linear part of `operator` as one kernel, if it is one."""
    one = np.ones((1, 1, 1, 1))
    if isinstance(operator, (Identity, Dropout)):
        return _Kernel(one, each=True)
    if isinstance(operator, Scaling):
        return _Kernel(one * operator.factor, each=True)
    if isinstance(operator, BatchNorm):
        return _Kernel(np.diag(np.asarray(operator.scale_shift()[0], np.float64))[:, :, None, None])
    if isinstance(operator, Crop):
        taps = np.zeros((1, 1, *(1 + a + b for a, b in operator.pads)))
        taps[0, 0, operator.pads[0][0], operator.pads[1][0]] = 1
        return _Kernel(taps, each=True)
    if isinstance(operator, Pad) and operator.border in ("zero", "circular"):
        return _Kernel(one, operator.pads, each=True, circular=operator.border == "circular")
    if isinstance(operator, Conv):
        return _of_conv(operator)
    if isinstance(operator, Compose):
        joined = _kernel(operator.parts[0])
        for part in operator.parts[1:]:
            joined = _after(_kernel(part), joined)
        return joined
    if isinstance(operator, Sum):
        total = _kernel(operator.parts[0])
        for part in operator.parts[1:]:
            total = _plus(total, _kernel(part))
        return total
    return None


def _of_conv(layer: Conv) -> _Kernel | None:
    n2, n1, kh, kw = layer.weight.shape
    size = [d * (k - 1) + 1 for d, k in zip(layer.dilation, (kh, kw), strict=True)]
    if max(size) > LARGEST or (layer.groups > 1 and n2 * n1 * layer.groups > 2**16):
        return None
    taps = np.zeros((n2, n1 * layer.groups, *size))
    for g in range(layer.groups):
        rows = slice(g * n2 // layer.groups, (g + 1) * n2 // layer.groups)
        taps[rows, g * n1 : (g + 1) * n1, :: layer.dilation[0], :: layer.dilation[1]] = layer.weight[rows]
    if not layer.transposed:
        return _Kernel(taps, layer.pads, layer.stride)
    pads = tuple((k - 1 - a, k - 1 - b) for k, (a, b) in zip(size, layer.pads, strict=True))
    if layer.stride != (1, 1) or min(map(min, pads)) < 0:
        return None
    return _Kernel(taps.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1], pads)  # type: ignore[arg-type]


def _after(second: _Kernel | None, first: _Kernel | None) -> _Kernel | None:
    """`second` behind `first` as one kernel, where that is exact."""
    if second is None or first is None or first.stride != (1, 1):
        return None
    pixel = first.taps.shape[2:] == (1, 1)  # mixes the channels of a pixel: borders of zeros let that pass
    if second.pads != NO_PADS:
        if second.circular:
            if not (first.keeps and (first.circular or first.pads == NO_PADS)):
                return None
        elif first.circular or not (pixel and first.pads == NO_PADS):
            return None
    pads: Pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(first.pads, second.pads, strict=True))  # type: ignore[assignment]
    (h2, w2), (h1, w1) = second.taps.shape[2:], first.taps.shape[2:]
    if max(h2 + h1, w2 + w1) - 1 > LARGEST:
        return None
    each = first.each and second.each
    middle = first.taps.shape[0] if not first.each else second.taps.shape[1]
    a, b = (second.taps, first.taps) if each else (second.spread(middle), first.spread(middle))
    taps = np.zeros((a.shape[0], b.shape[1], h2 + h1 - 1, w2 + w1 - 1))
    for i in range(h2):
        for j in range(w2):
            taps[:, :, i : i + h1, j : j + w1] += np.einsum("om,miyx->oiyx", a[:, :, i, j], b)
    error = first.error * (second.size + second.error) + second.error * first.size
    if not (first.moves or second.moves):
        error += (a.shape[1] * h2 * w2 + 2) * 2 * U * first.size * second.size
    return _Kernel(taps, pads, second.stride, each, first.circular or second.circular, error * (1 + 1e-9))


def _plus(a: _Kernel | None, b: _Kernel | None) -> _Kernel | None:
    """The sum as one kernel: taps at the same distance from the output pixel are added."""
    if a is None or b is None or (1, 1) != a.stride or (1, 1) != b.stride:
        return None
    circular = a.circular or b.circular
    if circular and not (a.keeps and b.keeps and all(k.circular or k.pads == NO_PADS for k in (a, b))):
        return None
    before = [max(x[0], y[0]) for x, y in zip(a.pads, b.pads, strict=True)]
    reach = [
        max(x + k.taps.shape[2 + axis] - 1 - k.pads[axis][0] for k in (a, b))
        for axis, x in enumerate(before)
    ]  # fmt: skip
    channels = max(a.taps.shape[0], b.taps.shape[0]), max(a.taps.shape[1], b.taps.shape[1])
    each = a.each and b.each
    if not each and (a.each or b.each) and channels[0] != channels[1]:
        return None
    total = np.zeros((*channels, reach[0] + 1, reach[1] + 1))
    for kernel in (a, b):
        taps = kernel.taps if each else kernel.spread(channels[0])
        y, x = (n - p[0] for n, p in zip(before, kernel.pads, strict=True))
        total[:, :, y : y + taps.shape[2], x : x + taps.shape[3]] += taps
    # the sizes are equal, so what is left at the other end follows from one of them
    pads = tuple(
        (n, r - n + sum(p) - (k - 1)) for n, r, p, k in zip(before, reach, a.pads, a.taps.shape[2:], strict=True)
    )
    error = (a.error + b.error + 2 * U * (a.size + b.size)) * (1 + 1e-9)
    return _Kernel(total, pads, each=each, circular=circular, error=error) if min(map(min, pads)) >= 0 else None  # type: ignore[arg-type]


# -- chains and sums with nonlinearities --------------------------------------------------------------------------


def _runs(operator: Compose) -> Bound | None:
    """The product over linear runs and what is between them."""
    runs: list[list[Operator]] = []
    joined: _Kernel | None = None
    for part in operator.parts:
        kernel = _kernel(part)
        more = _after(kernel, joined) if runs else None
        if more is not None:
            runs[-1].append(part)
        else:
            runs.append([part])
        joined = more or kernel
    if len(runs) in (1, len(operator.parts)):
        return None
    bounds = [chain(*run).lipschitz(tight) for run in runs]
    return combined(bounds, lambda values: rounded_up(math.prod(values)), "product, linear runs as one kernel")


def _parts_around(term: Operator) -> tuple[Operator, Pointwise, Operator] | None:
    """W1, phi, W2 of a term W2 phi(W1 x) with linear or affine W1 and W2."""
    parts = _listed(term)
    bent = [i for i, part in enumerate(parts) if part.linearity is Linearity.NONLINEAR]
    if len(bent) != 1 or not isinstance(phi := parts[bent[0]], Pointwise) or math.inf in map(abs, phi.slopes):
        return None
    return chain(*parts[: bent[0]]), phi, chain(*parts[bent[0] + 1 :])


def _split(operator: Sum) -> tuple[_Kernel, tuple[Operator, Pointwise, Operator]] | None:
    """The linear terms of a sum as one kernel, and its one nonlinear term."""
    bent = [part for part in operator.parts if part.linearity is Linearity.NONLINEAR]
    straight = [part for part in operator.parts if part.linearity is not Linearity.NONLINEAR]
    if len(bent) != 1 or not straight or (around := _parts_around(bent[0])) is None:
        return None
    kernel = _kernel(straight[0] if len(straight) == 1 else Sum(tuple(straight)))
    return None if kernel is None else (kernel, around)


def _slopes(operator: Sum) -> Bound | None:
    """||L + c W2 W1|| + r ||W2|| ||W1||, where the linear part is one kernel."""
    if (found := _split(operator)) is None:
        return None
    straight, (first, phi, second) = found
    c, r = _middle(phi.slopes)
    by_c = _Kernel(np.full((1, 1, 1, 1), c), each=True)
    middle = _plus(straight, _after(by_c, _after(_kernel(second), _kernel(first))))
    if middle is None or (norm := middle.norm()) is None:
        return None
    bounds = [Bound(norm, "upper"), Bound(r, "upper"), first.lipschitz(tight), second.lipschitz(tight)]
    total = combined(bounds, lambda v: rounded_up(v[0] + v[1] * v[2] * v[3]), "by the slopes of its activation")
    return _smaller(operator, total.value, total.reason)


def _middle(slopes: tuple[float, float]) -> tuple[float, float]:
    """C and r with both slopes in c - r .. c + r."""
    low, high = slopes
    c = low / 2 + high / 2
    return c, max(rounded_up(Fraction(high) - Fraction(c)), rounded_up(Fraction(c) - Fraction(low)))


def _step(operator: Sum) -> Bound | None:
    """L x - t A* phi(A x)."""
    if (found := _split(operator)) is None:
        return None
    straight, (first, phi, second) = found
    first, second, around = _without_frame(first, second)
    a, back = _scaled_conv(first), _scaled_conv(second)
    if not straight.each or straight.taps.size != 1 or a is None or back is None:
        return None
    (layer, factor), (other, minus) = a, back
    back_again = replace(other, weight=layer.weight, transposed=not other.transposed, exact=layer.exact)
    if back_again != layer or other.weight.shape != layer.weight.shape:
        return None
    # A = factor W; W2 = minus V, with V = W but for rounding: W2 = -t A* + E
    w, v = np.asarray(layer.weight, np.float64), np.asarray(other.weight, np.float64)
    t = -minus * float((w * v).sum() / max((w * w).sum(), 1e-300)) / factor if factor else 0.0
    if not t > 0:
        return None
    size = abs(factor) * around * symbol_norm(layer)
    rest = around * symbol_norm(replace(layer, weight=minus * v + t * factor * w)) * size
    if rest > 1e-3:
        return None
    low, high = phi.slopes
    here = float(straight.taps.item())
    ends = here - t * max(high, 0.0) * size**2, here - t * min(low, 0.0) * size**2
    value = max(map(abs, ends)) + rest * max(abs(low), abs(high))
    # the factor in front is exact; anything else was computed, in a few operations
    exact = value == abs(here)
    return _smaller(operator, value if exact else value * (1 + 16 * U), "a gradient step: symmetric Jacobian")


def _without_frame(first: Operator, second: Operator) -> tuple[Operator, Operator, float]:
    """W and V of A = W P and B = P* V, for linear P without weights, such as a pixel-unshuffle; and ||P||."""
    before, after, norm = _listed(first), _listed(second), 1.0
    scale = [part for part in after if isinstance(part, Scaling)]
    after = [part for part in after if not isinstance(part, Scaling)]
    while len(before) > 1 and len(after) > 1 and not isinstance(frame := before[0], (Conv, Scaling)):
        if frame.parameters or frame.linearity is not Linearity.LINEAR or frame.adjoint() != after[-1]:
            break
        norm *= frame.lipschitz(tight).value
        before, after = before[1:], after[:-1]
    return chain(*before), chain(*after, *scale), norm


def _listed(operator: Operator) -> list[Operator]:
    return list(operator.parts) if isinstance(operator, Compose) else [operator]


def _scaled_conv(operator: Operator) -> tuple[Conv, float] | None:
    """A convolution without its bias, and the factors around it."""
    factor, found = 1.0, None
    for part in _listed(operator):
        if isinstance(part, Scaling):
            factor *= part.factor
        elif isinstance(part, Conv) and found is None:
            found = replace(part, bias=None)
        else:
            return None
    return None if found is None else (found, factor)
