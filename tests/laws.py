"""The laws that every operator obeys, each a function of a maker; ``makers.py`` lists the operators.

Long because all laws of the algebra stand here, in the order: readings, shapes, linearity, spans and grids,
numbers, bounds, values, freezing.

`everything(makers)` parametrises a test with each law that applies to each maker::

    @everything(GROUPS["conv"])
    def test_laws(law, maker):
        law(maker)
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from aplomb.arrays import Array, Shape
from aplomb.degrade.sample import Bicubic
from aplomb.errors import BadInput, ModelError, ShapeError
from aplomb.facts.derivative import derivative
from aplomb.facts.lipschitz import tight
from aplomb.layers import flatten, fold_batch_norm
from aplomb.layers.pool import AveragePool
from aplomb.layers.resample import Bilinear
from aplomb.operator import Linearity, Operator, chain, identity
from makers import MAYBE, Maker

Law = Callable[[Maker], None]
LAWS: list[tuple[Law, Callable[[Maker], bool]]] = []


def law(applies: Callable[[Maker], bool] = lambda maker: True) -> Callable[[Law], Law]:
    """Put a function on the list, with the makers that it is about."""

    def register(function: Law) -> Law:
        LAWS.append((function, applies))
        return function

    return register


def everything(makers: list[Maker]) -> pytest.MarkDecorator:
    pairs = ((function, maker) for maker in makers for function, applies in LAWS if applies(maker))
    return pytest.mark.parametrize(
        ("law", "maker"), [pytest.param(f, m, id=f"{m.name}: {f.__name__}") for f, m in pairs]
    )


def linear(maker: Maker) -> bool:
    return maker.operator.linearity is Linearity.LINEAR


def not_nonlinear(maker: Maker) -> bool:
    return maker.operator.linearity is not Linearity.NONLINEAR


def local(maker: Maker) -> bool:
    """On pictures, with a finite halo."""
    return len(maker.shape) == 4 and math.isfinite(max(maker.operator.halo(axis) for axis in (0, 1)))


def close(a: Array, b: Array, tolerance: float) -> None:
    """Same shape, and equal up to `tolerance` times the largest value."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert np.isfinite(a).all()
    worst, scale = abs(a - b).max(), max(abs(a).max(), abs(b).max(), 1e-3)
    assert worst <= tolerance * scale, f"they differ by {worst:.3g}, the largest value is {scale:.3g}"


# -- readings ------------------------------------------------------------------------------------------------


@law()
def numpy_and_torch_agree(maker: Maker) -> None:
    torch = pytest.importorskip("torch")
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        x = maker.input(dtype=dtype)
        kept = x.copy()
        y = maker.operator(x)
        t = maker.operator(torch.from_numpy(x))
        assert isinstance(y, np.ndarray)
        assert isinstance(t, torch.Tensor)
        assert y.dtype == t.numpy().dtype == dtype
        close(y, t.numpy(), tolerance)
        np.testing.assert_array_equal(x, kept)  # the input is left as it was


@law()
def pictures_of_a_batch_are_separate(maker: Maker) -> None:
    x = maker.input()
    close(maker.operator(x)[:1], maker.operator(x[:1]), 1e-12)


@law()
def device_is_kept(maker: Maker) -> None:
    """Nothing is computed elsewhere than where the input is, seen on torch's device without values."""
    torch = pytest.importorskip("torch")
    y = maker.operator(torch.empty(maker.shape, device="meta"))
    assert y.device.type == "meta"
    assert tuple(y.shape) == maker.operator.output_shape(maker.shape)


@law()
def gradient_is_finite(maker: Maker) -> None:
    """On a flat picture, too, where roots and quotients are at risk."""
    torch = pytest.importorskip("torch")
    for value in (0.0, 0.25):
        x = torch.full(maker.shape, value, dtype=torch.float64, requires_grad=True)
        y = maker.operator(x)
        if y.requires_grad:
            y.sum().backward()
            assert bool(torch.isfinite(x.grad).all())


