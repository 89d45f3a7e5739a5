"""The algebra. Read this file first.

An operator is an immutable value ``T: X -> Y`` on arrays of layout (N, C, H, W), dense ones (N, C). You can

- apply it: ``T(x)``, to a numpy array or to a torch tensor;
- combine it: ``g @ f``, ``f + g``, ``f - g``, ``a * f``, ``stack(f, g)``, ``identity``;
- ask it for facts: output shape, span, grid, parameters, multiply-adds, linearity, adjoint, resolvent, Lipschitz
  bound.

A network is an expression. This is a residual denoiser:

>>> from aplomb.layers import conv, relu
>>> residual = identity - chain(conv(1, 8), relu, conv(8, 1))
>>> residual.output_shape((1, 1, 32, 32)), residual.parameters, residual.span((0, 1))
((1, 1, 32, 32), 153, (-2, 3))

Every fact of a composite follows from those of its parts by one law, which stands beside it. Where a law does
not hold, the answer is the conservative one. A leaf (a convolution, a ReLU, a blur) states its own facts and
its readings in numpy, torch and ONNX; they live in ``layers/`` and ``degrade/``.

A public method checks, the private one of the same name computes; a subclass writes private ones, and those
facts that need no check (`grid`, `linearity`).

Long because every combinator has every reading and every fact, and each law belongs beside the others.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Any, ClassVar, Literal, Protocol, final

import numpy as np

from aplomb.arrays import Array, Shape, concatenate, same, torch_of
from aplomb.errors import BadInput, ShapeError

Interval = tuple[float, float]
"""Half-open interval [lo, hi) of pixel positions on one axis; infinite ends mean: the whole picture."""

EVERYWHERE: Interval = (-math.inf, math.inf)


class Linearity(IntEnum):
    """How far superposition holds. A combination is as linear as its least linear part, hence the order."""

    LINEAR = 0
    AFFINE = 1
    NONLINEAR = 2


@dataclass(frozen=True)
class Grid:
    """How the output's sampling lattice lies in the input's, on one axis.

    `step` is the distance of two output pixels, measured in input pixels (2 behind a down-sampling by 2, 1/2
    behind an up-sampling). `stride`, the total stride, is the smallest shift of the input, in pixels, that
    only shifts the output: T shift(stride) = shift(stride / step) T.
    """

    stride: int = 1
    step: Fraction = Fraction(1)


@dataclass(frozen=True)
class Bound:
    """A Lipschitz constant in l2, with its kind: an estimate from below is never stored here.

    `exact`: the constant itself; `upper`: proved not to be exceeded; `unknown`: nothing is proved, and
    `value` is infinite. `reason` says what stands behind it.
    """

    value: float
    kind: Literal["exact", "upper", "unknown"]
    reason: str = ""

    def __str__(self) -> str:
        return {"exact": f"{self.value:.4g}", "upper": f"<= {self.value:.4g}"}.get(self.kind, "unknown")


def unknown(reason: str) -> Bound:
    """No bound is proved, because of `reason`."""
    return Bound(math.inf, "unknown", reason)


Ask = Callable[["Operator"], Bound]
"""How a law asks for the bound of a part."""


class GraphWriter(Protocol):
    """What a leaf may ask for when it writes itself as ONNX (implemented in ``model.py``)."""

    def node(self, op: str, inputs: Sequence[str], doc: str = "", **attributes: Any) -> str:
        """Write an ONNX node; the name of its output comes back."""

    def constant(self, array: Array) -> str:
        """Write an array; its name comes back."""

    def function(self, leaf: str, inputs: Sequence[str], body: Callable[..., str], **attributes: Any) -> str:
        """Write a leaf that ONNX lacks; ``body(graph, *inputs)`` writes the plain nodes inside it."""


class Operator:
    """An immutable map of arrays; subclasses are frozen dataclasses.

    A leaf implements `_numpy`, `_torch` and `_onnx`, its output shape and the facts that differ from the
    defaults below (a pointwise nonlinear map). `_weights` names the fields that training changes, `_state`
    those that only freezing keeps (running statistics).
    """

    _weights: ClassVar[tuple[str, ...]] = ()
    _state: ClassVar[tuple[str, ...]] = ()
    __array_ufunc__ = None  # so that numpy's scalars leave `a * f` to us

    # -- apply --------------------------------------------------------------------------------------------

    @final
    def __call__(self, x: Array) -> Array:
        """Apply to `x`, (N, C, H, W) or (N, C), an ndarray or a tensor; ShapeError if it does not fit."""
        self._output_shape(tuple(x.shape))
        return self._apply(x)

    def _apply(self, x: Array) -> Array:
        torch = torch_of(x)
        return self._numpy(np.asarray(x)) if torch is None else self._torch(x, torch)

    def _numpy(self, x: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no numpy reading")

    def _torch(self, x: Array, torch: Any) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no torch reading")

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        raise BadInput(f"{self!r} cannot be frozen: ONNX has no form for it; freeze the parts around it")

    # -- combine ---------------------------------------------------------------------------------------------

    @final
    def __matmul__(self, first: Operator) -> Operator:
        """Composition: ``(g @ f)(x) = g(f(x))``."""
        return chain(first, self)

    @final
    def __add__(self, other: Operator) -> Operator:
        """Sum: ``(f + g)(x) = f(x) + g(x)``."""
        return Sum((*_terms(self), *_terms(other)))

    @final
    def __sub__(self, other: Operator) -> Operator:
        return self + (-1.0) * other

    @final
    def __rmul__(self, factor: float) -> Operator:
        """Scaling: ``(a * f)(x) = a f(x)``; nested factors are multiplied."""
        parts = _parts(self)
        if parts and isinstance(parts[-1], Scaling):
            factor, parts = factor * parts[-1].factor, parts[:-1]
        return chain(*parts, *([Scaling(float(factor))] if factor != 1 else []))

    @final
    def __neg__(self) -> Operator:
        return -1.0 * self

    # -- facts -----------------------------------------------------------------------------------------------

    @final
    def output_shape(self, shape: Shape) -> Shape:
        """Shape of the output for an input of `shape`; ShapeError, with what would fit, if it does not."""
        return self._output_shape(tuple(int(n) for n in shape))

    def _output_shape(self, shape: Shape) -> Shape:
        return shape

    @final
    def span(self, interval: Interval, axis: int = 0) -> Interval:
        """The input interval that the output interval [lo, hi) depends on; `axis` 0 is rows, 1 is columns.

        The receptive field as an interval: positions may lie outside the picture, where a border is padded
        (what a mirrored border puts there comes from inside). With strides its extent depends on where the
        output pixel lies, so ask for the pixel that you mean. An infinite end stands for the whole picture.
        """
        lo, hi = interval
        if not lo < hi:
            raise BadInput(f"span asked for the empty interval [{lo}, {hi}); give lo < hi")
        return self._span(EVERYWHERE if math.isinf(lo) or math.isinf(hi) else (lo, hi), axis)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return interval

    def grid(self, axis: int = 0) -> Grid:
        """Sampling lattice of the output in the input's, and the total stride."""
        return Grid()

    @final
    def halo(self, axis: int = 0) -> float:
        """Input pixels needed on either side of an output pixel: the most of all phases, in whole strides.

        Infinite where a border wraps around (the neighbours of a pixel at one end are those at the other), and
        where each place has its own law.
        """
        if any(leaf._wraps(axis) for leaf in self.leaves()):
            return math.inf
        grid = self.grid(axis)
        if not grid.stride:
            return math.inf
        phases = max(1, math.ceil(grid.stride / grid.step))
        reach = 0.0
        for p in range(phases):
            lo, hi = self._span((p, p + 1), axis)
            reach = max(reach, math.floor(p * grid.step) - lo, hi - math.ceil((p + 1) * grid.step))
        return reach if math.isinf(reach) else math.ceil(reach / grid.stride) * grid.stride

    def _wraps(self, axis: int) -> bool:
        """Whether opposite ends of the picture are neighbours."""
        return False

    @property
    def parameters(self) -> int:
        """Number of trainable weights."""
        return sum(math.prod(array.shape) for array in self.weights(state=False).values())

    @final
    def multiply_adds(self, shape: Shape) -> int:
        """Multiplications by weights, with an addition, for an input of `shape`; biases do not count."""
        self.output_shape(shape)
        return self._multiply_adds(shape)

    def _multiply_adds(self, shape: Shape) -> int:
        return 0

    @property
    def linearity(self) -> Linearity:
        """Linear, affine or nonlinear."""
        return Linearity.NONLINEAR

    @property
    def homogeneous(self) -> bool:
        """Whether T(a x) = a T(x) for every number a >= 0, as for convolutions without biases and ReLU.

        Such a network knows no brightness: a denoiser that takes the noise level as an input is then as good for a
        bright picture with strong noise as for a dark one with weak noise, seen in training or not.
        """
        return self.linearity is Linearity.LINEAR

    @final
    def adjoint(self) -> Operator:
        """The operator T* with <T x, y> = <x, T* y>. Raises BadInput unless the operator is linear."""
        if self.linearity is not Linearity.LINEAR:
            kind, more = self.linearity, "; take .linear_part() first" * (self.linearity is Linearity.AFFINE)
            raise BadInput(f"adjoint asked of an operator that is {kind.name.lower()}, not linear{more}")
        return self._adjoint()

    def _adjoint(self) -> Operator:
        raise NotImplementedError(f"{type(self).__name__} is linear but states no adjoint")

    @property
    def isometry(self) -> bool:
        """Whether T* T = I is known: lengths are kept, and the adjoint undoes T."""
        return False

    @property
    def coisometry(self) -> bool:
        """Whether T T* = I is known: the adjoint is an isometry, as of what only leaves values out."""
        return False

    @final
    def resolvent(self, r: float) -> Operator | None:
        """The operator (T* T + r I)^-1 in closed form, for r > 0, or None where none is known.

        It is the data step of every splitting method: the x that minimises ||T x - y||^2 + r ||x - z||^2 is
        ``resolvent(r)(T* y + r z)``. ``aplomb.degrade.solve.resolvent`` falls back to conjugate gradients.

        >>> identity.resolvent(1.0)(np.ones((1, 1))), (3.0 * identity).resolvent(1.0)(np.ones((1, 1)))
        (array([[0.5]]), array([[0.1]]))
        """
        if not (math.isfinite(r) and r > 0):
            raise BadInput(f"resolvent asked for r = {r}; give a finite number above 0")
        if self.linearity is not Linearity.LINEAR:
            raise BadInput(f"resolvent asked of an operator that is {self.linearity.name.lower()}, not linear")
        if self.isometry:
            return (1 / (1 + r)) * identity
        found = self._resolvent(float(r))
        if found is None and self.coisometry:
            # T* T is a projection: its eigenvalues are 0 and 1, so the inverse is 1 / r minus what those of 1 differ
            return (1 / r) * (identity - (1 / (1 + r)) * chain(self, self._adjoint()))
        return found

    def _resolvent(self, r: float) -> Operator | None:
        return None

    def _resolvent_before(self, rest: Operator, r: float) -> Operator | None:
        """The resolvent of `rest` after this one, where the two together have one."""
        return None

    @final
    def linear_part(self) -> Operator:
        """The map x -> T(x) - T(0) of an affine operator T: the same without its biases."""
        if self.linearity is Linearity.NONLINEAR:
            raise BadInput("linear_part asked of a nonlinear operator; take what is between nonlinearities")
        return self.map(lambda leaf: leaf._linear_part())

    def _linear_part(self) -> Operator:
        return self

    def _derivative(self, x: Array) -> Operator:
        """The linear map J with T(x + h) = T(x) + J h + o(h); its adjoint knows the shape of x."""
        return self.linear_part()

    @final
    def lipschitz(self, rule: Callable[[Operator], Bound | None] | None = None) -> Bound:
        """Bound of ||T x - T y|| <= L ||x - y|| in l2, for pictures of any size, from the structure at no cost.

        `rule` is asked first, of the whole and of every part, and may know better; ``aplomb.facts.lipschitz``
        has one that looks at the weights.
        """

        def ask(part: Operator) -> Bound:
            found = (rule(part) if rule else None) or part._lipschitz(ask)
            if found.kind == "unknown" or math.isfinite(found.value):
                return found
            return unknown(f"{part!r} has weights that are infinite, no numbers, or too large")

        return ask(self)

    def _lipschitz(self, ask: Ask) -> Bound:
        return unknown(f"nothing is proved about {type(self).__name__}")

    @final
    def input_channels(self) -> int | None:
        """Channels that the operator asks for, or None if it takes any number."""
        return self._input_channels(None)

    def _input_channels(self, wanted: int | None) -> int | None:
        """Channels asked of the input when the next operator wants `wanted` of the output."""
        return wanted

    # -- parts and weights -----------------------------------------------------------------------------------

    def children(self) -> tuple[Operator, ...]:
        """Parts of a combinator, in order; a leaf has none."""
        return ()

    def _rebuild(self, children: Sequence[Operator]) -> Operator:
        return self

    @final
    def map(self, change: Callable[[Operator], Operator]) -> Operator:
        """The same expression with every leaf replaced by ``change(leaf)``."""
        children = self.children()
        return self._rebuild([child.map(change) for child in children]) if children else change(self)

    @final
    def leaves(self) -> Iterator[Operator]:
        """Leaves in the order in which they are applied."""
        children = self.children()
        if not children:
            yield self
        for child in children:
            yield from child.leaves()

    @final
    def weights(self, *, state: bool = True) -> dict[str, Array]:
        """Weight arrays by name, ``"3.weight"`` that of the fourth leaf; `state` adds running statistics."""
        found = {}
        for index, leaf in enumerate(self.leaves()):
            for name in (*leaf._weights, *(leaf._state if state else ())):
                if getattr(leaf, name) is not None:
                    found[f"{index}.{name}"] = getattr(leaf, name)
        return found

    @final
    def with_weights(self, weights: Mapping[str, Array]) -> Operator:
        """The same expression with the arrays named in `weights` put in their places."""
        index = -1
        known = self.weights()
        for name, array in weights.items():
            if name not in known:
                raise BadInput(f"no weight named {name!r} here; the names are {', '.join([*known][:4])}, ...")
            if (found := tuple(array.shape)) != (place := tuple(known[name].shape)):
                raise BadInput(f"weight {name} of shape {found} does not fit; its place has shape {place}")

        def change(leaf: Operator) -> Operator:
            nonlocal index
            index += 1
            names = {n: f"{index}.{n}" for n in (*leaf._weights, *leaf._state)}
            mine = {n: weights[name] for n, name in names.items() if name in weights}
            return dataclasses.replace(leaf, **mine) if mine else leaf  # type: ignore[type-var]

        return self.map(change)

    @final
    def initialise(self, seed: int = 0) -> Operator:
        """The same expression with fresh random weights, drawn from `seed`."""
        rng = np.random.default_rng(seed)
        return self.map(lambda leaf: leaf._initialise(rng))

    def _initialise(self, rng: np.random.Generator) -> Operator:
        return self

    # -- value -----------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        """Same structure and the same weights, bit for bit."""
        if type(self) is not type(other):
            return False
        names = [f.name for f in dataclasses.fields(self)]  # type: ignore[arg-type]
        return all(same(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        return hash((type(self), tuple(hash(c) for c in self.children())))

    def __repr__(self) -> str:
        shown = []
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if hasattr(value, "shape"):
                shown.append(f"{f.name}={'x'.join(map(str, value.shape)) or float(value)}")
            elif f.default is dataclasses.MISSING or value != f.default:
                shown.append(f"{f.name}={value}")
        return f"{type(self).__name__}({', '.join(shown)})"


# -- the five combinators ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Identity(Operator):
    """x -> x."""

    def _apply(self, x: Array) -> Array:
        return x

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Identity", [x])

    @property
    def linearity(self) -> Linearity:
        return Linearity.LINEAR

    @property
    def isometry(self) -> bool:
        return True

    @property
    def coisometry(self) -> bool:
        return True

    def _adjoint(self) -> Operator:
        return self

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "identity")

    def __repr__(self) -> str:
        return "identity"


identity = Identity()


@dataclass(frozen=True, eq=False, repr=False)
class Scaling(Operator):
    """x -> a x; ``a * f`` is ``Scaling(a) @ f``."""

    factor: float

    def _apply(self, x: Array) -> Array:
        return -x if self.factor == -1 else x * self.factor

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Mul", [x, graph.constant(np.float32(self.factor))])

    @property
    def linearity(self) -> Linearity:
        return Linearity.LINEAR

    def _adjoint(self) -> Operator:
        return self

    @property
    def isometry(self) -> bool:
        return abs(self.factor) == 1

    @property
    def coisometry(self) -> bool:
        return abs(self.factor) == 1

    def _resolvent(self, r: float) -> Operator | None:
        return (1 / (self.factor**2 + r)) * identity

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(abs(self.factor), "exact", "abs(a)")


@dataclass(frozen=True, eq=False, repr=False)
class _Combination(Operator):
    """What compositions, sums and stacks share."""

    parts: tuple[Operator, ...]

    def children(self) -> tuple[Operator, ...]:
        return self.parts

    @property
    def linearity(self) -> Linearity:
        # affine o affine is affine, linear + linear is linear, and so on
        return max(part.linearity for part in self.parts)

    @property
    def homogeneous(self) -> bool:
        return all(part.homogeneous for part in self.parts)


@dataclass(frozen=True, eq=False, repr=False)
class Compose(_Combination):
    """Parts applied from first to last. Built by `chain` and ``@``, which flatten and drop identities."""

    def _apply(self, x: Array) -> Array:
        for part in self.parts:
            x = part(x)
        return x

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        for part in self.parts:
            x, shape = part._onnx(graph, x, shape), part._output_shape(shape)
        return x

    def _rebuild(self, children: Sequence[Operator]) -> Operator:
        return chain(*children)

    def _output_shape(self, shape: Shape) -> Shape:
        # shape(g f) = shape(g) o shape(f)
        for part in self.parts:
            shape = part._output_shape(shape)
        return shape

    def _span(self, interval: Interval, axis: int) -> Interval:
        # what g needs, f has to deliver: span(g f) = span(f) o span(g)
        for part in reversed(self.parts):
            interval = part._span(interval, axis)
        return interval

    def grid(self, axis: int = 0) -> Grid:
        # A shift by n pixels passes f if n is a multiple of its stride, and arrives as n / step(f); that has
        # to be a multiple of g's stride. So stride(g f) = lcm(stride f, stride g * step f); steps multiply.
        total = Grid()
        for part in self.parts:
            g = part.grid(axis)
            whole = (g.stride * total.step).numerator  # an integer is a multiple of p / q if it is one of p
            total = Grid(math.lcm(total.stride, whole), total.step * g.step)
        return total

    def _multiply_adds(self, shape: Shape) -> int:
        total = 0
        for part in self.parts:
            total, shape = total + part._multiply_adds(shape), part._output_shape(shape)
        return total

    def _adjoint(self) -> Operator:
        # (g f)* = f* g*
        return chain(*[part._adjoint() for part in reversed(self.parts)])

    @property
    def isometry(self) -> bool:
        # f* g* g f = f* f
        return all(part.isometry for part in self.parts)

    @property
    def coisometry(self) -> bool:
        return all(part.coisometry for part in self.parts)

    def _resolvent(self, r: float) -> Operator | None:
        first, last = self.parts[0], self.parts[-1]
        rest, before = chain(*self.parts[1:]), chain(*self.parts[:-1])
        if last.isometry:  # (V f)* V f = f* f
            return before.resolvent(r)
        if isinstance(last, Scaling) and last.factor:  # (a f)* a f + r = a^2 (f* f + r / a^2)
            inner = before.resolvent(r / last.factor**2)
            return None if inner is None else (1 / last.factor**2) * inner
        if first.isometry and first.coisometry and (inner := rest.resolvent(r)) is not None:
            # (g U)* g U + r = U* (g* g + r) U, whose inverse has U* = U^-1 and U outside, too
            return chain(first, inner, first._adjoint())
        return first._resolvent_before(rest, r)

    def _lipschitz(self, ask: Ask) -> Bound:
        # L(g f) <= L(g) L(f), with equality only by luck (unless all but one are multiples of isometries)
        bounds = [ask(part) for part in self.parts]
        return combined(bounds, lambda values: rounded_up(math.prod(values)), "product of its parts")

    def _input_channels(self, wanted: int | None) -> int | None:
        for part in reversed(self.parts):
            wanted = part._input_channels(wanted)
        return wanted

    def __repr__(self) -> str:
        return f"chain({', '.join(map(repr, self.parts))})"


class _Parallel(_Combination):
    """Several operators on one input: what sums and stacks share."""

    def _span(self, interval: Interval, axis: int) -> Interval:
        # hull of what the parts need
        spans = [part._span(interval, axis) for part in self.parts]
        return min(lo for lo, _ in spans), max(hi for _, hi in spans)

    def grid(self, axis: int = 0) -> Grid:
        # A shift has to suit every part: least common multiple. Steps are equal, or the sizes would differ.
        grids = [part.grid(axis) for part in self.parts]
        return Grid(math.lcm(*(g.stride for g in grids)), grids[0].step)

    def _multiply_adds(self, shape: Shape) -> int:
        return sum(part._multiply_adds(shape) for part in self.parts)

    def _input_channels(self, wanted: int | None) -> int | None:
        asked = (part._input_channels(self._wanted(wanted)) for part in self.parts)
        return next((c for c in asked if c is not None), None)

    def _wanted(self, wanted: int | None) -> int | None:
        return wanted

    def _shapes(self, shape: Shape, axes: slice, word: str) -> list[Shape]:
        shapes = [part._output_shape(shape) for part in self.parts]
        if any(s[axes] != shapes[0][axes] or len(s) != len(shapes[0]) for s in shapes):
            raise ShapeError(
                f"{word} of {len(shapes)} operators on an input of shape {shape}: their outputs have the "
                f"shapes {', '.join(map(str, shapes))}, which differ; pad or crop one of them"
            )
        return shapes


@dataclass(frozen=True, eq=False, repr=False)
class Sum(_Parallel):
    """x -> f_1(x) + f_2(x) + ...; built by ``f + g`` and ``f - g``, which flatten."""

    def _apply(self, x: Array) -> Array:
        total = self.parts[0](x)
        for part in self.parts[1:]:
            total = total + part(x)
        return total

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        total = self.parts[0]._onnx(graph, x, shape) if self.parts[0] != identity else x
        for part in self.parts[1:]:
            # f - g is written as Sub, as anybody would
            body = _parts(part)
            minus = bool(body) and body[-1] == Scaling(-1.0)
            term = chain(*body[:-1]) if minus else part
            value = x if term == identity else term._onnx(graph, x, shape)
            total = graph.node("Sub" if minus else "Add", [total, value])
        return total

    def _rebuild(self, children: Sequence[Operator]) -> Operator:
        return Sum(tuple(children))

    def _output_shape(self, shape: Shape) -> Shape:
        return self._shapes(shape, slice(None), "sum")[0]

    def _adjoint(self) -> Operator:
        # (f + g)* = f* + g*
        return Sum(tuple(part._adjoint() for part in self.parts))

    def _lipschitz(self, ask: Ask) -> Bound:
        # triangle inequality: L(sum a_i f_i) <= sum abs(a_i) L(f_i)
        bounds = [ask(part) for part in self.parts]
        return combined(bounds, lambda values: rounded_up(sum(values)), "sum of its parts")

    def __repr__(self) -> str:
        return f"({' + '.join(map(repr, self.parts))})"


@dataclass(frozen=True, eq=False, repr=False)
class Stack(_Parallel):
    """x -> the channels of f_1(x), f_2(x), ... side by side; built by `stack`."""

    def _apply(self, x: Array) -> Array:
        return concatenate([part(x) for part in self.parts])

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        values = [x if part == identity else part._onnx(graph, x, shape) for part in self.parts]
        return graph.node("Concat", values, axis=1)

    def _rebuild(self, children: Sequence[Operator]) -> Operator:
        return Stack(tuple(children))

    def _output_shape(self, shape: Shape) -> Shape:
        shapes = self._shapes(shape, slice(2, None), "stack")
        return (shapes[0][0], sum(s[1] for s in shapes), *shapes[0][2:])

    def _wanted(self, wanted: int | None) -> int | None:
        return None  # how many channels each part has to deliver cannot be told from their sum

    def _adjoint(self) -> Operator:
        # stack(f, g)* (u, v) = f* u + g* v, but where to cut (u, v) depends on the number of input channels
        raise BadInput("the adjoint of a stack needs channel numbers: f* @ take(0, n) + g* @ take(n, m)")

    def _lipschitz(self, ask: Ask) -> Bound:
        # ||(f x, g x)||^2 = ||f x||^2 + ||g x||^2: the root of the sum of squares
        bounds = [ask(part) for part in self.parts]
        return combined(
            bounds, lambda values: root(sum(v * v for v in values)), "root of the sum of squares of its parts"
        )

    def __repr__(self) -> str:
        return f"stack({', '.join(map(repr, self.parts))})"


def chain(*operators: Operator) -> Operator:
    """Composition from first to last: ``chain(f, g, h) = h @ g @ f``. Nothing gives the identity.

    >>> from aplomb.layers import relu
    >>> chain(relu, identity) == relu
    True
    """
    parts = tuple(part for operator in operators for part in _parts(operator))
    return identity if not parts else parts[0] if len(parts) == 1 else Compose(parts)


def stack(*operators: Operator) -> Operator:
    """Parallel maps: the outputs of `operators` on one input, channels side by side.

    >>> stack(identity, 2.0 * identity)(np.ones((1, 1, 1, 1))).ravel()
    array([1., 2.])
    """
    if not operators:
        raise BadInput("stack of no operators; give at least one")
    parts = tuple(p for o in operators for p in (o.parts if isinstance(o, Stack) else (o,)))
    return parts[0] if len(parts) == 1 else Stack(parts)


def _parts(operator: Operator) -> tuple[Operator, ...]:
    if isinstance(operator, Compose):
        return operator.parts
    return () if isinstance(operator, Identity) else (operator,)


def _terms(operator: Operator) -> tuple[Operator, ...]:
    return operator.parts if isinstance(operator, Sum) else (operator,)


# -- bounds in floating point --------------------------------------------------------------------------------


def combined(bounds: Sequence[Bound], value: Callable[[list[Fraction]], float], law: str) -> Bound:
    """What `law` makes of `bounds`: unknown if one of them is; `value` is given exact numbers and rounds up."""
    for bound in bounds:
        if bound.kind == "unknown" or not math.isfinite(bound.value):
            return bound if bound.kind == "unknown" else unknown(f"{law}, one of which has no finite bound")
    found = value([Fraction(float(b.value)) for b in bounds])
    return Bound(found, "upper", law)


def rounded_up(value: Fraction | int) -> float:
    """The smallest float that is not below `value`.

    >>> rounded_up(Fraction(1, 10)) >= Fraction(1, 10) > 0.1 - 1e-16
    True
    """
    try:
        nearest = float(value)
    except OverflowError:
        return math.inf
    return nearest if nearest >= value else math.nextafter(nearest, math.inf)


def root(value: Fraction | int) -> float:
    """A float that is not below the root of `value`, and no more than a rounding error above it.

    >>> root(9), Fraction(root(2)) ** 2 > 2
    (3.0, True)
    """
    found = math.sqrt(rounded_up(value))
    return found if math.isinf(found) or Fraction(found) ** 2 >= value else math.nextafter(found, math.inf)
