"""The model file: one ONNX file that holds a network, its facts and its history.

``metadata_props["aplomb"]`` is JSON, read into a `Card`. A hash over graph and weights stands in it and is checked on
loading, so a file that was cut, edited or mixed up is refused. Files from elsewhere have no card; they are read all
the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aplomb.arrays import Shape
from aplomb.errors import ModelError
from aplomb.facts.level import with_level
from aplomb.facts.memory import peak_values
from aplomb.facts.table import fitting_shape
from aplomb.io import whole_file
from aplomb.operator import Operator

if TYPE_CHECKING:
    import onnx

FORMAT = 1
KEY = "aplomb"
WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Card:
    """What is known of a model besides its graph. Levels of noise are standard deviations in the range 0..1."""

    name: str = ""
    task: str = ""
    """What it is for: "denoise", "restore", "segment", "classify", or "burst" (features of frequencies to scores of
    frames)."""
    channels: int = 1
    """Channels of the picture that it takes (1 grey, 3 RGB); features, for the task "burst"."""
    noise_map: bool = False
    """Whether one more channel of the input holds the noise level."""
    value_range: tuple[float, float] = (0.0, 1.0)
    noise_range: tuple[float, float] | None = None
    """Lowest and highest noise level that it was trained for."""
    homogeneous: bool = False
    """Whether it gives a times the result for a times the picture and the noise level."""
    classes: tuple[str, ...] = ()
    """Names of the classes that it gives probabilities of, in their order."""
    target: str = ""
    """Of the task "segment", what it gives: "regions", "borders" or "distances" (see `aplomb.recognise.targets`)."""
    standardise: bool = False
    """Whether each picture is given minus its mean over its standard deviation, channel by channel."""
    forward: dict[str, Any] = field(default_factory=dict)
    """Of the task "restore", what was measured: the table that `aplomb.degrade.forward.parse_forward` reads, in which
    a list stands for what was drawn from."""
    start: dict[str, Any] = field(default_factory=dict)
    """Of the task "restore", what the network sees of a measurement: `kind`, `rate`, and whether `mask` and `level` are
    further channels (see `aplomb.restore.trained.Start`)."""
    rates: tuple[float, ...] = ()
    """Of the task "restore", the weights of the data steps behind its passes (see `aplomb.restore.unrolled`)."""
    size: tuple[int, int] | None = None
    """Height and width of pictures, for a classifier that takes one size."""
    multiple: int = 1
    """Picture sizes must be multiples of this; the runtime pads."""
    halo: int | None = 0
    """Pixels around a tile that its result depends on; None: the whole picture."""
    parameters: int = 0
    multiply_adds_per_pixel: int = 0
    values_per_pixel: float = 0.0
    """Most numbers per input pixel that are alive at once while it runs."""
    training: dict[str, Any] = field(default_factory=dict)
    """Data, recipe, commit, seed, steps."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """What was measured, on what, by which command."""
    licence: str = ""
    format: int = FORMAT
    hash: str = ""

    def covers(self, sigma: float) -> bool:
        """Whether it was trained for noise of that level, but for rounding (1 %); always, if no range is stated.

        >>> card = Card(noise_range=(0.0, 0.2))
        >>> card.covers(0.1), card.covers(0.201), card.covers(0.21)
        (True, True, False)
        """
        low, high = self.noise_range or (0.0, math.inf)
        return 0.99 * low <= sigma <= 1.01 * high

    def markdown(self) -> str:
        """The card for people.

        >>> print(Card(name="net", task="denoise", noise_range=(0.0, 0.2)).markdown().splitlines()[0])
        # net
        """
        levels = " to ".join(dict.fromkeys(f"{255 * v:.4g}" for v in self.noise_range or ()))
        lines = [
            ("task", self.task),
            ("frequencies", f"{self.channels} features" if self.task == "burst" else ""),
            ("pictures", _colours(self.channels) if self.task != "burst" else ""),
            ("noise", f"standard deviation {levels} of 255" + (", given as a map" if self.noise_map else ""))
            if levels
            else None,
            ("size", " x ".join(map(str, self.size or ()))),
            ("standardised", "each picture, channel by channel" if self.standardise else ""),
            ("classes", ", ".join(self.classes)),
            ("target", self.target),
            ("forward model", _forward_words(self.forward)),
            ("starts from", _start_words(self.start)),
            ("data steps", ", ".join(f"{rate:g}" for rate in self.rates)),
            ("parameters", f"{self.parameters:,}"),
            ("multiply-adds a pixel", f"{self.multiply_adds_per_pixel:,}"),
            ("halo, multiple", f"{self.halo} pixels, {self.multiple}"),
            ("licence", self.licence),
            ("hash", f"`{self.hash}`"),
        ]
        rows = [f"| {name} | {value} |" for name, value in filter(None, lines) if value]
        text = [f"# {self.name}", "", "| | |", "|---|---|", *rows, ""]
        for title, entries in (("Measured", self.metrics), ("Training", self.training)):
            plain = {k: v for k, v in entries.items() if k != "recipe" and v not in ("", None)}
            if plain:
                text += [
                    f"## {title}",
                    "",
                    "| | |",
                    "|---|---|",
                    *(f"| {k} | {_words(v)} |" for k, v in plain.items()),
                    "",
                ]
        if recipe := self.training.get("recipe"):
            text += ["## Recipe", "", "```toml", recipe.strip(), "```", ""]
        return "\n".join(text)


@dataclass(frozen=True)
class Model:
    """A model file that was checked: `path`, and its `card` (None for a file from elsewhere)."""

    path: Path
    card: Card | None = None
    channels_in: int | None = None
    """Channels of the graph's input."""

    @property
    def name(self) -> str:
        """The card's name, else that of the file."""
        return self.card.name if self.card and self.card.name else self.path.stem

    @cached_property
    def operator(self) -> Operator:
        """The network as an expression (see `thaw`)."""
        return thaw(self.path)

    def level(self, sigma: float) -> float | None:
        """The noise level that the network is told for a noise of `sigma`; None if it takes none.

        One that does not scale with its input is told no more and no less than it was trained for.
        """
        if self.card is None or not self.card.noise_map:
            return None
        low, high = self.card.noise_range if self.card.noise_range and not self.card.homogeneous else (0.0, math.inf)
        return min(max(float(sigma), low), high)

    def told(self, sigma: float) -> Operator:
        """The network in the picture alone: one that takes a noise level is told `sigma` (see `level`)."""
        level = self.level(sigma)
        return (
            self.operator
            if level is None or self.card is None
            else with_level(self.operator, level, self.card.channels)
        )


