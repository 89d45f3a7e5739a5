"""Megapixels a second, beside DnCNN-17 run eagerly in PyTorch and beside BM3D, all in one run.

The yardstick is DnCNN-17 as anybody would run it: torch.nn layers, float32, PyTorch's own number of threads, no
gradients, nothing compiled. Ours runs as in aplomb.denoise: padding, tiles and noise map counted, opening of the
file and of the engine not. Median of several runs after one to warm up. BM3D (the package, default profile) is
timed on 512 x 512 pixels only and compared with by pixels. Weights do not change the speed, so DnCNN's are random.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
from peers import Values, frozen, network, noisy, ours
from report import Report, options, seconds, version

from aplomb.errors import AplombError
from aplomb.nets import dncnn
from aplomb.runtime.engines import has_openvino

Run = Callable[[Values], object]
WAYS = [
    ("onnxruntime", "f32"),
    ("openvino", "f32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnxruntime", "int8"),
]


def eager_dncnn(channels: int) -> Run:
    """DnCNN-17 with batch normalisation folded, in plain PyTorch."""
    import torch
    from torch import nn

    inner = [layer for _ in range(15) for layer in (nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())]
    model = nn.Sequential(
        nn.Conv2d(channels, 64, 3, padding=1), nn.ReLU(), *inner, nn.Conv2d(64, channels, 3, padding=1)
    ).eval()

    def run(x: Values) -> object:
        with torch.no_grad():
            y = torch.from_numpy(x)
            return (y - model(y)).numpy()

    return run


def bm3d_rate(channels: int, side: int, repeats: int) -> float:
    """Megapixels a second of BM3D."""
    from aplomb.classical import BM3D

    image = picture(channels, side)[0].transpose(1, 2, 0)
    image = np.ascontiguousarray(image[..., 0] if channels == 1 else image)
    return side**2 / 1e6 / seconds(lambda: BM3D()(image, 25 / 255), repeats)[0]


def picture(channels: int, side: int) -> Values:
    """Something smooth with noise of 25/255."""
    wave = np.sin(np.arange(side, dtype=np.float32) / 20)
    clean = np.broadcast_to(0.5 + 0.25 * wave[:, None] * wave, (1, channels, side, side))
    return noisy(clean.astype(np.float32), 25 / 255, 0)


def methods(channels: int, models: list[str] | None, threads: int | None) -> Iterator[tuple[str, str, Run]]:
    """What is timed: name, how, function."""
    if version("torch"):
        yield "DnCNN-17", "PyTorch, eager", eager_dncnn(channels)
    else:
        print("Left out: the yardstick. PyTorch is not installed.")
    peer = frozen(dncnn(channels=channels, batch_norms=False), "DnCNN-17", channels, False)
    mine = [m for m in ours(models) if m.card and m.card.channels == channels]
    for model in [peer, *mine]:
        for engine, precision in WAYS:
            if (engine == "openvino" and not has_openvino()) or (model is peer and precision == "int8"):
                continue
            try:
                run = network(model, engine, precision, threads)  # type: ignore[arg-type]
            except AplombError as error:
                print(f"Left out: {model.name} in {precision}. {error}")
                continue
            yield model.name, f"{engine} {precision}", functools.partial(run, sigma=25 / 255)


def main() -> None:
    chosen = options(
        model={
            "action": "append",
            "help": "our model, by name or file; repeat for more. The shipped ones unless given",
        },
        sides={"nargs": "+", "type": int, "default": [512, 2048], "help": "sides of the square pictures"},
        threads={"type": int, "help": "threads of our engines; the cores of the machine unless given"},
        repeats={"type": int, "default": 7, "help": "most runs that are timed"},
        without_bm3d={"action": "store_true", "help": "do not time BM3D"},
    )
    sides, repeats = ([128], 1) if chosen.quick else (chosen.sides, chosen.repeats)
    report = Report(
        "Speed: megapixels a second (a pixel of a colour picture counts once)",
        ["picture", "network", "run by", "MP/s", "seconds", "times", "x eager DnCNN-17", "x BM3D"],
    )
    for channels in (1, 3):
        what = "grey" if channels == 1 else "colour"
        bm3d = None
        if version("bm3d") and not chosen.without_bm3d:
            side = min(512, max(sides))
            bm3d = bm3d_rate(channels, side, 1 if chosen.quick else 3)
            report.add(
                f"{side} x {side} {what}",
                "BM3D",
                "bm3d",
                bm3d,
                side**2 / 1e6 / bm3d,
                1 if chosen.quick else 3,
                None,
                1.0,
            )
        for side in sides:
            x, yardstick = picture(channels, side), None
            for name, how, run in methods(channels, chosen.model, chosen.threads):
                spent, times = seconds(functools.partial(run, x), repeats, 1.0 if chosen.quick else 60.0)
                rate = side**2 / 1e6 / spent
                yardstick = rate if how == "PyTorch, eager" else yardstick
                ratios = (rate / yardstick if yardstick else None, rate / bm3d if bm3d else None)
                report.add(f"{side} x {side} {what}", name, how, rate, spent, times, *ratios)
    report.finish(chosen.csv)


if __name__ == "__main__":
    main()
