"""How much of the machine's arithmetic the engine reaches on DnCNN-17, in f32 and bf16.

The peak is measured in the same run and with the same threads: the best of several large square matrix products, by
PyTorch and by OpenVINO (both call oneDNN). The network runs through the tiles as it does for a user; what counts is
multiply-adds by weights, each as two operations. What is left over is padding, tiles that overlap, activations and
the memory that they pass through.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable

import numpy as np
from peers import frozen, network, noisy
from report import Report, options, seconds, version

from aplomb.nets import dncnn
from aplomb.runtime.engines import cores, has_openvino


def torch_product(size: int, precision: str, threads: int) -> Callable[[], object]:
    """A product of two square matrices in PyTorch."""
    import torch

    torch.set_num_threads(threads)
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = torch.rand(size, size).to(kind), torch.rand(size, size).to(kind)
    return lambda: torch.mm(a, b)


def openvino_product(size: int, precision: str, threads: int) -> Callable[[], object]:
    """A product with a constant square matrix in OpenVINO."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino as ov
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    left = ops.parameter([size, size], np.float32)
    right = ops.constant(rng.random((size, size), dtype=np.float32))
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    run = ov.Core().compile_model(ov.Model([ops.matmul(left, right, False, True)], [left]), "CPU", settings)
    x = rng.random((size, size), dtype=np.float32)
    return lambda: run(x)


def peak(precision: str, size: int, threads: int, repeats: int) -> dict[str, float]:
    """Operations a second, in units of 10^9, of the best product a library."""
    makers = {"torch": torch_product, "openvino": openvino_product}
    found = {}
    for library in [name for name in makers if version(name)]:
        run = makers[library](size, precision, threads)
        run()
        best = np.inf
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            best = min(best, time.perf_counter() - start)
        found[library] = 2e-9 * size**3 / best
    return found


def main() -> None:
    chosen = options(
        side={"type": int, "default": 1024, "help": "side of the picture"},
        size={"type": int, "default": 4096, "help": "side of the matrices"},
        threads={"type": int, "default": cores(), "help": "threads"},
    )
    side, size, repeats = (192, 768, 2) if chosen.quick else (chosen.side, chosen.size, 10)
    report = Report(
        f"Share of the machine's arithmetic: DnCNN-17 on {side} x {side} grey pixels, {chosen.threads} threads",
        ["precision", "what", "10^9 operations/s", "share of the peak, %", "MP/s"],
    )
    model = frozen(dncnn(batch_norms=False), "DnCNN-17", 1, False)
    assert model.card is not None
    x = noisy(np.full((1, 1, side, side), 0.5, np.float32), 25 / 255, 0)
    for precision in ("f32", "bf16"):
        reached = peak(precision, size, chosen.threads, repeats)
        if not reached:
            print("Left out: everything. Neither PyTorch nor OpenVINO is installed, so there is no peak.")
            return
        for library, speed in reached.items():
            report.add(
                precision,
                f"matrix product {size} x {size}, {library}",
                speed,
                100 * speed / max(reached.values()),
                None,
            )
        engines = ["onnxruntime"] * (precision == "f32") + ["openvino"] * has_openvino()
        for engine in engines:
            run = network(model, engine, precision, chosen.threads)  # type: ignore[arg-type]
            rate = side**2 / seconds(functools.partial(run, x, 0.1), 1 if chosen.quick else 5)[0]
            speed = 2e-9 * rate * model.card.multiply_adds_per_pixel
            report.add(precision, f"DnCNN-17, {engine}", speed, 100 * speed / max(reached.values()), rate / 1e6)
    report.finish(chosen.csv)


if __name__ == "__main__":
    main()