# -- shapes --------------------------------------------------------------------------------------------------


@law()
def shape_is_foretold(maker: Maker) -> None:
    """For sizes around the one that fits: the result has the shape, or ShapeError is raised and says why."""
    torch = pytest.importorskip("torch")
    operator = maker.operator
    operator.output_shape(maker.shape)
    for shape in nearby(maker.shape):
        x = maker.input(shape=shape)
        try:
            wanted = operator.output_shape(shape)
        except ShapeError as error:
            for array in (x, torch.from_numpy(x)):
                with pytest.raises(ShapeError):
                    operator(array)
            said = str(error)
        else:
            said = ""
            assert operator(x).shape == tuple(operator(torch.from_numpy(x)).shape) == wanted
            assert all(type(n) is int for n in wanted)
        assert not said or any(str(n) in said for n in shape), "what was found is not named"


def nearby(shape: Shape) -> Iterator[Shape]:
    """Shapes that differ in one number, and shapes of another rank."""
    for axis, more in itertools.product(range(1, len(shape)), range(-3, 4)):
        if shape[axis] + more > 0:
            yield (1, *shape[1:axis], shape[axis] + more, *shape[axis + 1 :])
    yield from ((1, *shape[1:], 2), (1, *shape[1:-1]), (1, shape[1], 3, 4), (1, shape[1]))


@law()
def channels_are_asked_for(maker: Maker) -> None:
    asked = maker.operator.input_channels()
    assert asked in (None, maker.shape[1])
    if asked is not None:
        with pytest.raises(ShapeError):
            maker.operator.output_shape((1, asked + 1, *maker.shape[2:]))


# -- linearity -----------------------------------------------------------------------------------------------


@law()
def as_linear_as_it_says(maker: Maker) -> None:
    """Superposition of T - T(0) if not nonlinear, T(0) = 0 if linear; and no more than that."""
    operator, kind = maker.operator, maker.operator.linearity
    x, y = maker.input(1), maker.input(2)
    zero = operator(np.zeros_like(x))
    left = operator(2.0 * x - 3.0 * y) - zero
    right = 2.0 * (operator(x) - zero) - 3.0 * (operator(y) - zero)
    if kind is not Linearity.NONLINEAR:
        close(left, right, 1e-12)
    else:
        assert not np.allclose(left, right)
    if kind is Linearity.LINEAR:
        assert not zero.any()
    if kind is Linearity.AFFINE:
        assert zero.any()


@law()
def as_homogeneous_as_it_says(maker: Maker) -> None:
    """T(a x) = a T(x) for a >= 0, or else some a for which it is not so."""
    operator, x = maker.operator, maker.input(1)
    for factor in (0.0, 0.3, 4.0):
        left, right = operator(factor * x), factor * operator(x)
        if operator.homogeneous:
            close(left, right, 1e-12)
        elif not np.allclose(left, right):
            return
    assert operator.homogeneous, "it says less than is true"


@law(not_nonlinear)
def linear_part_is_linear(maker: Maker) -> None:
    operator, part = maker.operator, maker.operator.linear_part()
    x = maker.input()
    assert part.linearity is Linearity.LINEAR
    assert part.linear_part() == part
    close(part(x), operator(x) - operator(np.zeros_like(x)), 1e-12)
    if operator.linearity is Linearity.AFFINE:
        with pytest.raises(BadInput, match="linear_part"):
            operator.adjoint()


