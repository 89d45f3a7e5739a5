"""ONNX and the algebra: a writer of operators, a reader of anybody's nodes.

A leaf that ONNX lacks is written as a function of the domain "aplomb", with the leaf's fields as attributes: engines
see the plain nodes inside, the reader sees the leaf. What the reader does not know it names.

Long because it is a table: one short reader for each operation of ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import onnx
from onnx import helper, numpy_helper

from aplomb.arrays import Array, Shape
from aplomb.degrade.sample import Mask, Mosaic
from aplomb.errors import ModelError
from aplomb.graph import Node, expression
from aplomb.layers.activation import (
    ELU,
    HardClip,
    LeakyReLU,
    Maxout,
    Softmax,
    SoftShrink,
    Step,
    Swish,
    relu,
    sigmoid,
    tanh,
)
from aplomb.layers.channels import AppendConstant, Place, Take
from aplomb.layers.colour_products import ColourProducts
from aplomb.layers.conv import Conv
from aplomb.layers.dense import Dense, Unflatten, flatten
from aplomb.layers.haar import Haar
from aplomb.layers.norm import BatchNorm, Dropout, LayerNorm, LocalContrastNorm
from aplomb.layers.pad import Crop, Pad
from aplomb.layers.pool import AveragePool, L2Pool, MaxPool, global_average_pool
from aplomb.layers.radial import RadialBasis
from aplomb.layers.recurrent import LSTMCell
from aplomb.layers.resample import Bilinear, Downsample, PixelShuffle, PixelUnshuffle, Repeat, ZeroUpsample
from aplomb.layers.response_norm import LocalResponseNorm
from aplomb.layers.stable import ChannelClip, ClipBy, GroupSort, Spline
from aplomb.operator import GraphWriter, Operator, Scaling, identity

OPSET, IR_VERSION, DOMAIN = 20, 10, "aplomb"
END = np.iinfo(np.int64).max
SHORT = 256
"""Values below which an array is not worth a Cast."""


class Writer:
    """Collects nodes, weights and functions (the GraphWriter that leaves write to)."""

    def __init__(self, parent: Writer | None = None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[int, tuple[str, Array, Array]] = {}
        self.functions: list[onnx.FunctionProto] = [] if parent is None else parent.functions
        self.inside = parent is not None

    def node(self, op: str, inputs: Sequence[str], doc: str = "", **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        plain: dict[str, Any] = {
            k: [int(i) for i in v] if isinstance(v, (tuple, list)) or hasattr(v, "shape") else v
            for k, v in attributes.items()
        }
        self.nodes.append(
            helper.make_node(op, list(inputs), [name], name=f"{op}_{len(self.nodes)}", doc_string=doc or None, **plain)
        )
        return name

    def constant(self, array: Array) -> str:
        values = np.asarray(array, order="C")  # ascontiguousarray would give a scalar an axis
        if values.dtype.kind == "f":
            values = values.astype(np.float32, copy=False)
        if self.inside:
            name = f"v{len(self.nodes)}"
            self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values)))
            return name
        # an array used twice is written once; it is kept, so that no other can get its id
        return self.weights.setdefault(id(array), (f"w{len(self.weights)}", values, array))[0]

    def function(self, leaf: str, inputs: Sequence[str], body: Callable[..., str], **attributes: Any) -> str:
        inner, names = Writer(self), [f"x{i}" for i in range(len(inputs))]
        result = body(cast(GraphWriter, inner), *names)
        kind = f"{leaf}_{len(self.functions)}"
        self.functions.append(
            helper.make_function(
                DOMAIN,
                kind,
                names,
                [result],
                inner.nodes,
                [helper.make_opsetid("", OPSET)],
                attributes=list(attributes),
            )
        )
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], domain=DOMAIN, name=kind, **attributes))
        return name


def write(operator: Operator, shape: Shape) -> onnx.ModelProto:
    """`operator` as an ONNX model for inputs of `shape`; batch and, where it is convolutional, sizes stay free."""
    writer = Writer()
    result = operator._onnx(cast(GraphWriter, writer), "image", shape)
    if result == "image":
        result = writer.node("Identity", ["image"])
    weights, widened = _narrowed(writer.weights.values())
    out = operator.output_shape(shape)
    free = len(shape) == len(out) == 4
    inputs: list[str | int | None] = ["N", shape[1], "H", "W"] if free else ["N", *shape[1:]]
    outputs: list[str | int | None] = ["N", out[1], "H_out", "W_out"] if free else ["N", *out[1:]]
    graph = helper.make_graph(
        widened + writer.nodes,
        "aplomb",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, outputs)],
        weights,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(
        graph, functions=writer.functions, opset_imports=opsets, ir_version=IR_VERSION, producer_name="aplomb"
    )


def _narrowed(weights: Iterable[tuple[str, Array, Array]]) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """Initialisers, and the Cast nodes that widen them.

    Arrays that float16 holds without loss are stored in it, at half the size; engines widen them once, on loading.
    """
    tensors, casts = [], []
    for name, array, _ in weights:
        if array.dtype == np.float32 and array.size >= SHORT and fits_half(array):
            tensors.append(numpy_helper.from_array(array.astype(np.float16), name + "_half"))
            casts.append(helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT, name=name))
        else:
            tensors.append(numpy_helper.from_array(array, name))
    return tensors, casts


def fits_half(array: Array) -> bool:
    """Whether float16 holds these values bit for bit.

    >>> fits_half(np.float32([0.5, -3.0])), fits_half(np.float32([0.1])), fits_half(np.float32([1e6]))
    (True, False, False)
    """
    with np.errstate(over="ignore"):
        return bool(np.array_equal(array.astype(np.float16).astype(np.float32), array))


def widen(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with every weight in float32 and no Cast: for tools that look for plain initialisers."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    tensors = {t.name: t for t in wide.graph.initializer}
    casts = [n for n in wide.graph.node if n.op_type == "Cast" and n.input[0] in tensors]
    for node in casts:
        array = numpy_helper.to_array(tensors.pop(node.input[0])).astype(np.float32)
        tensors[node.output[0]] = numpy_helper.from_array(array, node.output[0])
        wide.graph.node.remove(node)
    del wide.graph.initializer[:]
    wide.graph.initializer.extend(tensors.values())
    return wide


def read(model: onnx.ModelProto, name: str = "the model") -> Operator:
    """The operator that an ONNX graph with one input and one output stands for.

    Raises ModelError that names every operation which the algebra does not know.
    """
    graph = model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    inputs = [i.name for i in graph.input if i.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ModelError(
            f"{name} has {len(inputs)} inputs and {len(graph.output)} outputs; networks with one of each can be read"
        )
    values: dict[str, int] = {inputs[0]: 0}
    nodes: list[Node] = []
    unknown: list[str] = []
    versions = {o.domain: o.version for o in model.opset_import}
    for proto in graph.node:
        if proto.op_type == "Constant" and "value" in _attributes(proto):
            constants[proto.output[0]] = numpy_helper.to_array(_attributes(proto)["value"])
            continue
        if proto.op_type == "Cast" and proto.input[0] in constants:
            kind = helper.tensor_dtype_to_np_dtype(_attributes(proto)["to"])
            constants[proto.output[0]] = constants[proto.input[0]].astype(kind)
            continue
        here = f"node {proto.name or proto.output[0]}"
        if proto.op_type in _ROUNDING and any(i in values for i in proto.input):
            raise ModelError(
                f"{name} is quantised ({proto.op_type}, {here}): rounding the picture's values to 8 bits is a step "
                "function, which has no Lipschitz constant, so the int8 file itself is neither taken apart nor "
                f"certified; give the float network that it was made from{_original(name)}"
            )
        try:
            if all(not i or i in constants for i in proto.input):
                constants.update(_computed(proto, constants, versions))
                continue
            node = _read_node(proto, values, constants, nodes, versions.get("", versions.get("ai.onnx", OPSET)))
        except _Unknown as reason:
            unknown.append(f"{proto.op_type} ({here}: {reason})")
            node = Node((0,))  # go on, to name them all
        nodes.append(node)
        values[proto.output[0]] = len(nodes)
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise ModelError(
            f"{name} has {len(unknown)} operation(s) that the algebra does not know: {', '.join(unknown[:5])}{more}; "
            "it can be run, but neither taken apart nor certified: export it without them, or give the part before"
        )
    return expression(nodes, values[graph.output[0].name])


class _Unknown(Exception):
    """Why a node cannot be read."""


_ROUNDING = {
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger",
    "MatMulInteger",
}  # fmt: skip
"""Operations of quantised networks. On weights alone they are computed; what is executed is what is read then."""

_UNPROVED = {
    **dict.fromkeys(
        ("InstanceNormalization", "LayerNormalization", "GroupNormalization", "MeanVarianceNormalization"),
        "it divides by the input's own deviation, so no useful bound is known; batch normalisation has one",
    ),
    **dict.fromkeys(("Loop", "If", "Scan"), "what is computed depends on the values; export one branch"),
}
"""What is to be said of operations besides that they are not known."""


def _original(name: str) -> str:
    return f", {name.removesuffix('.onnx').removesuffix('.int8')}.onnx" if ".int8" in name else ""


def _computed(
    proto: onnx.NodeProto, constants: Mapping[str, Array], versions: Mapping[str, int]
) -> Mapping[str, Array]:
    """What a node makes of constants alone, such as weights that are normalised in the graph."""
    from onnx.reference import ReferenceEvaluator

    if proto.op_type.startswith(("Random", "Bernoulli", "Multinomial")):
        raise _Unknown("a random number; there is no one network to speak of")
    try:
        node = ReferenceEvaluator(proto, opsets=dict(versions))
        found = node.run(None, {i: constants[i] for i in proto.input if i})
    except Exception as error:  # whatever is in the file
        raise _Unknown(f"constants that cannot be computed, {type(error).__name__}") from None
    return {o: np.asarray(v) for o, v in zip(proto.output, found, strict=True) if o}


def _attributes(proto: onnx.NodeProto) -> dict[str, Any]:
    found = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in found.items()}


def _read_node(
    proto: onnx.NodeProto,
    values: Mapping[str, int],
    constants: Mapping[str, Array],
    nodes: Sequence[Node],
    version: int,
) -> Node:
    op, a = proto.op_type, _attributes(proto)
    flowing = tuple(values[i] for i in proto.input if i in values)
    fixed = [constants.get(i) for i in proto.input]
    if any(i and i not in values and i not in constants for i in proto.input):
        raise _Unknown("an input that nothing computes")
    if op in ("BatchNormalization", "Dropout"):
        _check_mode(op, a, fixed, len([o for o in proto.output if o]), version)
    if len(flowing) > 1:
        return _read_join(op, a, flowing, nodes)
    if proto.domain == DOMAIN:
        reader: Any = _OWN.get(op.rsplit("_", 1)[0])
    elif proto.domain in ("", "ai.onnx"):
        reader = _READERS.get(op)
    else:
        reader = None
    if reader is None:
        raise _Unknown(_UNPROVED.get(op) or f"no such operator in domain {proto.domain or 'ai.onnx'!r}")
    if op in ("Conv", "MaxPool", "AveragePool", "LpPool", "ConvTranspose"):
        a["exact"] = proto.doc_string == "exact"
    if op in ("Slice", "Pad") and proto.doc_string.startswith("of "):
        a["of"] = int(proto.doc_string[3:])
    return Node(flowing, reader(a, fixed))


def _read_join(op: str, a: Mapping[str, Any], flowing: tuple[int, ...], nodes: Sequence[Node]) -> Node:
    if op in ("Add", "Sum"):
        return Node(flowing)
    if op == "Concat" and a.get("axis") == 1:
        return Node(flowing, join="stack")
    if op == "Sub":
        cast(list[Node], nodes).append(Node(flowing[1:], Scaling(-1.0)))
        return Node((flowing[0], len(nodes)))
    if op == "Mul" and len(flowing) == 2:  # x * sigmoid(x)
        for x, s in (flowing, flowing[::-1]):
            if s and nodes[s - 1] == Node((x,), sigmoid):
                return Node((x,), Swish())
    if op in ("Conv", "ConvTranspose", "Gemm", "BatchNormalization", "PRelu"):
        raise _Unknown("weights that are computed from the picture; such a product has no Lipschitz constant")
    if op in ("Mul", "MatMul"):
        raise _Unknown("a product of two values that both depend on the picture; it has no Lipschitz constant")
    raise _Unknown(_UNPROVED.get(op) or "several inputs joined by something other than sum and concatenation")


def _check_mode(op: str, a: Mapping[str, Any], c: Sequence[Any], outputs: int, version: int) -> None:
    """Refuse what normalises by the batch's own statistics, or drops at random."""
    # before opset 7 the default was training; before 14 a batch norm in training told its statistics, too
    training = a.get("training_mode") or (version < 7 and not a.get("is_test"))
    if op == "BatchNormalization" and (training or outputs > 1):
        raise _Unknown("in training mode it divides by the batch's own deviation; export it in evaluation mode")
    if op == "Dropout" and (training or (len(c) > 2 and c[2] is not None and bool(np.any(c[2])))):
        raise _Unknown("in training mode it drops values at random; export it in evaluation mode")


