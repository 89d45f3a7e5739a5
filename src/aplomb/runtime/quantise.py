"""Int8 copies of denoisers: a quarter of the size, several times the speed, a loss that is measured.

    w -> s_w round(w / s_w),    x -> s_x (clip(round(x / s_x) + z, 0, 255) - z)

Weights get one symmetric scale s_w a channel; activations one scale s_x and zero z a tensor, from the values
seen on pictures at noise levels over the model's whole range. The convolutions that read the picture and its
noise level, and those that only the result follows, stay in float with the subtraction: they cost little
time, and the picture itself is never rounded to the steps of a tensor. Several ways to find s_x are tried on
the same pictures, and the one that loses least is kept.

References: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", CVPR 2018; Nagel et al., "A white paper on neural network quantization", arXiv 2106.08295, 2021.
"""

from __future__ import annotations

import contextlib
import io as text
import json
import logging
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ModelError
from aplomb.io import Picture, to_float, whole_file
from aplomb.metrics import eight_bit, psnr
from aplomb.model import KEY, Card, Model, load, weights_hash
from aplomb.runtime.engines import EngineName, Precision, open_engine
from aplomb.runtime.tiles import apply, free_memory, plan

if TYPE_CHECKING:
    import onnx

__all__ = ["precision_loss", "quantise"]

Values = NDArray[np.float32]

LEVELS = (15 / 255, 25 / 255, 50 / 255)
"""Noise levels at which a loss is stated, where the model's range holds them."""

CROP, CROPS = 128, 24
"""Side and number of the crops that scales are taken from."""

ROUNDED = ("Conv", "Relu")
"""Operations between which values are kept in 8 bits. Sums stay in float, where engines fuse them anyway; no
engine has 8-bit transposed convolutions, which would only lose."""


@dataclass(frozen=True)
class _Way:
    """A way to choose the interval of a tensor's values that 8 bits cover."""

    name: str
    method: str
    options: dict[str, float]


WAYS = (
    _Way("percentile 99.99", "Percentile", {"CalibPercentile": 99.99}),
    _Way("percentile 99.999", "Percentile", {"CalibPercentile": 99.999}),
    _Way("entropy", "Entropy", {}),
    _Way("extremes", "MinMax", {}),
)


def quantise(
    model: Model | str | Path,
    pictures: Sequence[Picture | ArrayLike],
    output: str | Path | None = None,
    *,
    validation: Sequence[Picture | ArrayLike] = (),
    seed: int = 0,
) -> Model:
    """Write an int8 copy of a denoiser, and return it.

    Parameters
    ----------
    model
        A denoiser with a card: a name, a path or a loaded `Model`.
    pictures
        Clean pictures of the kind that the model is for, as `aplomb.denoise` takes them; 10 to 30 are enough.
        Noise is added here.
    output
        Where the copy goes. None: beside the model as ``NAME.int8.onnx``, where ``precision="int8"`` looks.
    validation
        Clean pictures, others than `pictures`, on which the loss is measured. It is written into the copy's
        card, ``metrics["int8"]["loss_db"]``, by noise level in 8-bit grey levels.
    seed
        Seed of the noise.

    Raises
    ------
    ModelError
        A model without a card, for another task, or that is quantised already.
    BadInput
        No pictures, or pictures with other channels than the model's.

    Notes
    -----
    The copy has ordinary QuantizeLinear and DequantizeLinear nodes and runs in any engine. A processor
    without VNNI or the like adds pairs of 8-bit products in 16 bits, which can saturate: measure there.
    """
    import onnx
    import onnx.inliner

    from aplomb.exchange import widen

    source = model if isinstance(model, Model) else load(model)
    card = _checked(source)
    crops = _crops([_planes(p, card) for p in pictures])
    if not crops:
        raise BadInput(f"quantise needs clean pictures to find the scales for {source.name}; found none")
    path = source.path.with_suffix(".int8.onnx") if output is None else Path(output)
    # the quantiser looks neither into functions nor behind casts
    graph = _named(onnx.inliner.inline_local_functions(widen(onnx.load(source.path))))
    if any(node.op_type == "QuantizeLinear" for node in graph.graph.node):
        raise ModelError(f"model {source.path} is an int8 copy already; give the one that it was made from")
    fixed = _outermost(graph)
    inputs = _noisy(crops, card, seed)
    candidates = [(way, _quantised(graph, inputs, fixed, way)) for way in WAYS]
    with tempfile.TemporaryDirectory() as folder:
        scores = []
        for index, (_, found) in enumerate(candidates):
            trial = Path(folder) / f"{index}.onnx"
            onnx.save(found, trial)
            scores.append((_error(Model(trial, card), crops, inputs, card.channels), index))
        way, best = candidates[min(scores)[1]]
        facts: dict[str, Any] = {"calibration": way.name, "crops": len(crops), "seed": seed}
        if validation:
            onnx.save(best, Path(folder) / "net.int8.onnx")
            onnx.save(graph, Path(folder) / "net.onnx")
            facts |= precision_loss(Model(Path(folder) / "net.onnx", card), validation, "int8", seed=seed)
    card = replace(card, metrics={**card.metrics, "int8": facts}, hash=weights_hash(best))
    entry = best.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(asdict(card), ensure_ascii=False)
    with whole_file(path) as temporary:
        temporary.write_bytes(best.SerializeToString())
    return load(path)