@law(not_nonlinear)
def adjoint_is_the_adjoint(maker: Maker) -> None:
    """<T x, y> = <x, T* y>, T* is torch's vector-Jacobian product, and T** = T."""
    torch = pytest.importorskip("torch")
    operator = maker.operator.linear_part()
    if maker.adjoint:
        with pytest.raises(BadInput):
            operator.adjoint()
        return
    adjoint = operator.adjoint()
    x = maker.input()
    tx = operator(x)
    y = maker.input(1, tx.shape)
    back = adjoint(y)
    assert back.shape == x.shape
    size = np.linalg.norm(tx) * np.linalg.norm(y)
    assert abs(np.vdot(tx, y) - np.vdot(x, back)) <= 1e-12 * size
    t = torch.from_numpy(x).requires_grad_()
    (vjp,) = torch.autograd.grad(operator(t), t, torch.from_numpy(y))
    close(vjp.numpy(), back, 1e-12)
    if not any(leaf == flatten for leaf in adjoint.leaves()):
        assert adjoint.adjoint() == operator


@law(linear)
def isometries_keep_lengths(maker: Maker) -> None:
    """T* T = I where it is said, T T* = I likewise."""
    operator, x = maker.operator, maker.input()
    if operator.isometry:
        close(operator.adjoint()(operator(x)), x, 1e-12)
    if operator.coisometry and not maker.adjoint:
        y = maker.input(1, operator.output_shape(maker.shape))
        close(operator(operator.adjoint()(y)), y, 1e-12)


@law(linear)
def resolvent_is_the_inverse(maker: Maker) -> None:
    """(T* T + r I) resolvent(r) b = b, in numpy and in torch, for a large r and a small one."""
    torch = pytest.importorskip("torch")
    operator, b = maker.operator, maker.input()
    if maker.adjoint:
        return
    gram = chain(operator, operator.adjoint())
    for r in (2.0, 0.01):
        inverse = operator.resolvent(r)
        if inverse is None:
            continue
        x = inverse(b)
        close(gram(x) + r * x, b, 1e-9)
        close(inverse(torch.from_numpy(b)).numpy(), x, 1e-12)
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(BadInput, match="above 0"):
            operator.resolvent(wrong)


@law(lambda maker: not not_nonlinear(maker))
def nonlinear_has_no_adjoint(maker: Maker) -> None:
    for ask in (maker.operator.adjoint, maker.operator.linear_part):
        with pytest.raises(BadInput, match="nonlinear"):
            ask()


# -- spans and grids -----------------------------------------------------------------------------------------


def enlarged(maker: Maker, axis: int, shift: int = 0) -> Shape:
    """The maker's shape with room on one axis for many spans, by whole strides, so that it still fits."""
    stride = maker.operator.grid(axis).stride
    n = maker.shape[2 + axis]
    wanted = 4 * int(maker.operator.halo(axis)) + 6 * stride + 12
    n += max(0, math.ceil((wanted - n) / stride)) * stride + shift
    return (1, *maker.shape[1 : 2 + axis], n, *maker.shape[3 + axis :])


def dependence(operator: Operator, shape: Shape, axis: int) -> Array:
    """Matrix of (input line, output line): whether the one changes when the other does. Measured."""
    n = shape[2 + axis]
    found: Array = False
    for trial in range(3):
        rng = np.random.default_rng(trial)
        x = np.repeat(rng.normal(0.3, 1.0, shape), n + 1, axis=0)
        lines = np.moveaxis(x, 2 + axis, 1)
        lines[np.arange(n), np.arange(n)] = rng.normal(0.3, 2.0, lines[0, 0].shape)
        y = np.moveaxis(operator(x), 2 + axis, 1)
        change = abs(y[:-1] - y[-1:]).max(axis=(2, 3))
        found = found | (change > 1e-10 * abs(y).max())
    return found


