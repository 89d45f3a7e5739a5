"""The operators that every law in ``laws.py`` is tried on: a new operator is one more line here.

Weights, biases and statistics are random and none is zero, so that nothing holds by chance. Where a fact is
known to be conservative, or an answer to be refused, the maker says so, and the law checks that it really is.

Long because every operator has its line here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.degrade.blur import Blur, blur
from aplomb.degrade.fourier import as_complex, coils, fourier, kspace_mask, mri
from aplomb.degrade.interference import interference
from aplomb.degrade.radon import fan_beam, radon
from aplomb.degrade.sample import bicubic, mask, mosaic
from aplomb.degrade.sensing import gaussian, hadamard
from aplomb.degrade.solve import ConjugateGradients
from aplomb.graph import Graph, Node
from aplomb.layers import (
    append_constant,
    average_pool,
    batch_norm,
    bounded_conv,
    channel_clip,
    clip_by,
    colour_products,
    conv,
    conv_transposed,
    crop,
    dense,
    downsample,
    dropout,
    elu,
    flatten,
    global_average_pool,
    group_sort,
    haar,
    hard_clip,
    l2_pool,
    layer_norm,
    leaky_relu,
    local_contrast_norm,
    local_response_norm,
    lstm,
    lstm_cell,
    max_pool,
    maxout,
    merge,
    min_pool,
    orthogonal_conv,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    place,
    radial_basis,
    relu,
    separable_conv,
    sigmoid,
    soft_shrink,
    softmax,
    spline,
    step,
    swish,
    take,
    tanh,
    unflatten,
    upsample_bilinear,
    upsample_repeat,
    upsample_zeros,
)
from aplomb.layers.dense import Flatten
from aplomb.layers.linear import Mean, Multiply, SumGroups
from aplomb.layers.pad import Fold
from aplomb.layers.pool import AveragePool
from aplomb.layers.resample import Bilinear, Repeat
from aplomb.layers.tied import Tied
from aplomb.nets.stable import descend
from aplomb.operator import Linearity, Operator, chain, identity, stack


@dataclass(frozen=True)
class Maker:
    """An operator, an input shape that fits, and what is known to be special about it (a reason each)."""

    name: str
    operator: Operator
    shape: Shape
    loose: str = ""
    """Why the span is larger than what is measured."""
    beyond: str = ""
    """Why pixels at a border need others than the span says."""
    finer: str = ""
    """Why a shift shorter than the total stride may do, too."""
    adjoint: str = ""
    """Why an adjoint is refused."""
    frozen: str = ""
    """Why freezing is refused."""
    rewritten: str = ""
    """Why what is thawed has another form, though it computes the same."""

    def __repr__(self) -> str:
        return self.name

    def input(self, seed: int = 0, shape: Shape | None = None, dtype: type = np.float64) -> Array:
        return np.random.default_rng(seed).normal(0.3, 1.0, shape or self.shape).astype(dtype)


def trained(operator: Operator, seed: int = 0) -> Operator:
    """As after training: no weight, bias or statistic is zero."""
    rng = np.random.default_rng([seed, 7])

    def draw(name: str, shape: Shape) -> Array:
        size = rng.uniform(0.3, 1.0, shape) / math.sqrt(math.prod(shape[1:]))
        return (size if name.endswith("variance") else size * rng.choice([-1, 1], shape)).astype(np.float32)

    return operator.with_weights({name: draw(name, w.shape) for name, w in operator.weights().items()})


def made(operator: Operator, *shape: int, name: str = "", **known: str) -> Maker:
    return Maker(name or repr(operator), trained(operator, len(shape) + shape[-1]), shape, **known)


MAYBE = "it is not looked at here"
ZEROS = "zeros between the pixels need nothing"
HOLES = "the holes of a dilated kernel are not looked for"
MIRROR = "what lies beyond the border comes from inside"
SIZE = "needs the number of channels or pixels that were there"
NO_FORM = "ONNX has no form for it"

ACTIVATIONS = [
    *(
        made(operator, *shape, name=f"{operator!r}{' on vectors' if len(shape) == 2 else ''}")
        for shape in ((2, 6, 5, 4), (3, 6))
        for operator in (
            step, sigmoid, tanh, relu, swish, softmax, leaky_relu(), leaky_relu(0.3), leaky_relu(2.0),
            leaky_relu(-0.5), elu(), elu(2.0), elu(0.5), soft_shrink(0.4), hard_clip(), hard_clip(-0.5, 0.25),
            hard_clip(-math.inf, 0.5), maxout(), maxout(3),
        )
    )
]  # fmt: skip

CHANNELS = [
    made(take(1, 3), 2, 4, 5, 4, adjoint=SIZE),
    made(take(0, 1), 2, 4, name="take on vectors", adjoint=SIZE),
    made(take(1, 3, of=4), 2, 4, 5, 4),
    made(place(1, 2, 4), 2, 2, 5, 4),
    made(place(0, 3, 5), 2, 3, name="place on vectors"),
    made(append_constant(0.3), 2, 2, 5, 4, adjoint=SIZE),
    made(append_constant(0.0), 2, 2, 5, 4, adjoint=SIZE),
    made(colour_products, 2, 3, 5, 4, name="products of colours"),
    made(chain(conv(2, 2), colour_products, conv(6, 1, 1)), 2, 2, 5, 4, name="a transform of products"),
]

SKEW = ((2, 0), (1, 3))
CONVOLUTIONS = [
    made(conv(2, 3, 1), 2, 2, 5, 4),
    made(conv(2, 3), 2, 2, 7, 6),
    made(conv(2, 3, bias=False), 2, 2, 7, 6),
    made(conv(1, 1, (3, 5), padding="valid"), 2, 1, 7, 8),
    made(conv(2, 3, 4, bias=False), 2, 2, 7, 6),
    made(conv(2, 3, padding=SKEW), 2, 2, 6, 5),
    made(conv(2, 3, padding=4, bias=False), 2, 2, 3, 4, name="conv padded by more than its reach"),
    made(conv(2, 2, 3, stride=2, padding=1), 2, 2, 7, 9),
    made(conv(2, 2, 3, stride=2, padding=1, bias=False), 2, 2, 7, 9),
    made(conv(2, 2, 3, stride=2, padding=1, bias=False, exact=False), 2, 2, 7, 9, name="conv, not exact"),
    made(conv(2, 2, 2, stride=2, padding="valid", bias=False), 2, 2, 8, 6),
    made(conv(2, 2, 5, stride=(3, 2), padding=SKEW, bias=False), 2, 2, 9, 7),
    made(conv(2, 2, 1, stride=2, padding="valid", bias=False), 2, 2, 7, 5),
    made(conv(2, 2, 2, stride=3, padding="valid"), 2, 2, 8, 5),
    made(conv(2, 2, 3, dilation=2), 2, 2, 7, 8),
    made(conv(2, 2, 3, dilation=(1, 3), padding=SKEW, bias=False), 2, 2, 7, 9),
    made(conv(2, 2, 2, dilation=3, stride=2, padding=1, bias=False), 2, 2, 8, 6),
    made(conv(4, 6, 3, groups=2), 2, 4, 5, 6),
    made(conv(3, 6, 3, groups=3, bias=False), 2, 3, 5, 6),
    made(conv(4, 2, 3, stride=2, padding=1, dilation=2, groups=2, bias=False), 2, 4, 9, 7),
    made(conv(2, 3, padding="reflect"), 2, 2, 7, 6),
    made(conv(2, 3, padding="reflect", bias=False), 2, 2, 7, 6),
    made(conv(2, 3, 5, padding="replicate", bias=False), 2, 2, 7, 6),
    made(conv(2, 3, 4, padding="circular", bias=False), 2, 2, 7, 6, beyond=MIRROR),
    made(conv(2, 3, 3, stride=2, padding="reflect"), 2, 2, 7, 9),
    made(conv_transposed(3, 2), 2, 3, 4, 3),
    made(conv_transposed(3, 2, bias=False), 2, 3, 4, 3),
    made(conv_transposed(3, 2, 3, padding=1), 2, 3, 4, 3),
    made(conv_transposed(2, 2, 4, stride=2, padding=((1, 0), (0, 2)), bias=False), 2, 2, 4, 3),
    made(conv_transposed(2, 2, 5, stride=(1, 3), padding=SKEW), 2, 2, 4, 3),
    made(conv_transposed(2, 2, 1, stride=2, bias=False), 2, 2, 4, 3, loose=ZEROS),
    made(conv_transposed(2, 2, 2, stride=2, dilation=3), 2, 2, 4, 3, loose=HOLES),
    made(conv_transposed(4, 2, 3, groups=2), 2, 4, 4, 3),
    made(conv_transposed(4, 6, 3, stride=2, groups=2, padding=1, bias=False), 2, 4, 4, 3),
    made(separable_conv(2, 3, stride=2), 2, 2, 7, 9),
    made(merge(conv(3, 2, 2, padding="valid"), conv(2, 3, (3, 1), padding="valid")), 2, 2, 6, 5, name="merged"),
]

DENSE = [
    made(dense(6, 4), 3, 6),
    made(dense(4, 6, bias=False), 3, 4),
    made(flatten, 2, 2, 3, 4, adjoint=SIZE),
    made(unflatten(2, 3, 4), 3, 24),
    made(chain(flatten, dense(24, 12, bias=False), unflatten(3, 2, 2)), 2, 2, 3, 4, adjoint=SIZE),
]

_draw = np.random.default_rng(3).normal
LINEAR = [
    *(
        Maker(name, operator, shape, frozen=NO_FORM)
        for name, operator, shape in (
            ("multiply", Multiply(_draw(size=(1, 2, 4, 3))), (2, 2, 4, 3)),
            ("multiply on vectors", Multiply(_draw(size=(1, 4))), (3, 4)),
            ("mean over channels", Mean("channels"), (2, 3, 4, 3)),
            ("mean over all", Mean("all"), (2, 3, 4, 3)),
            ("sum of groups", SumGroups(2), (2, 4, 3, 3)),
            ("sum of groups of a vector", SumGroups(3), (2, 6)),
        )
    )
]

# to the last digit, so that the laws of linear operators hold to theirs
SOLVES = [
    Maker(f"solve with {name}", ConjugateGradients(operator, r, 1e-15, 40), shape, frozen=NO_FORM)
    for name, operator, r, shape in (
        ("bilinear", upsample_bilinear(2), 0.5, (2, 2, 3, 4)),
        ("multiply and down-sampling", chain(Multiply(_draw(size=(1, 1, 4, 6))), downsample(2)), 0.3, (2, 1, 4, 6)),
        ("sum of groups of a vector", SumGroups(3), 0.2, (3, 6)),
    )
]

PLAIN = "a wish of the one who trains is not frozen"
WRITTEN_OUT = "its parts are written out wherever they occur"
STABLE = [
    *(
        made(operator, *shape, name=f"{name}{' on vectors' if len(shape) == 2 else ''}")
        for shape in ((2, 6, 5, 4), (3, 6))
        for name, operator in (("clip by widths", clip_by), ("group sort", group_sort), ("spline", spline(6, 7)))
    ),
    Maker("channel clip", channel_clip(np.array([0.2, 0.5, 1.0])), (2, 3, 5, 4)),
    Maker("channel clip on vectors", channel_clip(np.array([0.2, 0.5, 1.0])), (2, 3)),
    made(bounded_conv(2, 3), 2, 2, 7, 6, rewritten=PLAIN),
    Maker("orthogonal convolution", orthogonal_conv(4), (2, 4, 6, 7), rewritten=PLAIN, loose=MAYBE),
    made(
        Tied(descend, (chain(pixel_unshuffle(2), conv(4, 3, bias=False)), chain(downsample(2), conv(1, 3, 1), relu))),
        2, 2, 6, 8, name="gradient step", rewritten=WRITTEN_OUT, loose=MAYBE,
    ),
]  # fmt: skip

NORMS = [
    made(batch_norm(3), 2, 3, 5, 4),
    made(batch_norm(3, epsilon=0.1), 4, 3, name="batch_norm on vectors"),
    made(layer_norm(3), 2, 3, 5, 4),
    made(layer_norm(3, over="all"), 2, 3, 5, 4, name="layer_norm over all"),
    made(layer_norm(4), 3, 4, name="layer_norm on vectors"),
    made(local_contrast_norm(3), 2, 2, 6, 5),
    made(local_contrast_norm(5, floor=0.5), 2, 1, 6, 7),
    made(local_response_norm(3, 0.7, 0.6, 1), 2, 4, 5, 3),
    made(local_response_norm(5, 2.0, 1.5, 3), 2, 3, 4, 5, name="response norm over more than the channels"),
    made(dropout(0.3), 2, 2, 3, 4),
]

PADS = [
    made(pad(2), 2, 2, 5, 4),
    made(pad(SKEW), 2, 2, 5, 4),
    made(pad(0, "reflect"), 2, 2, 5, 4),
    *(
        made(pad(pads, border), 2, 2, 5, 4, beyond=MIRROR)
        for pads in (1, SKEW)
        for border in ("reflect", "replicate", "circular")
    ),
    made(pad(3, "replicate"), 2, 1, 1, 2, name="replicate a single row", beyond=MIRROR),
    made(crop(1), 2, 2, 5, 4),
    made(crop(SKEW), 2, 2, 5, 7),
]

POOLS = [
    *(
        made(pool(*window), 2, 2, *size)
        for window, size in (
            ((2,), (6, 8)), ((3, 2, 1), (7, 5)), ((3, 1, ((2, 0), (1, 1))), (5, 6)),
            (((3, 2), (1, 2)), (6, 4)), ((2, 3), (8, 5)),
        )
        for pool in (max_pool, min_pool, average_pool, l2_pool)
    ),
    made(global_average_pool, 2, 3, 5, 4, adjoint=SIZE),
    made(max_pool(3, 2, exact=False), 2, 2, 8, 6, name="max_pool, not exact"),
    made(average_pool(3, 2, exact=False), 2, 2, 7, 5, name="average_pool, not exact"),
]  # fmt: skip

RADIAL = [made(radial_basis(3, 4), 3, 3)]

RECURRENT = [
    made(lstm_cell(2, 3), 4, 8),
    made(lstm(lstm_cell(2, 3), 3), 2, 6, name="lstm of three steps", rewritten=WRITTEN_OUT),
]

RESAMPLINGS = [
    *(made(downsample(m), 2, 2, 2 * m, 3 * m) for m in (2, 3)),
    *(made(upsample_zeros(m), 2, 2, 3, 4, loose=ZEROS) for m in (2, 3)),
    *(made(upsample_repeat(m), 2, 2, 3, 4) for m in (2, 3)),
    *(made(upsample_bilinear(m), 2, 2, 3, 4) for m in (2, 3, 4)),
    made(upsample_bilinear(2), 2, 2, 1, 3, name="bilinear of a single row"),
    *(made(pixel_shuffle(m), 2, 2 * m * m, 3, 2) for m in (2, 3)),
    *(made(pixel_unshuffle(m), 2, 2, 2 * m, 3 * m) for m in (2, 3)),
    made(pixel_unshuffle(2), 2, 1, 4, 6, name="pixel_unshuffle of one channel"),
    made(upsample_repeat(1), 2, 2, 3, 4),
    made(haar, 2, 2, 4, 6, name="haar"),
    made(chain(haar, haar, conv(16, 3), relu), 2, 1, 8, 12, name="haar twice"),
]

_psf = np.random.default_rng(4).uniform(0.1, 1.0, (3, 4))
_psf /= _psf.sum()
AS_CONV = "a blur is read back as the convolution that it is"
BLURS = [
    Maker("circular blur", blur(_psf, "circular"), (2, 2, 7, 6), rewritten=AS_CONV),
    Maker("circular blur as large as the picture", blur(_psf, "circular"), (2, 1, 3, 4), rewritten=AS_CONV),
    Maker("circular blur with negative values", Blur(_psf - 0.1), (2, 1, 5, 6), rewritten=AS_CONV),
    Maker("valid blur", blur(_psf, "valid"), (2, 2, 7, 6), rewritten=AS_CONV),
    *(
        Maker(f"{border} blur", blur(_psf, border), (2, 2, 7, 6), rewritten=AS_CONV, beyond=beyond)
        for border, beyond in (("zero", ""), ("reflect", MIRROR), ("replicate", ""))
    ),
    Maker("blur, every third pixel", chain(blur(_psf, "circular"), downsample(3)), (2, 2, 9, 6), rewritten=AS_CONV),
    Maker("resolvent of a blur", blur(_psf, "circular").resolvent(0.3), (2, 2, 7, 6), frozen=NO_FORM),
    Maker(
        "resolvent of a blur, every second pixel",
        chain(blur(_psf, "circular"), downsample(2)).resolvent(0.1), (2, 1, 6, 8), frozen=NO_FORM,
    ),
]  # fmt: skip

_holes = np.random.default_rng(5).random((2, 5, 4)) < 0.5
SAMPLES = [
    Maker("mask", mask(_holes[0]), (2, 3, 5, 4)),
    Maker("mask of each channel", mask(_holes), (2, 2, 5, 4)),
    Maker("weights", mask(_draw(size=(5, 4)) ** 2), (2, 2, 5, 4), rewritten="in single precision"),
    *(Maker(f"mosaic {pattern}", mosaic(pattern), (2, 3, 4, 6)) for pattern in ("RGGB", "GBRG")),
    *(Maker(f"bicubic by {m}", bicubic(m), (2, 2, 2 * m, 3 * m), frozen=NO_FORM) for m in (2, 3)),
    *(
        Maker(f"bicubic by {m} without antialiasing", bicubic(m, False), (2, 2, 2 * m, 3 * m), frozen=NO_FORM)
        for m in (2, 3)
    ),
]
INTERFERENCE = [
    Maker("interference", interference((0.1, -0.3), 0.2, 0.5), (2, 2, 5, 4), frozen=NO_FORM),
    Maker(
        "blur behind interference",
        chain(interference((0.25, 0.0), 0.2), blur(_psf, "circular")), (2, 1, 5, 6), frozen=NO_FORM,
    ),
]  # fmt: skip

_maps = _draw(size=(3, 4, 6)) + 1j * _draw(size=(3, 4, 6))
_mask = kspace_mask("random", (4, 6), 0.5, seed=1)
FOURIER = [
    *(
        Maker(name, operator, shape, frozen=NO_FORM)
        for name, operator, shape in (
            ("fourier", fourier(), (2, 4, 4, 6)),
            ("fourier of odd sizes", fourier(), (2, 2, 5, 3)),
            ("as complex", as_complex(), (2, 2, 4, 3)),
            ("coils", coils(_maps), (2, 2, 4, 6)),
            ("normalised coils", coils(_maps / np.sqrt((abs(_maps) ** 2).sum(0))), (2, 2, 4, 6)),
            ("mri", mri(_mask), (2, 2, 4, 6)),
            ("mri of odd sizes", mri(kspace_mask("random", (5, 3), 0.5)), (2, 1, 5, 3)),
            ("mri of complex pictures", mri(_mask, real=False), (2, 4, 4, 6)),
            ("mri with coils", mri(_mask, _maps), (2, 1, 4, 6)),
        )
    )
]

RADON = [
    *(
        Maker(name, operator, shape, frozen=NO_FORM)
        for name, operator, shape in (
            ("radon", radon(5, [0, 20, 90, 133.5]), (2, 2, 5, 5)),
            ("radon of a whole square", radon(4, [10, 200], circle=False), (2, 1, 4, 4)),
            ("fan beam", fan_beam(5, [0, 77, 300], 9.5, 4), (2, 2, 5, 5)),
            ("fan beam on few detectors", fan_beam(4, [30, 400], 5, detectors=2, spacing=1.7), (2, 1, 4, 4)),
        )
    )
]

ONE_CONV = "it is a convolution"
SENSING = [
    Maker("gaussian", gaussian(3, 0.4), (2, 2, 6, 9), rewritten=ONE_CONV),
    Maker("gaussian, orthonormal", gaussian(2, 0.5, orthonormal=True), (2, 3, 6, 4), rewritten=ONE_CONV),
    Maker("gaussian, all", gaussian(2, 1.0, orthonormal=True), (2, 1, 4, 6), rewritten=ONE_CONV),
    Maker("hadamard", hadamard((4, 8), 0.4), (2, 2, 4, 8), frozen=NO_FORM),
    Maker("hadamard without signs", hadamard((8, 4), 0.3, signs=False, low=0.5), (2, 1, 8, 4), frozen=NO_FORM),
    Maker("hadamard, all", hadamard((2, 4), 1.0), (2, 2, 2, 4), frozen=NO_FORM),
]

mix = conv(2, 2, bias=False)
down, up = conv(2, 3, 2, stride=2, padding="valid"), conv_transposed(3, 2)
deeper = chain(conv(3, 3), relu, max_pool(2), conv(3, 3), relu, upsample_bilinear(2), conv(3, 3))
COMPOSITES = [
    made(identity, 2, 2, 3, 4),
    made(2.5 * identity, 2, 2, 3, 4),
    made(-conv(2, 3), 2, 2, 5, 6),
    made(0.0 * mix, 2, 2, 5, 6, loose="nothing is needed of what is multiplied by 0"),
    made(0.5 * (mix + identity), 2, 2, 5, 6),
    made(conv(2, 2) - conv(2, 2, 5, seed=1) - 2.0 * identity, 2, 2, 7, 6),
    made(stack(identity, mix, conv(2, 1, (1, 5))), 2, 2, 6, 7, adjoint=SIZE),
    made(chain(stack(relu, 3.0 * identity), conv(4, 2)), 2, 2, 6, 7),
    made(identity - chain(conv(1, 3), relu, conv(3, 3), relu, conv(3, 1)), 2, 1, 9, 8, name="residual"),
    made(chain(identity + chain(mix, relu, identity + mix), relu) - mix, 2, 2, 7, 8, name="nested residual"),
    made(chain(conv(2, 3), batch_norm(3), relu, conv_transposed(3, 4, groups=1), batch_norm(4)), 2, 2, 6, 5),
    made(chain(mix, stack(identity, chain(down, relu, up)), conv(4, 1)), 2, 2, 6, 8, name="small U-Net"),
    made(
        chain(mix, stack(identity, chain(down, relu, stack(identity, deeper), conv(6, 3), up)), conv(4, 1)),
        2, 2, 8, 12, name="two-level U-Net",
    ),
    made(
        chain(
            conv(1, 2, padding="valid"),
            stack(crop(4), chain(max_pool(2), conv(2, 2, padding="valid"), upsample_repeat(2), crop(2))),
            conv(4, 1, padding="valid"),
        ),
        2, 1, 16, 14, name="valid U-Net",
    ),
    made(
        chain(conv(1, 2, padding="reflect"), relu, conv(2, 2, 5, padding="reflect"),
              conv(2, 1, padding="replicate")),
        2, 1, 9, 8, name="mirrored borders",
    ),
    made(
        chain(pad(4, "reflect"), conv(1, 2, 3, padding="valid"), relu, conv(2, 1, 7, padding="valid")),
        2, 1, 7, 6, name="padded once",
    ),
    made(
        chain(conv(1, 2, stride=2, padding="reflect"), relu, pad(1, "circular"), conv(2, 2, padding="valid")),
        2, 1, 7, 9, name="strides and borders", beyond=MIRROR,
    ),
    made(chain(conv(2, 2), relu, conv(2, 2, dilation=2), relu, conv(2, 2, dilation=4)), 2, 2, 9, 8),
    made(chain(upsample_repeat(2), downsample(3)), 2, 2, 3, 6, name="up by 2, down by 3"),
    made(chain(upsample_repeat(3), downsample(2)), 2, 2, 4, 2, name="up by 3, down by 2"),
    made(chain(downsample(2), upsample_repeat(2)), 2, 2, 4, 6, name="down by 2, up by 2"),
    made(
        chain(upsample_zeros(2), mix, conv(2, 2, 4, stride=4, padding=1, bias=False)),
        2, 2, 5, 3, name="zeros, stride 4",
    ),
    made(chain(upsample_zeros(3), downsample(3)), 2, 2, 4, 6, name="zeros and away"),
    made(chain(pixel_unshuffle(2), conv(4, 8), relu, conv(8, 4), pixel_shuffle(2)), 2, 1, 8, 6),
    made(chain(pixel_unshuffle(2), conv(12, 4), relu, conv(4, 12), pixel_shuffle(2)), 2, 3, 8, 6),
    made(chain(conv(2, 2, 2, stride=2, padding=0), conv(2, 2, 3, stride=3, padding=0)), 2, 2, 12, 18),
    made(
        chain(average_pool(2), mix) - chain(conv(2, 2, 4, stride=4, padding=0), conv_transposed(2, 2)),
        2, 2, 8, 12, name="sum of strides 2 and 4",
    ),
    made(max_pool(3, 1, 1) - min_pool(3, 1, 1), 2, 2, 5, 6, name="morphological gradient"),
    made(chain(append_constant(0.2), conv(3, 2)), 2, 2, 5, 6, name="with a noise level", adjoint=SIZE),
    made(chain(take(0, 1), conv(1, 2)) + take(1, 3), 2, 3, 5, 6, name="channels apart", adjoint=SIZE),
    made(
        chain(conv(1, 2), relu, max_pool(2), conv(2, 3, padding="valid"), relu, flatten, dense(12, 5), relu,
              dropout(0.5), dense(5, 3), softmax),
        2, 1, 8, 8, name="classifier",
    ),
    made(chain(flatten, dense(12, 4), tanh, dense(4, 12), sigmoid, unflatten(1, 3, 4)), 2, 1, 3, 4),
    made(chain(conv(1, 4), maxout(2), layer_norm(2), swish, local_contrast_norm(3)), 2, 1, 7, 6),
    made(
        Graph((Node((0,), conv(2, 2)), Node((1,), relu), Node((1, 2)), Node((3,), mix),
               Node((2, 4), identity, "stack")), 5),
        2, 2, 5, 6, name="graph",
    ),
]  # fmt: skip


def adjoints(makers: list[Maker]) -> Iterator[Maker]:
    """The adjoints of linear makers."""
    for maker in makers:
        operator = maker.operator
        if operator.linearity is Linearity.LINEAR and not maker.adjoint and operator.adjoint() != operator:
            adjoint, shape = operator.adjoint(), operator.output_shape(maker.shape)
            kinds = {type(leaf) for leaf in adjoint.leaves()}
            yield Maker(
                f"adjoint of {maker.name}", adjoint, shape, loose=MAYBE, beyond=MAYBE,
                adjoint=SIZE if Flatten in kinds else "",
                frozen=NO_FORM if maker.frozen or kinds & {Fold, Bilinear, SumGroups} else "",
                rewritten="there are equivalent nodes" if kinds & {Repeat, AveragePool} else maker.rewritten,
            )  # fmt: skip


GROUPS = {
    "activation": ACTIVATIONS,
    "blur": BLURS,
    "channels": CHANNELS,
    "conv": CONVOLUTIONS,
    "dense": DENSE,
    "interference": INTERFERENCE,
    "fourier": FOURIER,
    "linear": LINEAR,
    "norm": NORMS,
    "pad": PADS,
    "pool": POOLS,
    "radial": RADIAL,
    "radon": RADON,
    "recurrent": RECURRENT,
    "resample": RESAMPLINGS,
    "sample": SAMPLES,
    "sensing": SENSING,
    "solve": SOLVES,
    "stable": STABLE,
    "operator": COMPOSITES,
}
"""Makers by the file that they belong to."""

for group in GROUPS.values():
    group.extend([*adjoints(group)])