def _window(a: Mapping[str, Any]) -> dict[str, Any]:
    """Stride, padding and the like of convolutions and poolings."""
    size = a["kernel_shape"]
    if len(size) != 2:
        raise _Unknown(f"{len(size)}-dimensional")
    top, left, bottom, right = a.get("pads", [0] * 4)
    auto = a.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        if list(a.get("strides", [1, 1])) != [1, 1]:
            raise _Unknown("auto_pad with a stride depends on the size of the picture")
        reach = [d * (k - 1) for k, d in zip(size, a.get("dilations", [1, 1]), strict=True)]
        halves = [(r // 2, r - r // 2) for r in reach]
        (top, bottom), (left, right) = halves if auto == "SAME_UPPER" else [h[::-1] for h in halves]
    if a.get("ceil_mode"):
        raise _Unknown("ceil_mode")
    return {"stride": tuple(a.get("strides", (1, 1))), "pads": ((top, bottom), (left, right)), "exact": a["exact"]}


def _conv(a: dict[str, Any], c: list[Any], transposed: bool = False) -> Operator:
    if c[1] is None or (len(c) > 2 and c[2] is None):
        raise _Unknown("weights that are computed")
    a.setdefault("kernel_shape", c[1].shape[2:])
    if any(a.get("output_padding", [])) or "output_shape" in a:
        raise _Unknown("output_padding")
    bias = c[2] if len(c) > 2 else None
    return Conv(
        c[1],
        bias,
        dilation=tuple(a.get("dilations", (1, 1))),
        groups=a.get("group", 1),
        transposed=transposed,
        **_window(a),
    )


def _pool(kind: type, a: dict[str, Any]) -> Operator:
    if set(a.get("dilations", [1])) != {1}:
        raise _Unknown("dilated window")
    window = _window(a)
    if kind is AveragePool and not a.get("count_include_pad") and window["pads"] != ((0, 0), (0, 0)):
        raise _Unknown("average that does not count the padding")
    if kind is L2Pool and a.get("p", 2) != 2:
        raise _Unknown(f"l{a['p']} norm")
    return cast(Operator, kind(tuple(a["kernel_shape"]), **window))


def _gemm(a: dict[str, Any], c: list[Any]) -> Operator:
    if a.get("transA") or a.get("alpha", 1.0) != 1 or a.get("beta", 1.0) != 1 or c[1] is None:
        raise _Unknown("scaled, transposed or with computed weights")
    return Dense(c[1] if a.get("transB") else c[1].T.copy(), c[2] if len(c) > 2 else None)


def _arithmetic(op: str) -> Callable[..., Operator]:
    """Multiplication by, or addition of, a constant: a number, or one number a channel."""

    def reader(a: dict[str, Any], c: list[Any]) -> Operator:
        value = next(v for v in c if v is not None)
        if op == "Div" and c[1] is None:
            raise _Unknown("a constant divided by the picture")
        if op == "Sub" and c[1] is None:
            raise _Unknown("a constant minus the picture")
        if value.size == 1 and op in ("Mul", "Div"):
            return Scaling(float(value.ravel()[0]) if op == "Mul" else 1 / float(value.ravel()[0]))
        if (
            value.ndim not in (1, 3, 4)
            or value.size not in value.shape
            or (value.ndim > 1 and value.shape[-3] != value.size)
        ):
            raise _Unknown("a constant that is no number a channel")
        v, one = value.ravel().astype(np.float32), np.ones(value.size, np.float32)
        zero = 0 * one
        factor, shift = {"Mul": (v, zero), "Div": (1 / v, zero), "Add": (one, v), "Sub": (one, -v)}[op]
        return BatchNorm(factor, shift, zero, one, 0.0)

    return reader


def _slice(a: dict[str, Any], c: list[Any]) -> Operator:
    if any(v is None for v in c[1:]) or len(c) < 4:
        raise _Unknown("bounds that are computed")
    starts, ends, axes = (c[i].tolist() for i in (1, 2, 3))
    steps = c[4].tolist() if len(c) > 4 else [1] * len(axes)
    if axes == [1] and steps == [1] and 0 <= starts[0] < ends[0] < END:
        return Take(starts[0], ends[0], a.get("of"))
    if axes == [2, 3] and starts == [0, 0] and ends == [END, END] and steps[0] == steps[1] > 1:
        return Downsample(steps[0])
    if axes == [2, 3] and steps == [1, 1] and min(starts) >= 0 and all(e < 0 or e == END for e in ends):
        after = [0 if e == END else -e for e in ends]
        return Crop(((starts[0], after[0]), (starts[1], after[1])))
    raise _Unknown("a slice other than channels, borders or every m-th pixel")


def _pad(a: dict[str, Any], c: list[Any]) -> Operator:
    amounts = c[1].tolist() if len(c) > 1 and c[1] is not None else a.get("pads")
    border = {"constant": "zero", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}[
        a.get("mode", "constant")
    ]
    if "of" in a and amounts and len(amounts) in (4, 8) and sum(amounts) == amounts[1] + amounts[len(amounts) // 2 + 1]:
        return Place(amounts[1], a["of"], sum(amounts) + a["of"])
    if not amounts or len(amounts) != 8 or any(amounts[i] for i in (0, 1, 4, 5)) or min(amounts) < 0:
        raise _Unknown("padding of other axes than rows and columns")
    if a.get("value") or (len(c) > 2 and c[2] is not None and c[2].any()):
        raise _Unknown("padding with a number other than zero")
    _, _, top, left, _, _, bottom, right = amounts
    return Pad(((top, bottom), (left, right)), border)  # type: ignore[arg-type]


def _response_norm(a: dict[str, Any], c: list[Any]) -> Operator:
    size = a["size"]
    if size % 2 == 0:
        raise _Unknown("an even number of neighbouring channels")
    factor, power, offset = a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0)
    return LocalResponseNorm(size, _short(_short(factor) / size), _short(power), _short(offset))


def _resize(a: dict[str, Any], c: list[Any]) -> Operator:
    scales = c[2].tolist() if len(c) > 2 and c[2] is not None else []
    if len(scales) != 4 or scales[:2] != [1, 1] or scales[2] != scales[3] or scales[2] != int(scales[2]):
        raise _Unknown("resizing by other than one integer factor")
    way = a.get("mode", "nearest"), a.get("coordinate_transformation_mode", "half_pixel")
    if way == ("nearest", "asymmetric") and a.get("nearest_mode") == "floor":
        return Repeat(int(scales[2]))
    if way[0] == "linear" and way[1] in ("half_pixel", "pytorch_half_pixel"):
        return Bilinear(int(scales[2]))
    raise _Unknown(f"resizing by {way[0]}, {way[1]}")


def _reshape(a: dict[str, Any], c: list[Any]) -> Operator:
    target = c[1].tolist() if c[1] is not None else []
    if len(target) == 2 and target[1] == -1:
        return flatten
    if len(target) == 4 and target[0] in (0, -1) and min(target[1:]) > 0:
        return Unflatten(*target[1:])
    raise _Unknown(f"a change of shape to {target or 'a computed shape'}")


def _clip(a: dict[str, Any], c: list[Any]) -> Operator:
    lo = c[1] if len(c) > 1 else a.get("min")
    hi = c[2] if len(c) > 2 else a.get("max")
    return HardClip(-np.inf if lo is None else float(lo), np.inf if hi is None else float(hi))


def _softmax(a: dict[str, Any], c: list[Any]) -> Operator:
    if a.get("axis", -1) != 1:
        raise _Unknown("softmax over an axis other than channels")
    return Softmax()


def _depth_to_space(a: dict[str, Any], c: list[Any]) -> Operator:
    if a.get("mode", "DCR") != "CRD":
        raise _Unknown("depth to space in the order DCR")
    return PixelShuffle(a["blocksize"])


def _shrink(a: dict[str, Any], c: list[Any]) -> Operator:
    if a.get("lambd", 0.5) != a.get("bias", 0.0):
        raise _Unknown("shrinkage that is not soft")
    if a.get("lambd", 0.5) < 0:
        raise _Unknown("shrinkage by a negative threshold, which is not continuous")
    return SoftShrink(_short(a["lambd"]))


def _prelu(a: dict[str, Any], c: list[Any]) -> Operator:
    if c[1] is None or c[1].size != 1:
        raise _Unknown("one slope a channel")
    return LeakyReLU(float(c[1].ravel()[0]))


def _short(value: float) -> float:
    """The shortest decimal that is the same float32: ONNX keeps attributes in single precision."""
    return float(str(np.float32(value)))


_READERS: dict[str, Callable[[dict[str, Any], list[Any]], Operator]] = {
    "Conv": _conv,
    "ConvTranspose": lambda a, c: _conv(a, c, transposed=True),
    "Gemm": _gemm,
    "MatMul": lambda a, c: _gemm({}, c),
    "Relu": lambda a, c: relu,
    "Sigmoid": lambda a, c: sigmoid,
    "Tanh": lambda a, c: tanh,
    "LeakyRelu": lambda a, c: LeakyReLU(_short(a.get("alpha", 0.01))),
    "PRelu": _prelu,
    "Elu": lambda a, c: ELU(_short(a.get("alpha", 1.0))),
    "Softmax": _softmax,
    "Shrink": _shrink,
    "Clip": _clip,
    "MaxPool": lambda a, c: _pool(MaxPool, a),
    "AveragePool": lambda a, c: _pool(AveragePool, a),
    "GlobalAveragePool": lambda a, c: global_average_pool,
    "LRN": _response_norm,
    "LpPool": lambda a, c: _pool(L2Pool, a),
    "Pad": _pad,
    "Slice": _slice,
    "Resize": _resize,
    "DepthToSpace": _depth_to_space,
    "Flatten": lambda a, c: flatten,
    "Reshape": _reshape,
    "BatchNormalization": lambda a, c: BatchNorm(c[1], c[2], c[3], c[4], _short(a.get("epsilon", 1e-5))),
    "Dropout": lambda a, c: Dropout(0.5 if len(c) < 2 or c[1] is None else _short(float(c[1]))),
    "Identity": lambda a, c: identity,
    "Neg": lambda a, c: Scaling(-1.0),
    **{op: _arithmetic(op) for op in ("Add", "Sub", "Mul", "Div")},
}

_OWN: dict[str, Callable[[dict[str, Any], list[Any]], Operator]] = {
    "Step": lambda a, c: Step(),
    "Swish": lambda a, c: Swish(),
    "Maxout": lambda a, c: Maxout(a["pieces"]),
    "ZeroUpsample": lambda a, c: ZeroUpsample(a["factor"]),
    "PixelUnshuffle": lambda a, c: PixelUnshuffle(a["factor"]),
    "LayerNorm": lambda a, c: LayerNorm(c[1], c[2], a["over"], _short(a["epsilon"])),
    "LocalContrastNorm": lambda a, c: LocalContrastNorm(a["size"], _short(a["floor"])),
    "AppendConstant": lambda a, c: AppendConstant(_short(a["value"])),
    "ClipBy": lambda a, c: ClipBy(),
    "ChannelClip": lambda a, c: ChannelClip(c[1].ravel()),
    "Spline": lambda a, c: Spline(c[1], _short(a["reach"]), _short(a["low"]), _short(a["high"])),
    "RadialBasis": lambda a, c: RadialBasis(c[1], c[2]),
    "LSTMCell": lambda a, c: LSTMCell(c[1], c[2]),
    "GroupSort": lambda a, c: GroupSort(),
    "Haar": lambda a, c: Haar(2, bool(a["transposed"])),
    "ColourProducts": lambda a, c: ColourProducts(),
    "Mask": lambda a, c: Mask(c[1][0]),
    "Mosaic": lambda a, c: Mosaic(a["pattern"], bool(a["transposed"])),
}
"""Leaves written as functions, by the name before the number."""

__all__ = ["read", "widen", "write"]