@law(local)
def span_is_what_is_needed(maker: Maker) -> None:
    """Measured: which lines of the input change the output in [lo, hi), for all phases and several widths."""
    loose = outside = False
    for axis in (0, 1):
        shape = enlarged(maker, axis)
        needs = dependence(maker.operator, shape, axis)
        grid = maker.operator.grid(axis)
        period = math.ceil(grid.stride / grid.step)
        middle = int(shape[2 + axis] / 2 / grid.step)
        for lo, width in itertools.product(range(middle, middle + period), (1, 2, 3, period)):
            first, end = maker.operator.span((lo, lo + width), axis)
            assert first < end
            lines = np.flatnonzero(needs[:, lo : lo + width].any(axis=1))
            if len(lines):
                assert first <= lines[0]
                assert lines[-1] < end
            loose |= not len(lines) or (first, end) != (lines[0], lines[-1] + 1)
        for j in range(needs.shape[1]):
            first, end = maker.operator.span((j, j + 1), axis)
            lines = np.flatnonzero(needs[:, j])
            outside |= any(not first <= i < end for i in lines)
    if maker.loose != MAYBE:
        assert loose == bool(maker.loose), "larger than what is needed" if loose else "it is exact"
    if maker.beyond != MAYBE:
        assert outside == bool(maker.beyond), "at a border, the span does not hold what is needed"


@law(local)
def span_follows_the_grid(maker: Maker) -> None:
    """Spans move with their intervals, grow with them, and lie within the halo; integers all."""
    for axis in (0, 1):
        operator, grid = maker.operator, maker.operator.grid(axis)
        period = Fraction(grid.stride) / grid.step
        assert period.denominator == 1
        halo = operator.halo(axis)
        assert halo % grid.stride == 0
        for lo in range(-int(period), 2 * int(period)):
            for width in (1, 2, 5):
                first, end = operator.span((lo, lo + width), axis)
                assert int(first) == first
                assert int(end) == end
                shifted = operator.span((lo + int(period), lo + int(period) + width), axis)
                assert shifted == (first + grid.stride, end + grid.stride)
                wider = operator.span((lo - 1, lo + width + 1), axis)
                assert wider[0] <= first < end <= wider[1]
                assert math.floor(lo * grid.step) - halo <= first
                assert end <= math.ceil((lo + width) * grid.step) + halo
        assert operator.span((-math.inf, math.inf), axis) == (-math.inf, math.inf)
        assert operator.span((2, math.inf), axis) == (-math.inf, math.inf)


@law(local)
def shift_by_the_stride_shifts_the_output(maker: Maker) -> None:
    """T shift(stride) = shift(stride / step) T away from the borders, and no shorter shift does that."""
    for axis in (0, 1):
        operator, grid = maker.operator, maker.operator.grid(axis)
        shape = enlarged(maker, axis)
        n, halo = shape[2 + axis], int(operator.halo(axis))
        x = maker.input(shape=enlarged(maker, axis, shift=grid.stride))

        def output(start: int, x: Array = x, n: int = n, axis: int = axis) -> Array:
            y = maker.operator(np.take(x, range(start, start + n), axis=2 + axis))
            return np.moveaxis(y, 2 + axis, 0)

        period = int(grid.stride / grid.step)
        lo = math.ceil((2 * halo + grid.stride) / grid.step)
        still = output(0)
        hi = min(math.floor((n - 2 * halo - 2 * grid.stride) / grid.step), len(still) - period)
        assert hi - lo >= period
        close(output(grid.stride)[lo:hi], still[lo + period : hi + period], 1e-12)
        for shift in range(1, 1 if maker.finer else grid.stride):
            moved = output(shift)[lo:hi]
            for by in range(-1, period + 1):
                assert not np.allclose(moved, still[lo + by : hi + by], atol=1e-9), f"{shift} would do"


# -- numbers -------------------------------------------------------------------------------------------------


@law()
def numbers_are_counted(maker: Maker) -> None:
    """Parameters are what training is given; multiply-adds are what torch counts."""
    operator = maker.operator
    assert operator.parameters == sum(w.size for w in operator.weights(state=False).values())
    assert operator.parameters == sum(leaf.parameters for leaf in operator.leaves())
    if any(isinstance(leaf, AveragePool | Bilinear | Bicubic) for leaf in operator.leaves()):
        return  # no weights of theirs, though torch multiplies
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        operator(torch.from_numpy(maker.input()))
    assert operator.multiply_adds(maker.shape) == counter.get_total_flops() // 2


# -- bounds --------------------------------------------------------------------------------------------------