def freeze(operator: Operator, path: str | Path, *, card: Card | None = None, shape: Shape | None = None) -> Card:
    """Write `operator` as one ONNX file and return its card, with the facts and the hash filled in.

    Batch normalisations are folded into the convolutions before them. Weights are stored in float32, or in float16
    where that holds them without loss (round them first, to halve the file). `shape` is an input shape that fits,
    needed only where it cannot be told from the operator. The file appears whole or not at all.

    Raises ShapeError if no input fits, BadInput if a part has no form in ONNX, OutputError if `path` cannot be written.

    >>> import tempfile, aplomb
    >>> from aplomb.nets import residual
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     card = freeze(residual(3, 8), folder + "/net.onnx")
    ...     thaw(folder + "/net.onnx") == residual(3, 8)
    True
    """
    import onnx

    from aplomb.exchange import write
    from aplomb.layers.norm import fold_batch_norm

    operator = fold_batch_norm(operator)
    shape = fitting_shape(operator) if shape is None else shape
    model = write(operator, shape)
    model.graph.name = card.name if card and card.name else "aplomb"
    onnx.checker.check_model(model)
    halo, multiple, values = facts(operator, shape)
    card = replace(
        card or Card(channels=shape[1]),
        homogeneous=operator.homogeneous,
        multiple=multiple,
        halo=halo,
        parameters=operator.parameters,
        multiply_adds_per_pixel=round(operator.multiply_adds(shape) / math.prod(shape[2:])),
        values_per_pixel=values,
        format=FORMAT,
        hash=weights_hash(model),
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(asdict(card), ensure_ascii=False)
    with whole_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    return card


def thaw(path: str | Path) -> Operator:
    """The operator in an ONNX file, ours or anybody's: the inverse of `freeze`.

    Read from the graph that the engines run, so what is inspected is what is executed. Raises ModelError with the
    reason if the file is missing, broken, changed, or has operations that the algebra does not know.
    """
    from aplomb.exchange import read

    return read(_parse(Path(path))[0], str(path))


def load(name: str | Path) -> Model:
    """A shipped model by its name, or an ONNX file by its path; the file is checked.

    >>> load("no-such-network")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    aplomb.errors.ModelError: model 'no-such-network' is neither a file nor a shipped model; ...
    """
    path = Path(name)
    if not path.is_file():
        path = WEIGHTS / f"{name}.onnx"
    if not path.is_file():
        raise ModelError(
            f"model {str(name)!r} is neither a file nor a shipped model; shipped: {', '.join(shipped()) or 'none'}"
        )
    model, card = _parse(path)
    dims = model.graph.input[0].type.tensor_type.shape.dim if model.graph.input else []
    channels = dims[1].dim_value or None if len(dims) > 1 else None
    return Model(path, card, channels)


def shipped() -> list[str]:
    """Names of the models that come with the package (their int8 copies are asked for by precision)."""
    return sorted(p.stem for p in WEIGHTS.glob("*.onnx") if not p.stem.endswith(".int8"))


def facts(operator: Operator, shape: Shape | None = None) -> tuple[int | None, int, float]:
    """What tiles are cut by: the halo (None: the whole picture), the multiple of sizes, live values per pixel."""
    shape = fitting_shape(operator) if shape is None else shape
    halo = max(operator.halo(axis) for axis in (0, 1))
    multiple = math.lcm(*(operator.grid(axis).stride for axis in (0, 1)))
    return None if math.isinf(halo) else int(halo), multiple, peak_values(operator, shape) / math.prod(shape[2:])


def _colours(channels: int) -> str:
    return {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_words(v)}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _forward_words(table: dict[str, Any]) -> str:
    """A forward model in one line: its steps in order, then the noise."""

    def words(entries: dict[str, Any]) -> str:
        rest = ", ".join(f"{k} {_words(v)}" for k, v in entries.items() if k != "kind")
        return f"{entries.get('kind', '?')}" + (f" ({rest})" if rest else "")

    steps = " -> ".join(words(step) for step in table.get("step", ()))
    noise = f"noise {words(table['noise'])}" if table.get("noise") else ""
    return ", ".join(filter(None, (steps, noise)))


def _start_words(start: dict[str, Any]) -> str:
    more = [f"the {name} as a further channel" for name in ("mask", "level") if start.get(name)]
    told = [f"told the noise {', '.join(f'{v:g}' for v in start['told'])} of 255"] if start.get("told") else []
    return ", ".join([start["kind"], *more, *told]) if start else ""


def weights_hash(model: onnx.ModelProto) -> str:
    """SHA-256 over the weights and the graph that uses them, in hexadecimal; metadata is left out."""
    from onnx import helper, numpy_helper

    digest = hashlib.sha256()

    def add(*items: object) -> None:
        digest.update("\x1f".join(map(str, items)).encode() + b"\x1e")

    for tensor in sorted(model.graph.initializer, key=lambda t: t.name):
        array = numpy_helper.to_array(tensor)
        add(tensor.name, array.dtype, array.shape)
        digest.update(np.ascontiguousarray(array).tobytes())
    for group in (model.graph, *model.functions):
        add("graph" if group is model.graph else group.name)
        for node in group.node:
            add(node.domain, node.op_type, *node.input, "->", *node.output)
            for attribute in sorted(node.attribute, key=lambda a: a.name):
                value = helper.get_attribute_value(attribute)
                add(attribute.name, numpy_helper.to_array(value).tolist() if hasattr(value, "raw_data") else value)
    return digest.hexdigest()


def _parse(path: Path) -> tuple[onnx.ModelProto, Card | None]:
    """The checked ONNX file and its card."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model {path} cannot be read: {error.strerror}; check the path") from None
    try:
        model = onnx.load_model_from_string(data)
        if any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer):
            raise ModelError(f"model {path} keeps its weights in other files; save it as one file")
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        first = str(error).strip().splitlines() or ["it cannot be decoded"]
        raise ModelError(
            f"model {path} is not a valid ONNX file ({len(data):,} bytes): {first[0]}; get it again"
        ) from None
    text = next((p.value for p in model.metadata_props if p.key == KEY), None)
    if text is None:
        return model, None
    try:
        entries = json.loads(text)
        if entries["format"] > FORMAT:
            raise ModelError(
                f"model {path} has format {entries['format']}, this Aplomb reads up to {FORMAT}; update Aplomb"
            )
        for name in (
            "value_range",
            "noise_range",
            "classes",
            "size",
            "rates",
        ):  # JSON has no tuples; old files lack the last
            if entries.get(name) is not None:
                entries[name] = tuple(entries[name])
        card = Card(**entries)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ModelError(f"model {path} has a card that cannot be read ({error}); get it again") from None
    if (found := weights_hash(model)) != card.hash:
        raise ModelError(
            f"model {path} was changed after it was frozen: its weights hash to {found[:12]}, "
            f"its card says {card.hash[:12]}; get it again, or freeze it anew"
        )
    return model, card
