"""Convolution and transposed convolution, and a convolution as a matrix.

As everywhere in the field, "convolution" of a layer means correlation: y[n] = sum_k w[k] x[s n + d k - p].
A border other than zeros is a padding of its own: ``conv(..., padding="reflect")`` is a valid convolution
behind ``pad(..., "reflect")``, so that there is one convolution and one place for each kind of border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from aplomb.arrays import Array, Shape, like
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.pad import NO_PADS, Crop, Pads, as_pads, pad
from aplomb.operator import Ask, Bound, GraphWriter, Grid, Interval, Linearity, Operator, chain

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Pair = tuple[int, int]


def pair(value: int | Pair, what: str) -> Pair:
    """`value` for rows and columns; both must be positive."""
    a, b = (value, value) if isinstance(value, int) else value
    if a < 1 or b < 1:
        raise BadInput(f"{what} of {value}: it must be a positive number of pixels, or two")
    return a, b


@dataclass(frozen=True, eq=False, repr=False)
class Conv(Operator):
    """Convolution of N1 channels to N2 with zero padding, or its transpose.

    Forward: y[o, n] = b[o] + sum_{i, k} w[o, i, k] x[i, s n + d k - p], `weight` (N2, N1 / groups, kh, kw).
    Transposed: the adjoint of that map, with a bias on the N1 channels that it gives, so a layer from M to N
    channels has a weight (M, N / groups, kh, kw), as elsewhere. `exact` refuses sizes at which the stride
    leaves pixels over; without it they are dropped, as frameworks do.

    Reference: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """

    weight: Array
    bias: Array | None = None
    stride: Pair = (1, 1)
    pads: Pads = NO_PADS
    dilation: Pair = (1, 1)
    groups: int = 1
    transposed: bool = False
    exact: bool = True

    _weights: ClassVar[tuple[str, ...]] = ("weight", "bias")

    @property
    def extent(self) -> Pair:
        """Size of the dilated kernel."""
        (kh, kw), (dy, dx) = self.weight.shape[2:], self.dilation
        return dy * (kh - 1) + 1, dx * (kw - 1) + 1

    @property
    def channels(self) -> Pair:
        """(in, out)."""
        n2, n1 = int(self.weight.shape[0]), int(self.weight.shape[1]) * self.groups
        return (n2, n1) if self.transposed else (n1, n2)

    # -- readings --------------------------------------------------------------------------------------------

    def _numpy(self, x: Array) -> Array:
        y = self._spread(x) if self.transposed else self._gather(x)
        return y if self.bias is None else y + like(self.bias, x)[:, None, None]

    def _taps(self, n: Shape) -> Any:
        """For every tap its weights (G, N2/G, N1/G), and where in the padded picture n pixels meet it."""
        w = self.weight.reshape(self.groups, -1, *self.weight.shape[1:])
        (sy, sx), (ny, nx) = self.stride, n
        for i in range(w.shape[3]):
            for j in range(w.shape[4]):
                y0, x0 = i * self.dilation[0], j * self.dilation[1]
                rows, columns = slice(y0, y0 + sy * (ny - 1) + 1, sy), slice(x0, x0 + sx * (nx - 1) + 1, sx)
                yield w[..., i, j], (..., rows, columns)

    def _gather(self, x: Array) -> Array:
        # a convolution is a sum of shifted copies, each with its channels mixed
        batch, n1 = x.shape[:2]
        n = self._output_shape(x.shape)[2:]
        x = np.pad(x, ((0, 0), (0, 0), *self.pads))
        x = x.reshape(batch, self.groups, n1 // self.groups, *x.shape[2:])
        y: Any = 0
        for w, where in self._taps(n):
            y = y + np.einsum("goi,ngihw->ngohw", like(w, x), x[where], optimize=True)
        return y.reshape(batch, -1, *n)

    def _spread(self, x: Array) -> Array:
        # its adjoint adds to the same places that the other reads
        batch, n2 = x.shape[:2]
        n = x.shape[2:]
        shape = self._output_shape(x.shape)
        x = x.reshape(batch, self.groups, n2 // self.groups, *n)
        grown = [s + a + b for s, (a, b) in zip(shape[2:], self.pads, strict=True)]
        kind = np.result_type(x.dtype, np.float32)
        y = np.zeros((batch, self.groups, shape[1] // self.groups, *grown), kind)
        for w, where in self._taps(n):
            y[where] += np.einsum("goi,ngohw->ngihw", like(w, x), x, optimize=True)
        y = y.reshape(batch, -1, *grown)
        (top, _), (left, _) = self.pads
        return y[:, :, top : top + shape[2], left : left + shape[3]]

    def _torch(self, x: Array, torch: Any) -> Array:
        F = torch.nn.functional
        w, b = like(self.weight, x), None if self.bias is None else like(self.bias, x)
        (top, bottom), (left, right) = self.pads
        same = top == bottom and left == right
        inside = (top, left) if same else 0
        if self.transposed:
            y = F.conv_transpose2d(x, w, b, self.stride, inside, 0, self.groups, self.dilation)
            return y if same else y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]
        if not same:
            x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, w, b, self.stride, inside, self.dilation, self.groups)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        (top, bottom), (left, right) = self.pads
        weights = (self.weight,) if self.bias is None else (self.weight, self.bias)
        return graph.node(
            "ConvTranspose" if self.transposed else "Conv",
            [x, *map(graph.constant, weights)],
            # ONNX has no word for "refuse what does not fit"; the note lets thaw give back the same operator
            doc="exact" if self.exact else "",
            strides=self.stride,
            pads=(top, left, bottom, right),
            dilations=self.dilation,
            group=self.groups,
            kernel_shape=self.weight.shape[2:],
        )

    # -- facts -----------------------------------------------------------------------------------------------

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4 or shape[1] != self.channels[0]:
            c = self.channels[0]
            raise ShapeError(f"{self!r} takes (N, {c}, H, W), found {shape}; give {c} channel(s)")
        return (shape[0], self.channels[1], *(self._size(n, axis) for axis, n in enumerate(shape[2:])))

    def _size(self, n: int, axis: int) -> int:
        """Size (n - F + P) / S + 1 or, transposed, (n - 1) S + F - P: F dilated kernel, P both paddings."""
        f, s, p, along = self.extent[axis], self.stride[axis], sum(self.pads[axis]), "yx"[axis]
        if self.transposed:
            size = (n - 1) * s + f - p
            if size < 1:
                raise ShapeError(f"{self!r} would crop an input of {n} pixels to nothing; give more pixels")
            return size
        room = n - f + p
        if room < 0:
            raise ShapeError(f"{self!r} needs at least {f - p} pixels along {along}, found {n}; pad the picture")
        if room % s and self.exact:
            strides = [t for t in range(1, room + 1) if room % t == 0][:6]
            paddings = [q for q in range(0, f + s) if (n - f + q) >= 0 and (n - f + q) % s == 0][:4]
            raise ShapeError(
                f"stride {s} does not fit: {n} pixels along {along}, kernel {f}, padding {p} in all leave "
                f"({n} - {f} + {p})/{s} + 1 = {room / s + 1:g}; "
                f"strides that fit: {', '.join(map(str, strides))}; "
                f"paddings (both sides together) that fit: {', '.join(map(str, paddings))}; "
                f"sizes that fit: {n - room % s}, {n - room % s + s}"
            )
        return room // s + 1

    def _span(self, interval: Interval, axis: int) -> Interval:
        lo, hi = interval
        if math.isinf(lo) or math.isinf(hi):
            return interval
        f, s, p = self.extent[axis], self.stride[axis], self.pads[axis][0]
        if self.transposed:
            # Input n reaches the outputs [s n - p, s n - p + f). Where s > f, outputs between need nothing,
            # and the pixel before stands for it. Holes of a dilated kernel are not looked for either.
            return min(math.ceil((lo + p - f + 1) / s), (lo + p) // s), (hi - 1 + p) // s + 1
        return lo * s - p, (hi - 1) * s - p + f

    def grid(self, axis: int = 0) -> Grid:
        s = self.stride[axis]
        return Grid(1, Fraction(1, s)) if self.transposed else Grid(s, Fraction(s))

    def _multiply_adds(self, shape: Shape) -> int:
        # each weight meets every output pixel of its map once (every input pixel in the transpose)
        n = shape if self.transposed else self._output_shape(shape)
        return int(shape[0] * math.prod(self.weight.shape) * math.prod(n[2:]))

    @property
    def linearity(self) -> Linearity:
        return Linearity.LINEAR if self.bias is None else Linearity.AFFINE

    def _linear_part(self) -> Operator:
        return replace(self, bias=None)

    def _adjoint(self) -> Operator:
        return replace(self, transposed=not self.transposed)

    def _derivative(self, x: Array) -> Operator:
        # pixels that the stride drops at the end are cropped first, so that the adjoint gives them back
        linear = replace(self, bias=None)
        if self.transposed:
            return linear
        rest = [
            (n - f + sum(p)) % s for n, f, p, s in zip(x.shape[2:], self.extent, self.pads, self.stride, strict=True)
        ]
        pads = tuple((a, max(0, b - r)) for (a, b), r in zip(self.pads, rest, strict=True))
        cut: Pads = tuple((0, max(0, r - b)) for (_, b), r in zip(self.pads, rest, strict=True))  # type: ignore[assignment]
        linear = replace(linear, pads=pads)  # type: ignore[arg-type]
        return linear if cut == NO_PADS else chain(Crop(cut), linear)

    def _lipschitz(self, ask: Ask) -> Bound:
        # Schur's test on the block-Toeplitz matrix: norm <= sqrt(largest l1 norm of a row * of a column).
        # Zero padding and striding only leave rows out. For one channel this is sup |H| <= ||h||_1.
        w = np.abs(np.asarray(self.weight, np.float64)).reshape(self.groups, -1, *self.weight.shape[1:])
        rows, columns = w.sum(axis=(2, 3, 4)).max(), w.sum(axis=(1, 3, 4)).max()
        # a sum of n numbers is off by n - 1 units at most; the product and the root by some more
        more = 1 + (max(math.prod(w.shape[2:]), w.shape[1] * math.prod(w.shape[3:])) + 4) * 2.0**-53
        value = float(np.sqrt(rows * columns)) * (more if w.size > self.groups else 1.0)
        return Bound(value, "upper", "Schur's test: l1 norms of the kernel")

    def _input_channels(self, wanted: int | None) -> int | None:
        return self.channels[0]

    def _initialise(self, rng: np.random.Generator) -> Operator:
        fan_in = self.channels[0] // self.groups * math.prod(self.weight.shape[2:])
        if self.transposed:  # every output pixel meets one in s*s of the taps
            fan_in = max(1, fan_in // math.prod(self.stride))
        w = rng.normal(0.0, math.sqrt(2.0 / fan_in), self.weight.shape).astype(np.float32)
        return replace(self, weight=w, bias=None if self.bias is None else np.zeros_like(w, shape=self.bias.shape))

    # -- as a matrix -----------------------------------------------------------------------------------------

    def matrix(self, shape: Shape) -> csr_array:
        """Doubly block-Toeplitz matrix A with ``(T x - b).ravel() = A @ x.ravel()`` for a picture of `shape`.

        One Kronecker product a tap: channels mixed by w[:, :, i, j], rows shifted by i, columns by j.

        >>> layer = conv(1, 1, 3, bias=False)
        >>> layer.matrix((1, 1, 4, 4)).shape
        (16, 16)
        """
        import scipy.sparse as sp

        if self.transposed:
            small = self._output_shape(shape)
            return replace(self, transposed=False, bias=None, exact=False).matrix(small).T.tocsr()
        out = self._output_shape(shape)

        def shift(axis: int, tap: int) -> Any:
            # row n of the 1-D Toeplitz block picks pixel s n + d k - p, if there is one
            n = np.arange(out[2 + axis])
            at = n * self.stride[axis] + tap * self.dilation[axis] - self.pads[axis][0]
            there = (at >= 0) & (at < shape[2 + axis])
            entries = (np.ones(there.sum()), (n[there], at[there]))
            return sp.csr_array(entries, shape=(out[2 + axis], shape[2 + axis]))

        w = np.asarray(self.weight).reshape(self.groups, -1, *self.weight.shape[1:])
        total: Any = 0
        for i in range(w.shape[3]):
            for j in range(w.shape[4]):
                mix = sp.block_diag([w[g, :, :, i, j] for g in range(self.groups)])
                total = total + sp.kron(mix, sp.kron(shift(0, i), shift(1, j)))
        return sp.csr_array(total)

    def __repr__(self) -> str:
        shown = [*map(str, self.channels), _short(self.weight.shape[2:])]
        more = (
            ("stride", _short(self.stride), "1"),
            ("pads", self.pads, NO_PADS),
            ("dilation", _short(self.dilation), "1"),
            ("groups", self.groups, 1),
            ("bias", self.bias is not None, True),
        )
        shown += [f"{key}={value}" for key, value, usual in more if value != usual]
        return f"conv{'_transposed' * self.transposed}({', '.join(shown)})"


def conv(
    inputs: int,
    outputs: int,
    size: int | Pair = 3,
    *,
    stride: int | Pair = 1,
    padding: str | int | Pads = "zero",
    dilation: int | Pair = 1,
    groups: int = 1,
    bias: bool = True,
    exact: bool = True,
    seed: int | None = 0,
) -> Operator:
    """Convolution layer from `inputs` to `outputs` channels with random weights (He et al. 2015), or zeros: seed None.

    `padding` is "valid" (none), a number of zeros on each side, or one of "zero", "reflect", "replicate" and
    "circular": then as much as keeps the size at stride 1. A dilated kernel covers d (k - 1) + 1 pixels.

    >>> conv(3, 2, 3, stride=2, padding=1).output_shape((1, 3, 7, 7))
    (1, 2, 4, 4)
    >>> conv(1, 1, 3, stride=2, padding="valid").output_shape((1, 1, 10, 10))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    aplomb.errors.ShapeError: stride 2 does not fit: 10 pixels along y, kernel 3, ... sizes that fit: 9, 11
    """
    kernel, dil = pair(size, "kernel size"), pair(dilation, "dilation")
    _check_channels(inputs, outputs, groups)
    reach = [d * (k - 1) for k, d in zip(kernel, dil, strict=True)]
    keep = tuple((r // 2, r - r // 2) for r in reach)
    before, pads = (), NO_PADS
    if padding in ("reflect", "replicate", "circular"):
        before = (pad(keep, padding),)  # type: ignore[assignment,arg-type]
    elif padding == "zero":
        pads = keep  # type: ignore[assignment]
    elif padding != "valid":
        if isinstance(padding, str):
            known = "valid, zero, reflect, replicate, circular or pixels"
            raise BadInput(f"padding {padding!r} is not known; give {known}")
        pads = as_pads(padding)
    layer = Conv(
        np.zeros((outputs, inputs // groups, *kernel), np.float32),
        np.zeros(outputs, np.float32) if bias else None,
        pair(stride, "stride"),
        pads,
        dil,
        groups,
        exact=exact,
    )
    return chain(*before, layer if seed is None else layer.initialise(seed))


def conv_transposed(
    inputs: int,
    outputs: int,
    size: int | Pair = 2,
    *,
    stride: int | Pair = 2,
    padding: int | Pads = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    bias: bool = True,
    seed: int | None = 0,
) -> Operator:
    """Transposed (fractionally strided) convolution: the adjoint of `conv(outputs, inputs, ...)` and a bias.

    The usual up-sampling layer has size 2 and stride 2; `padding` crops the output.

    >>> conv_transposed(8, 4).output_shape((1, 8, 5, 5))
    (1, 4, 10, 10)
    """
    _check_channels(inputs, outputs, groups)
    layer = Conv(
        np.zeros((inputs, outputs // groups, *pair(size, "kernel size")), np.float32),
        np.zeros(outputs, np.float32) if bias else None,
        pair(stride, "stride"),
        as_pads(padding),
        pair(dilation, "dilation"),
        groups,
        transposed=True,
    )
    return layer if seed is None else layer.initialise(seed)


def merge(second: Conv, first: Conv) -> Conv:
    """One convolution for two without stride or border: kernel h = h2 * h1, bias b2 + h2 * b1.

    The composition of two linear shift-invariant operators is one again. It holds for valid convolutions
    only: with zeros between the two, the border pixels would differ, so anything else is refused.

    >>> two = merge(conv(4, 2, padding="valid"), conv(1, 4, padding="valid"))
    >>> two.weight.shape
    (2, 1, 5, 5)
    """
    for layer in (first, second):
        if not isinstance(layer, Conv) or layer != Conv(layer.weight, layer.bias, exact=layer.exact):
            raise BadInput(f"{layer!r} cannot be merged; give valid ones without stride, dilation and groups")
    if second.channels[0] != first.channels[1]:
        met = f"{first.channels[1]} channels meet {second.channels[0]}"
        raise ShapeError(f"merge of {second!r} behind {first!r}: {met}")
    h2, h1 = second.weight, first.weight
    kh, kw = h2.shape[2] + h1.shape[2] - 1, h2.shape[3] + h1.shape[3] - 1
    h = np.zeros((h2.shape[0], h1.shape[1], kh, kw), np.result_type(h1, h2))
    for i in range(h2.shape[2]):
        for j in range(h2.shape[3]):
            mixed = np.einsum("om,mihw->oihw", h2[:, :, i, j], h1)
            h[:, :, i : i + h1.shape[2], j : j + h1.shape[3]] += mixed
    if first.bias is None and second.bias is None:
        return Conv(h)
    bias = np.zeros(h.shape[0], h.dtype) if second.bias is None else second.bias
    return Conv(h, bias if first.bias is None else bias + h2.sum(axis=(2, 3)) @ first.bias)


def _check_channels(inputs: int, outputs: int, groups: int) -> None:
    if min(inputs, outputs, groups) < 1 or inputs % groups or outputs % groups:
        asked = f"from {inputs} to {outputs} channels in {groups} group(s)"
        raise BadInput(f"convolution {asked}: both must be positive multiples of the groups")


def _short(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else str(tuple(sizes))