def jacobian(operator: Operator, shape: Shape) -> Array:
    """The explicit matrix of a linear operator."""
    basis = np.eye(math.prod(shape[1:])).reshape(-1, *shape[1:])
    return np.asarray(operator(basis)).reshape(len(basis), -1).T


@law()
def bound_holds(maker: Maker) -> None:
    """||T x - T y|| <= L ||x - y|| for random pairs, for pairs sought by gradients, and for the largest
    singular value; what is called exact is attained. Looking at the weights never makes a bound looser."""
    torch = pytest.importorskip("torch")
    operator, bound, best = maker.operator, maker.operator.lipschitz(), 0.0
    closer = operator.lipschitz(tight)
    if bound.kind == "unknown":
        assert bound.reason
        assert math.isinf(bound.value)
        assert str(bound) == "unknown"
        assert closer.kind == "unknown"
        return
    assert closer.value <= bound.value * (1 + 1e-12)
    shape = (1, *maker.shape[1:])
    if not_nonlinear(maker):
        best = float(np.linalg.norm(jacobian(operator.linear_part(), shape), 2))
    else:
        generator = torch.Generator().manual_seed(0)
        for centre, spread, radius in ((0.0, 1e-3, 1e-2), (0.4, 0.1, 1e-2), (0.0, 1.0, 0.1), (0.0, 3.0, 3.0)):
            x = centre + spread * torch.randn(shape, generator=generator, dtype=torch.float64)
            best = max(best, attack(torch, operator, x, radius, generator))
    assert best <= closer.value * (1 + 1e-9)
    if bound.kind == "exact":
        assert best >= bound.value * (1 - (1e-9 if not_nonlinear(maker) else 2e-2))


def attack(torch: Any, operator: Operator, x: Any, radius: float, generator: Any) -> float:
    """Largest gain that ascent along the gradient finds around `x`: never above a true bound."""
    best, here = 0.0, operator(x)
    step = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    for _ in range(6):
        step = (step * (radius / step.norm())).requires_grad_()
        gain = (operator(x + step) - here).norm() / radius
        best = max(best, float(gain.detach()))
        (step,) = torch.autograd.grad(gain, step)
        if not float(step.norm()) > 0:
            break
    return best


@law()
def derivative_is_the_tangent(maker: Maker) -> None:
    """J h is the slope along h, J is linear, and J* is its adjoint for arrays of the input's shape."""
    operator, x, step = maker.operator, maker.input(), 1e-6
    h = maker.input(seed=1)
    tangent = derivative(operator, x)
    assert tangent.linearity is Linearity.LINEAR
    close((operator(x + step * h) - operator(x - step * h)) / (2 * step), tangent(h), 1e-6)
    y = np.random.default_rng(2).normal(size=operator.output_shape(maker.shape))
    back = tangent.adjoint()(y)
    assert back.shape == x.shape
    assert float((tangent(h) * y).sum()) == pytest.approx(float((h * back).sum()), rel=1e-9, abs=1e-9)


# -- values --------------------------------------------------------------------------------------------------


@law()
def is_a_value(maker: Maker) -> None:
    operator = maker.operator
    copy = operator.map(lambda leaf: dataclasses.replace(leaf))  # type: ignore[type-var]
    assert copy == operator
    assert hash(copy) == hash(operator)
    assert repr(copy) == repr(operator)
    assert operator != chain(operator, 3.0 * identity)
    for leaf in operator.leaves():
        for field in dataclasses.fields(leaf):  # type: ignore[arg-type]
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(leaf, field.name, None)


@law()
def weights_are_put_back(maker: Maker) -> None:
    operator, weights = maker.operator, maker.operator.weights()
    assert operator.with_weights(weights) == operator
    for name, array in weights.items():
        index, field = name.split(".")
        leaf = [*operator.leaves()][int(index)]
        assert getattr(leaf, field) is array
        changed = operator.with_weights({name: array + 1})
        assert changed != operator
        assert changed.with_weights({name: array}) == operator
        np.testing.assert_array_equal(changed.weights()[name], array + 1)
        with pytest.raises(BadInput, match="does not fit"):
            operator.with_weights({name: array[None]})
    with pytest.raises(BadInput, match="no weight named"):
        operator.with_weights({"0.nothing": np.ones(1)})


