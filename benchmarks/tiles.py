"""Tile side against speed and memory, and a photograph of 24 megapixels in bounded memory.

Each line is a fresh process. "promised" is what runtime.tiles.plan counts for a tile, "needed" the resident memory
at its highest, less what was there before (picture, engine, libraries) and less the result. The constants SIDE and
OVERHEAD of runtime/tiles.py come from here: SIDE is the side from which on speed hardly grows, OVERHEAD what makes
the promise hold for every network and engine. The last lines restore 4000 x 6000 colour pixels with aplomb.denoise
and a limit, and fail if the process takes more than that limit beside the picture, its floats and the result.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from peers import ours
from report import Report, options

from aplomb.model import Card, freeze, load
from aplomb.nets import dncnn, unet_denoiser
from aplomb.runtime import tiles
from aplomb.runtime.engines import has_openvino, open_engine

MB = 2**20


class Watch:
    """The highest resident memory of this process while the block runs, in bytes."""

    def __enter__(self) -> Watch:
        """Start to look, a thousand times a second."""
        self.peak = psutil.Process().memory_info().rss
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.001):
            self.peak = max(self.peak, process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        """Stop, after a last look."""
        self._stop.set()
        self._thread.join()
        self.peak = max(self.peak, psutil.Process().memory_info().rss)


def measure_tile(path: str, engine: str, precision: str, side: int, height: int, width: int) -> dict[str, Any]:
    """In a process of its own: one picture of `height` x `width` in tiles of `side`."""
    start = psutil.Process().memory_info().rss
    model = load(path)
    card = model.card
    assert card is not None
    run = open_engine(model, engine, precision)  # type: ignore[arg-type]
    inputs = card.channels + card.noise_map
    run(np.full((1, inputs, card.multiple * 8, card.multiple * 8), 0.1, np.float32))
    x = np.random.default_rng(0).random((1, card.channels, height, width), dtype=np.float32)
    cut = {"halo": card.halo, "multiple": card.multiple, "values_per_pixel": card.values_per_pixel}
    layout = tiles.plan(x.shape, **cut, memory=1e12, side=side)  # type: ignore[arg-type]
    extra = np.full((1, 1), 0.1, np.float32) if card.noise_map else None
    before = psutil.Process().memory_info().rss
    with Watch() as watch:
        result = tiles.apply(run, x, layout, extra=extra)
    begin = time.perf_counter()
    tiles.apply(run, x, layout, extra=extra)
    spent = time.perf_counter() - begin
    values = layout.height * layout.width * layout.batch * card.values_per_pixel * 4
    needed = watch.peak - before - result.nbytes
    return {
        "tile": f"{layout.height} x {layout.width}",
        "tiles": len(layout.tiles()),
        "rate": height * width / 1e6 / spent,
        "engine": (before - start - x.nbytes) / MB,
        "promised": values * tiles.OVERHEAD / MB,
        "needed": needed / MB,
        "overhead": needed / values,
    }


def measure_photograph(path: str, engine: str, precision: str, limit: float, height: int, width: int) -> dict[str, Any]:
    """In a process of its own: a colour photograph of 8 bits through aplomb.denoise, the noise level known."""
    import aplomb

    model = load(path)
    small = np.zeros((64, 64, 3), np.uint8)
    aplomb.denoise(small, 0.1, model, engine=engine, precision=precision)  # type: ignore[arg-type]
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    before = psutil.Process().memory_info().rss
    with Watch() as watch:
        result = aplomb.denoise(image, 0.1, model, engine=engine, precision=precision, memory=limit)  # type: ignore[arg-type]
    floats = 4 * image.size
    return {
        "seconds": result.seconds,
        "rate": height * width / 1e6 / result.seconds,
        "taken": (watch.peak - before) / MB,
        "floats": floats / MB,
    }


def child(what: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
    """What `what` returns in a fresh process."""
    code = f"import sys, json, tiles; print(json.dumps(tiles.{what.__name__}(*json.loads(sys.argv[1]))))"
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(arguments)],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"a measurement failed: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    chosen = options(
        model={
            "action": "append",
            "help": "our model, by name or file; repeat for more. Unless given, the shipped",
        },
        sides={
            "nargs": "+",
            "type": int,
            "default": [384, 512, 768, 1024, 1536, 2048, 3072],
            "help": "sides of tiles",
        },
        limit={"type": float, "default": 1000, "help": "working memory for the photograph, in MB"},
    )
    sides, side = ([384, 512], 512) if chosen.quick else (chosen.sides, 3072)
    report = Report(
        f"Tiles: speed and memory on {side} x {side} pixels, and a photograph in {chosen.limit:.0f} MB",
        ["network", "run by", "tile", "tiles", "MP/s", "engine, MB", "promised, MB", "needed, MB", "needed/values"],
    )
    ways = [("onnxruntime", "f32")] + [("openvino", "f32"), ("openvino", "bf16")] * has_openvino()
    with tempfile.TemporaryDirectory() as folder:
        paths = {model.name: str(model.path) for model in ours(chosen.model)}
        for name, maker in {"unet-denoiser": unet_denoiser, "dncnn-17": lambda: dncnn(batch_norms=False)}.items():
            freeze(maker(), Path(folder) / f"{name}.onnx", card=Card(name=name, task="denoise"))
            paths[name] = f"{folder}/{name}.onnx"
        worst = 0.0
        for name, path in paths.items():
            shipped = name not in ("unet-denoiser", "dncnn-17")
            for way in ways:
                for tile in sides if shipped else sides[1:2]:
                    found = child(measure_tile, path, *way, tile, side, side)
                    worst = max(worst, found["overhead"])
                    report.add(name, " ".join(way), *found.values())
    report.notes.append(f"SIDE is {tiles.SIDE}; OVERHEAD is {tiles.OVERHEAD}, the most that was needed is {worst:.2f}")
    failed = photographs(report, chosen, ways)
    report.finish(chosen.csv)
    if failed:
        raise SystemExit("; ".join(failed))


def photographs(report: Report, chosen: Any, ways: list[tuple[str, str]]) -> list[str]:
    """24 megapixels in bounded memory; what went over the limit."""
    height, width = (1000, 1500) if chosen.quick else (4000, 6000)
    failed = []
    for model in ours(chosen.model):
        if model.card is None or model.card.channels != 3:
            continue
        for way in ways:
            found = child(measure_photograph, str(model.path), *way, chosen.limit * MB, height, width)
            # beside the network: the picture in floats, the result in floats, and one more while it is rounded
            allowed = chosen.limit + 3 * found["floats"]
            where = model.name, " ".join(way), f"{height} x {width} photograph"
            report.add(*where, None, found["rate"], None, allowed, found["taken"], None)
            if found["taken"] > allowed:
                failed.append(f"{model.name} by {' '.join(way)} took {found['taken']:.0f} MB of {allowed:.0f}")
    return failed


if __name__ == "__main__":
    main()
