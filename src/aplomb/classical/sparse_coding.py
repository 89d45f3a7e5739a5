"""Convolutional sparse coding: a picture as few small shapes, each of them anywhere, and its multi-layer form.

.. math:: x = D c = \\sum_k d_k * c_k, \\qquad
          c = \\arg\\min_c \\tfrac12 \\|H D c - y\\|^2 + \\sum_k \\lambda_k \\|c_k\\|_1 \\quad (\\text{and } c \\ge 0)

A dictionary is an operator: the adjoint of a convolution whose weights are the atoms d_k, and H, what was measured of
the picture, is one, too (the identity, a mask, a blur). The pursuits take any linear operator, numpy's arrays and
torch's tensors; their step comes from a certified norm.

From zero and with step 1, one step of the non-negative pursuit is ``max(D* y - lambda, 0)``: a convolution with bias
-lambda and a ReLU. Layer behind layer, that is the forward pass of a network (`layered_pursuit`; as an expression,
`aplomb.nets.thresholding_network`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from aplomb.arrays import Array, Shape, like, namespace
from aplomb.errors import BadInput, ShapeError
from aplomb.facts.lipschitz import tight
from aplomb.layers.conv import Conv, Pair, pair
from aplomb.operator import Linearity, Operator

__all__ = ["Code", "dictionary", "fista", "ista", "layered_pursuit", "multi_layer_ista"]

Weight = float | Array
"""lambda: one for all atoms, (K,), one for each, or one for each coefficient, of the shape of the code."""


def dictionary(atoms: Array, shape: Pair | None = None, *, stride: int | Pair = 1, shift: Pair = (0, 0)) -> Conv:
    """The operator D from codes (N, K, h, w) to pictures (N, C, H, W) that puts atom k wherever code k says.

    It is the adjoint of a convolution, and ``dictionary(...).adjoint()`` is that convolution, the layer of a network.
    Atoms lie on a lattice of every `stride`-th pixel, moved by `shift` pixels, and may reach over the border, so that
    all pixels are covered alike.

    Parameters
    ----------
    atoms
        (K, C, kh, kw).
    shape
        (H, W) of the picture; needed with a stride, where it decides what the last atoms have in the picture.
    stride
        At most the size of the atoms. With 1, every shift of every atom is there.
    shift
        0 .. stride - 1 on each axis.

    Raises
    ------
    ShapeError
        The atoms are no stack of pictures.
    BadInput
        They hold NaN or infinity, the stride is larger than they are, or no `shape` was given where one is needed.

    Examples
    --------
    >>> D = dictionary(np.ones((5, 1, 8, 8)), (64, 50), stride=4)
    >>> D.adjoint().output_shape((1, 1, 64, 50)), D.output_shape((1, 5, 17, 14))
    ((1, 5, 17, 14), (1, 1, 64, 50))
    """
    if len(atoms.shape) != 4 or not math.prod(atoms.shape):
        raise ShapeError(f"dictionary of atoms of shape {tuple(atoms.shape)}; give (K, C, height, width)")
    if isinstance(atoms, np.ndarray) and not np.isfinite(atoms).all():
        raise BadInput("dictionary of atoms with NaN or infinity; learn them again")
    size, strides = tuple(map(int, atoms.shape[2:])), pair(stride, "stride")
    if any(s > f or not 0 <= t < s for f, s, t in zip(size, strides, shift, strict=True)):
        raise BadInput(f"dictionary of {size} atoms, stride {strides}, shift {shift}: give 0 <= shift < stride <= size")
    if shape is None and strides != (1, 1):
        raise BadInput(f"dictionary with stride {strides} needs the picture's size; give shape=(height, width)")
    pads = []
    for axis, (f, s) in enumerate(zip(size, strides, strict=True)):
        before = f - s + shift[axis]
        # the last atom begins at the last place of the lattice inside the picture
        after = f - 1 if shape is None else (shape[axis] - 1 + before) // s * s - before + f - shape[axis]
        pads.append((before, after))
    return Conv(atoms, None, strides, (pads[0], pads[1]), transposed=True)


# -- pursuits ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Code:
    """What a pursuit found."""

    value: Array
    """The code (N, K, h, w), of the kind of array that y was."""
    objective: tuple[float, ...]
    """1/2 ||D c - y||^2 + lambda ||c||_1 at the start and after each step."""

    @property
    def density(self) -> float:
        """Share of the coefficients that are not zero."""
        return float((self.value != 0).sum()) / math.prod(map(int, self.value.shape))


def ista(
    operator: Operator,
    y: Array,
    weight: Weight,
    *,
    steps: int = 100,
    step: float | None = None,
    non_negative: bool = False,
    start: Array | None = None,
    tolerance: float = 0.0,
) -> Code:
    """Iterative shrinkage: ``c <- prox(c - t D*(D c - y))``, which lowers the objective with each step.

    .. math:: \\mathrm{prox}(c) = \\mathrm{sign}(c) \\max(|c| - t \\lambda, 0), \\qquad
              \\mathrm{prox}_+(c) = \\max(c - t \\lambda, 0)

    Parameters
    ----------
    operator
        D, a dictionary, or what was measured of it, H D (``chain(D, H)``): linear.
    y
        Picture or measurement, an ndarray or a tensor.
    weight
        lambda, one for each atom (K,), or each coefficient (N, K, h, w); 0 or more, unless `non_negative` (below 0, it
        is what a bias above 0 of a layer means).
    steps
        At most so many.
    step
        t; None: 1 / L^2 with a certified bound L of the norm of D. Above 2 / L^2 there may be no convergence.
    non_negative
        Codes of 0 or more.
    start
        The first code; zero unless given.
    tolerance
        Stop when a step moves the code by less than this share of its norm.

    Raises
    ------
    BadInput
        The operator is not linear or its norm not known, or a weight, a step or a number of steps that cannot be.
    ShapeError
        `y` or `start` does not fit.

    References
    ----------
    Daubechies, Defrise, De Mol, "An iterative thresholding algorithm for linear inverse problems with a sparsity
    constraint", Comm. Pure and Applied Mathematics 57, 2004.

    Examples
    --------
    >>> D = dictionary(np.ones((1, 1, 2, 2)) / 2)
    >>> code = ista(D, np.ones((1, 1, 8, 8)), 0.1, steps=200)
    >>> code.value.shape, bool(code.objective[-1] < code.objective[0])
    ((1, 1, 9, 9), True)
    """
    return _pursue(operator, y, weight, repeat(0.0, steps), steps, step, non_negative, start, tolerance)


def fista(
    operator: Operator,
    y: Array,
    weight: Weight,
    *,
    steps: int = 100,
    step: float | None = None,
    non_negative: bool = False,
    start: Array | None = None,
    tolerance: float = 0.0,
) -> Code:
    """`ista` with momentum: the distance to the lowest objective falls as 1 / k^2 instead of 1 / k.

    .. math:: F(c_k) - F(c_*) \\le \\frac{2 L^2 \\|c_0 - c_*\\|^2}{(k + 1)^2}

    Parameters and errors are those of `ista`.

    References
    ----------
    Beck, Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse problems", SIAM J. Imaging
    Sciences 2 (1), 2009.

    Examples
    --------
    >>> D, y = dictionary(np.ones((1, 1, 2, 2)) / 2), np.eye(8)[None, None]
    >>> fista(D, y, 0.1, steps=30).objective[-1] < ista(D, y, 0.1, steps=30).objective[-1]
    True
    """
    return _pursue(operator, y, weight, _momenta(steps), steps, step, non_negative, start, tolerance)


def _momenta(steps: int) -> Iterator[float]:
    t = 1.0
    for _ in range(steps):
        t, last = (1 + math.sqrt(1 + 4 * t * t)) / 2, t
        yield (last - 1) / t


def _pursue(
    operator: Operator,
    y: Array,
    weight: Weight,
    momenta: Iterator[float],
    steps: int,
    step: float | None,
    non_negative: bool,
    start: Array | None,
    tolerance: float,
) -> Code:
    xp, back = namespace(y), _adjoint(operator)
    if steps < 1 or not tolerance >= 0:
        raise BadInput(f"a pursuit of {steps} steps and tolerance {tolerance}; give 1 step or more, 0 or more")
    step = _step(operator) if step is None else step
    if not (math.isfinite(step) and step > 0):
        raise BadInput(f"a pursuit with step {step}; give a finite number above 0")
    shape = back.output_shape(tuple(y.shape))
    weight = _weights(weight, shape, y, non_negative)
    c = xp.zeros_like(back(y)) if start is None else like(start, y)
    if tuple(c.shape) != shape:
        raise ShapeError(f"a pursuit from a code of shape {tuple(c.shape)}; that of this picture has {shape}")
    z, image = c, operator(c)
    image_z = image
    objective = [_objective(image, c, y, weight)]
    for momentum in momenta:
        new = _shrink(z - step * back(image_z - y), step * weight, non_negative)
        # D is linear: the picture of the extrapolated code is extrapolated, and D applied once a step
        new_image = operator(new)
        z, image_z = new + momentum * (new - c), new_image + momentum * (new_image - image)
        moved, size = _norm(new - c), _norm(new)
        c, image = new, new_image
        objective.append(_objective(image, c, y, weight))
        if moved <= tolerance * size:
            break
    return Code(c, tuple(objective))


def _adjoint(operator: Operator) -> Operator:
    if operator.linearity is not Linearity.LINEAR:
        raise BadInput(f"a pursuit needs a linear dictionary, found {operator!r}, {operator.linearity.name.lower()}")
    return operator.adjoint()


def _step(operator: Operator) -> float:
    bound = operator.lipschitz(tight)
    if bound.kind == "unknown" or not bound.value > 0:
        raise BadInput(f"a pursuit in {operator!r}, whose norm is {bound}: give step=, below 2 / norm^2")
    return 1 / bound.value**2


def _weights(weight: Weight, shape: Shape, y: Array, negative: bool = False) -> Array:
    """The weights as an array of the kind of `y` that goes with a code of `shape`."""
    found = like(weight if hasattr(weight, "shape") else np.asarray(weight, np.float64), y)
    if tuple(found.shape) not in ((), (1,), (shape[1],), shape):
        raise ShapeError(f"weights of shape {tuple(found.shape)} for a code of shape {shape}; give 1 or {shape[1]}")
    if not bool((abs(found) < math.inf).all()) or (not negative and bool((found < 0).any())):
        raise BadInput("a weight lambda is negative or not finite; give 0 or more")
    return found if tuple(found.shape) == shape else found.reshape(-1, 1, 1)


def _shrink(c: Array, threshold: Array, non_negative: bool) -> Array:
    xp = namespace(c)
    if non_negative:
        return xp.clip(c - threshold, 0.0, None)
    return c - xp.maximum(xp.minimum(c, threshold), -threshold)


def _norm(c: Array) -> float:
    return math.sqrt(float((c * c).sum()))


def _objective(image: Array, c: Array, y: Array, weight: Array) -> float:
    return float(((image - y) ** 2).sum()) / 2 + float((weight * abs(c)).sum())


# -- layers ------------------------------------------------------------------------------------------------------


def layered_pursuit(
    dictionaries: Sequence[Operator],
    y: Array,
    weights: Sequence[Weight],
    *,
    steps: int = 100,
    step: float | None = None,
    non_negative: bool = True,
) -> list[Array]:
    """Codes of codes: the code of each layer is the picture that the next layer codes.

    .. math:: c_i = \\arg\\min_{c \\ge 0} \\tfrac12 \\|D_i c - c_{i-1}\\|^2 + \\lambda_i \\|c\\|_1, \\qquad c_0 = y

    each by `fista`. With ``steps=1, step=1`` it is layered thresholding, ``c_i = max(D_i* c_{i-1} - lambda_i, 0)``:
    the forward pass of a network of convolutions ``D_i*`` with biases ``-lambda_i`` and ReLUs.

    Parameters
    ----------
    dictionaries
        D_1, D_2, ..., from the picture to the deepest layer.
    weights
        lambda_i of each.
    y, steps, step, non_negative
        As for `fista`.

    Returns
    -------
    codes
        c_1, c_2, ...

    References
    ----------
    Papyan, Romano, Elad, "Convolutional neural networks analyzed via convolutional sparse coding", J. Machine Learning
    Research 18, 2017.

    Examples
    --------
    >>> from aplomb.layers import conv
    >>> layers = [conv(1, 4, bias=False), conv(4, 8, bias=False)]
    >>> y = np.random.default_rng(0).random((1, 1, 8, 8))
    >>> codes = layered_pursuit([layer.adjoint() for layer in layers], y, [0.1, 0.2], steps=1, step=1.0)
    >>> bool(np.all(codes[0] == np.maximum(layers[0](y) - 0.1, 0)))
    True
    """
    _check_layers(dictionaries, weights)
    codes = []
    for operator, weight in zip(dictionaries, weights, strict=True):
        y = fista(operator, y, weight, steps=steps, step=step, non_negative=non_negative).value
        codes.append(y)
    return codes


def multi_layer_ista(
    dictionaries: Sequence[Operator],
    y: Array,
    weights: Sequence[Weight],
    *,
    steps: int = 100,
    step: Sequence[float] | None = None,
    non_negative: bool = True,
) -> list[Array]:
    """The multi-layer model by ML-ISTA: one deepest code, whose pictures in the layers between are sparse as well.

    .. math:: \\min_c \\tfrac12 \\|y - D_1 \\cdots D_L c\\|^2 + \\sum_i \\lambda_i \\|D_{i+1} \\cdots D_L c\\|_1

    A step goes up through the layers from the code that is there,
    ``c_i = prox(g_i - t_i D_i*(D_i g_i - c_{i-1}))`` with ``g_i = D_{i+1} ... D_L c_L``, so that one step from zero
    is again the forward pass of a network, and more of them are a recurrent one with the same weights.

    Parameters
    ----------
    dictionaries, y, weights, steps, non_negative
        As for `layered_pursuit`.
    step
        t_i of each layer; None: 1 / L_i^2.

    Returns
    -------
    codes
        c_1, c_2, ..., c_L of the last step.

    References
    ----------
    Sulam, Aberdam, Beck, Elad, "On multi-layer basis pursuit, efficient algorithms and convolutional neural networks",
    IEEE Trans. Pattern Analysis and Machine Intelligence 42 (8), 2020.

    Examples
    --------
    >>> from aplomb.layers import conv
    >>> D = [conv(1, 4, bias=False).adjoint(), conv(4, 8, bias=False).adjoint()]
    >>> [code.shape for code in multi_layer_ista(D, np.ones((1, 1, 8, 8)), [0.01, 0.01], steps=3)]
    [(1, 4, 8, 8), (1, 8, 8, 8)]
    """
    _check_layers(dictionaries, weights)
    backs = [_adjoint(operator) for operator in dictionaries]
    sizes = [_step(operator) for operator in dictionaries] if step is None else list(step)
    if steps < 1 or len(sizes) != len(dictionaries):
        raise BadInput(f"{steps} steps of {len(sizes)} sizes for {len(dictionaries)} layers; give a size for each")
    codes, before = [], y
    for back in backs:
        before = back(before) * 0
        codes.append(before)
    found = [_weights(w, tuple(code.shape), y, non_negative) for w, code in zip(weights, codes, strict=True)]
    for _ in range(steps):
        # what the deepest code stands for in each layer
        images = [codes[-1]]
        for operator in reversed(dictionaries[1:]):
            images.append(operator(images[-1]))
        before = y
        for i, g in enumerate(reversed(images)):
            residual = dictionaries[i](g) - before
            before = _shrink(g - sizes[i] * backs[i](residual), sizes[i] * found[i], non_negative)
            codes[i] = before
    return codes


def _check_layers(dictionaries: Sequence[Operator], weights: Sequence[Weight]) -> None:
    if not dictionaries or len(dictionaries) != len(weights):
        raise BadInput(f"{len(dictionaries)} dictionaries and {len(weights)} weights; give one weight a layer")