def precision_loss(
    model: Model | str | Path,
    pictures: Sequence[Picture | ArrayLike],
    precision: Precision,
    *,
    levels: Sequence[float] = LEVELS,
    engine: EngineName = "auto",
    seed: int = 0,
) -> dict[str, Any]:
    """What `precision` loses against f32 on clean `pictures`, as entries for a card.

    Returns ``{"loss_db": {"25": 0.03, ...}, "pictures": 12, "engine": "openvino"}``: mean PSNR in f32 minus
    mean PSNR in `precision`, in dB, by noise level in 8-bit grey levels; below 0 where `precision` happens to
    be better. `levels` (range 0..1) that the model was not trained for are left out.

    Raises ModelError for a model without a card, BadInput if no picture is given.
    """
    source = model if isinstance(model, Model) else load(model)
    card = _checked(source)
    clean = [_planes(p, card)[:1] for p in pictures]
    if not clean:
        raise BadInput(f"the loss of {source.name} in {precision} is measured on pictures; found none")
    wanted = [s for s in levels if card.covers(s)] or [(card.noise_range or LEVELS)[-1]]
    runners = [open_engine(source, engine, p) for p in ("f32", precision)]
    losses = {}
    for sigma in wanted:
        found = [[_psnr(run, x, sigma, card, (seed, i)) for i, x in enumerate(clean)] for run in runners]
        losses[f"{255 * sigma:g}"] = round(float(np.mean(found[0]) - np.mean(found[1])), 4)
    return {"loss_db": losses, "pictures": len(clean), "engine": runners[1].name}


def _checked(model: Model) -> Card:
    if model.card is None or model.card.task != "denoise":
        what = "no Aplomb card" if model.card is None else f"the task {model.card.task or 'unknown'!r}"
        raise ModelError(f"model {model.name} has {what}; give a denoiser that was frozen by Aplomb")
    return model.card


def _planes(picture: Picture | ArrayLike, card: Card) -> Values:
    planes = to_float(picture)[0]
    if planes.shape[1] != card.channels:
        found = f"a picture with {planes.shape[1]} channel(s)"
        raise BadInput(f"{card.name} takes pictures with {card.channels} channel(s), found {found}; convert it")
    return planes


