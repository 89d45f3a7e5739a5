"""Inference engines behind one call: ONNX Runtime always, OpenVINO where it is installed.

This is the only module that imports them. An engine takes float32 (N, C, H, W) and gives float32; what it computes in
is its precision, and is stated.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import BadInput, ModelError, RunError
from aplomb.model import Model

if TYPE_CHECKING:
    import onnx

EngineName = Literal["auto", "onnxruntime", "openvino"]
Precision = Literal["f32", "bf16", "int8"]
Values = NDArray[np.float32]


@dataclass(frozen=True)
class Engine:
    """A network that is ready to run."""

    name: str
    precision: str
    threads: int
    _run: Callable[[Values], Values]

    def __call__(self, x: Values) -> Values:
        """Run on float32 `x`, (N, C, H, W). Raises BadInput for values that are not finite: an engine can hide them."""
        if not np.isfinite(x).all():
            raise BadInput(
                "the picture holds NaN or infinite values; replace them first, for example by a median filter"
            )
        try:
            return self._run(np.ascontiguousarray(x, dtype=np.float32))
        except (RuntimeError, ValueError) as error:
            first = (str(error).strip().splitlines() or ["no reason given"])[-1]
            raise RunError(f"{self.name} failed on an input of shape {x.shape}: {first}") from None
        except Exception as error:  # ONNX Runtime's errors derive from Exception directly
            if type(error).__module__.startswith("onnxruntime"):
                raise RunError(
                    f"{self.name} failed on an input of shape {x.shape}: {str(error).splitlines()[0]}"
                ) from None
            raise


def has_openvino() -> bool:
    """Whether the extra `fast` is installed."""
    return importlib.util.find_spec("openvino") is not None


def open_engine(
    model: Model, engine: EngineName = "auto", precision: Precision = "f32", threads: int | None = None
) -> Engine:
    """An engine for `model`.

    "auto" takes OpenVINO where it is installed and can run the network, else ONNX Runtime. "bf16" needs OpenVINO;
    "int8" needs a quantised copy of the model. `threads` defaults to the cores that this process may use.

    Raises BadInput for an engine that is not installed or a precision that it lacks, ModelError for a network that it
    cannot run.
    """
    threads = threads or cores()
    if engine not in ("auto", "onnxruntime", "openvino") or precision not in ("f32", "bf16", "int8"):
        raise BadInput(
            f"engine {engine!r}, precision {precision!r}: give auto, onnxruntime or openvino, and f32, bf16 or int8"
        )
    if engine == "openvino" and not has_openvino():
        raise BadInput("engine openvino is not installed; pip install 'aplomb[fast]'")
    if precision == "bf16" and (engine == "onnxruntime" or not has_openvino()):
        raise BadInput("precision bf16 needs OpenVINO, which is not here; pip install 'aplomb[fast]', or use f32")
    path = model.path
    if precision == "int8":
        path = model.path.with_suffix(".int8.onnx")
        if not path.is_file():
            raise ModelError(
                f"model {model.name} has no int8 copy ({path.name}); make one with aplomb.quantise, or use f32"
            )
    ours = model.card is not None
    if engine == "auto":
        kind = "openvino if it can" if has_openvino() else "onnxruntime"
    else:
        kind = engine
    return _opened(str(path), path.stat().st_mtime_ns, model.name, ours, model.channels_in, kind, precision, threads)


@functools.lru_cache(maxsize=4)
def _opened(
    path: str, changed: int, name: str, ours: bool, channels: int | None, kind: str, precision: str, threads: int
) -> Engine:
    """The engine, kept for the next picture; `changed`, the time of the file, is there to tell a new file from it."""
    if kind != "onnxruntime":
        try:
            run = _openvino(path, precision, threads)
            if not ours:
                _agree(run, _onnxruntime(path, precision, threads), channels or 1)
            return Engine("openvino", precision, threads, run)
        except RuntimeError as error:
            if kind == "openvino" or precision == "bf16":
                reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
                raise ModelError(f"OpenVINO cannot run {name}: {reason}; use --engine onnxruntime") from None
    return Engine("onnxruntime", precision, threads, _onnxruntime(path, precision, threads))


def _agree(run: Callable[[Values], Values], oracle: Callable[[Values], Values], channels: int) -> None:
    """Refuse OpenVINO for a network from elsewhere if it computes something else than ONNX Runtime does.

    Our own operators are compared in the tests; OpenVINO 2026.4 gets a permutation of channels before a convolution
    wrong, and who knows what else.
    """
    x = np.random.default_rng(0).random((1, channels, 64, 64), dtype=np.float32)
    try:
        expected = oracle(x)
    except Exception:  # a size that the network does not take tells nothing about OpenVINO
        return
    found = run(x)
    # 3 % leaves room for bf16, and is far from what a wrong graph gives
    if not np.allclose(found, expected, rtol=0, atol=0.03 * float(np.abs(expected).max() + 1e-6)):
        raise RuntimeError("its result differs from ONNX Runtime's")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _onnxruntime(path: str, precision: str, threads: int) -> Callable[[Values], Values]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        model = seven_bits(path).SerializeToString() if precision == "int8" and not adds_in_32_bits() else path
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot run {path}: {str(error).splitlines()[0]}; get the model again") from None
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def _openvino(path: str, precision: str, threads: int) -> Callable[[Values], Values]:
    # it reports its use over the network when imported, unless it cannot find the package that does so
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import onnx
    import onnx.inliner
    import openvino as ov

    core = ov.Core()
    # it does not know functions, so they are written out
    model = seven_bits(path) if precision == "int8" and not adds_in_32_bits() else onnx.load(path)
    graph = core.read_model(onnx.inliner.inline_local_functions(model).SerializeToString())
    settings: dict[str, Any] = {
        # never left to it: it would pick bf16 by itself where the processor has it
        "INFERENCE_PRECISION_HINT": _rest(core) if precision == "int8" else precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled: dict[tuple[int, ...], Any] = {}

    def run(x: Values) -> Values:
        # kernels for a known size are faster; tiles come in one size, so this rarely compiles twice
        ready = compiled.get(x.shape)
        if ready is None:
            graph.reshape(list(x.shape))
            ready = core.compile_model(graph, "CPU", settings)
            compiled.clear()
            compiled[x.shape] = ready
        return np.array(ready(x)[0], dtype=np.float32)

    return run


def adds_in_32_bits() -> bool:
    """Whether this processor adds products of 8-bit numbers in 32 bits.

    x86 without VNNI adds pairs of them in 16 bits first, where two large ones overflow. What is not known is taken for
    such a processor.
    """
    from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found]

    return any(features.get(name, False) for name in ("AVX512_CLX", "AVX512_ICL", "AVX512_SPR", "ASIMDDP", "NEON"))


def seven_bits(path: str) -> onnx.ModelProto:
    """An int8 model with weights of half the size and twice the scale: 2 * 255 * 64 is less than 2^15.

    Biases are counted in the product of both scales, so they are halved, too.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    pairs = {tuple(node.input[:2]) for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for weights, scales in pairs:
        if weights in arrays:
            whole, scale = (numpy_helper.to_array(arrays[name]) for name in (weights, scales))
            arrays[weights].CopyFrom(numpy_helper.from_array(np.rint(whole / 2).astype(whole.dtype), weights))
            arrays[scales].CopyFrom(numpy_helper.from_array(2 * scale, scales))
    return model


def _rest(core: Any) -> str:
    """What an int8 network's sums and ends, which are not in int8, are computed in: bf16 if the processor has it."""
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