@law()
def weights_may_be_tensors(maker: Maker) -> None:
    """As in training: the expression holds tensors, and each weight gets a gradient."""
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(array.copy()) for name, array in maker.operator.weights().items()}
    trained = [tensors[name].requires_grad_() for name in maker.operator.weights(state=False)]
    operator, x = maker.operator.with_weights(tensors), maker.input(dtype=np.float32)
    assert operator.parameters == maker.operator.parameters
    y = operator(torch.from_numpy(x))
    close(y.detach().numpy(), maker.operator(x), 1e-5)
    if trained:
        gradients = torch.autograd.grad((y * y).sum(), trained)
        assert all(bool(torch.isfinite(g).all()) for g in gradients)


@law()
def initialise_is_drawn_from_its_seed(maker: Maker) -> None:
    fresh = maker.operator.initialise(5)
    assert fresh == maker.operator.initialise(5)
    assert {n: w.shape for n, w in fresh.weights().items()} == {n: w.shape for n, w in maker.operator.weights().items()}
    assert all(w.dtype == np.float32 for w in fresh.weights().values())
    if any(name.endswith(".weight") and w.ndim > 1 for name, w in fresh.weights().items()):
        assert fresh != maker.operator.initialise(6)


@law()
def identity_is_neutral(maker: Maker) -> None:
    f = maker.operator
    assert all(g == f for g in (f @ identity, identity @ f, chain(identity, f), chain(f), chain(f, chain())))
    assert all(g == f for g in (1.0 * f, -1.0 * (-f), 2.0 * (0.5 * f)))


# -- freezing ------------------------------------------------------------------------------------------------


@law()
def freezing_keeps_it(maker: Maker) -> None:
    """The thawed operator is the same, weights bit for bit, and ONNX Runtime computes what numpy does."""
    from aplomb.model import freeze, load, thaw
    from aplomb.runtime.engines import open_engine

    with TemporaryDirectory() as folder:
        path = Path(folder) / "operator.onnx"
        if maker.frozen:
            with pytest.raises(BadInput):
                freeze(maker.operator, path, shape=maker.shape)
            assert not path.exists()
            return
        freeze(maker.operator, path, shape=maker.shape)
        thawed = thaw(path)
        assert (thawed == fold_batch_norm(maker.operator)) == (not maker.rewritten)
        engine = open_engine(load(path), "onnxruntime", threads=1)
        for shape in [maker.shape, (1, *maker.shape[1:]), *([enlarged(maker, 0)] if local(maker) else [])]:
            x = maker.input(shape=shape, dtype=np.float32)
            close(maker.operator(x), engine(x), 1e-5)
            close(thawed(x), engine(x), 1e-5)


@law(lambda maker: len(maker.shape) == 4 and not maker.frozen and not maker.name.startswith("adjoint"))
def openvino_agrees(maker: Maker) -> None:
    """Only on pictures, and not for adjoints: compiling takes its time."""
    from aplomb.model import freeze, load
    from aplomb.runtime.engines import has_openvino, open_engine

    if not has_openvino():
        pytest.skip("OpenVINO is not installed")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "operator.onnx"
        freeze(maker.operator, path, shape=maker.shape)
        if any(getattr(leaf, "border", "") == "circular" for leaf in maker.operator.leaves()):
            with pytest.raises(ModelError, match="OpenVINO cannot run"):
                open_engine(load(path), "openvino", threads=1)
            pytest.skip("OpenVINO has no circular Pad")
        x = maker.input(dtype=np.float32)
        close(open_engine(load(path), "openvino", threads=1)(x), maker.operator(x), 1e-5)