def _crops(pictures: Sequence[Values]) -> list[Values]:
    """The middles of at most `CROPS` pictures, evenly chosen, each (1, C, H, W)."""
    every = [p[i : i + 1] for p in pictures for i in range(len(p))]
    chosen = every if len(every) <= CROPS else [every[int(i)] for i in np.linspace(0, len(every) - 1, CROPS)]
    cut = []
    for p in chosen:
        top, left = ((size - min(size, CROP)) // 2 for size in p.shape[2:])
        cut.append(p[:, :, top : top + CROP, left : left + CROP])
    return cut


def _noisy(crops: Sequence[Values], card: Card, seed: int) -> list[Values]:
    """Crops as the network takes them: with noise at levels over its whole range, and the level's map."""
    low, high = card.noise_range or (0.0, 55 / 255)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(crops))
    inputs = []
    for place, x in zip(order, crops, strict=True):
        sigma = low + (place + 0.5) / len(crops) * (high - low)
        more = [-size % card.multiple for size in x.shape[2:]]
        y = x + rng.normal(0, sigma, x.shape).astype(np.float32)
        y = np.pad(y, ((0, 0), (0, 0), (0, more[0]), (0, more[1])), mode="reflect")
        level = [np.full_like(y[:, :1], sigma)] if card.noise_map else []
        inputs.append(np.concatenate([y, *level], axis=1))
    return inputs


def _psnr(run: Callable[[Values], Values], x: Values, sigma: float, card: Card, seed: tuple[int, int]) -> float:
    """PSNR in dB after denoising the clean picture `x` with noise added: the field's protocol."""
    y = x + np.random.default_rng(seed).normal(0, sigma, x.shape).astype(np.float32)
    layout = plan(
        y.shape,
        halo=card.halo,
        multiple=card.multiple,
        values_per_pixel=card.values_per_pixel,
        memory=free_memory() / 2,
    )
    extra = np.full((1, 1), sigma, np.float32) if card.noise_map else None
    return psnr(eight_bit(apply(run, y, layout, extra=extra)), eight_bit(x))


def _error(model: Model, crops: Sequence[Values], inputs: Sequence[Values], channels: int) -> float:
    """Mean logarithm of the squared error, so that every noise level counts alike."""
    run = open_engine(model, "onnxruntime")
    logs = []
    for x, y in zip(crops, inputs, strict=True):
        difference = run(y)[:, :channels, : x.shape[2], : x.shape[3]] - x
        logs.append(math.log(float(np.mean(np.square(difference))) + 1e-12))
    return sum(logs) / len(logs)


def _named(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same with a name of its own for every node: layers that stay in float are told by name."""
    for index, node in enumerate(graph.graph.node):
        node.name = f"{node.op_type}_{index}"
    del graph.metadata_props[:]
    return graph


def _outermost(graph: onnx.ModelProto) -> list[str]:
    """Names of the convolutions before which, or behind which, there is no other."""

    def walk(nodes: Sequence[Any], backwards: bool) -> Iterator[str]:
        met: set[str] = set()  # values that a convolution lies before (behind, if backwards)
        for node in nodes:
            come, go = (node.output, node.input) if backwards else (node.input, node.output)
            is_conv = node.op_type in ("Conv", "ConvTranspose")
            if is_conv and not met.intersection(come):
                yield node.name
            if is_conv or met.intersection(come):
                met.update(go)

    nodes = list(graph.graph.node)
    return sorted({*walk(nodes, False), *walk(nodes[::-1], True)})


def _quantised(graph: onnx.ModelProto, inputs: Sequence[Values], fixed: list[str], way: _Way) -> onnx.ModelProto:
    """`graph` with the scales that `way` finds on `inputs`."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder, _quiet():
        files = [str(Path(folder) / name) for name in ("float.onnx", "int8.onnx")]
        onnx.save(graph, files[0])
        quantize_static(
            *files,
            _Reader(graph.graph.input[0].name, inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(ROUNDED),
            per_channel=True,
            # unsigned, since most tensors come from a ReLU; the others get a zero in the middle
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=fixed,
            calibrate_method=CalibrationMethod[way.method],
            extra_options=way.options,
        )
        found = onnx.load(files[1])
        del found.metadata_props[:]
        return found


class _Reader:
    """Inputs one by one, as the quantiser asks for them."""

    def __init__(self, name: str, inputs: Sequence[Values]) -> None:
        self._items = iter([{name: x} for x in inputs])

    def get_next(self) -> dict[str, Values] | None:
        return next(self._items, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's remarks, which it prints and logs to the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(text.StringIO()):
            yield
    finally:
        logging.disable(before)
