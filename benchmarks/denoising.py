"""PSNR and SSIM of denoisers on Set12 (grey) and McMaster (colour) at sigma 15, 25 and 50.

Peak 1.0, noise in float and not clipped, the result clipped and rounded to 8 bit, mean over pictures. Peers are
measured here, on the same noise, and their published figures stand beside. APLOMB_DATA names the folder with
set12 and mcmaster, APLOMB_PEERS that with the weights of DnCNN and FFDNet. BM3D is slow, so its results are kept
in .benchmarks/.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
from peers import PUBLISHED, Values, dncnn_17, ffdnet, network, noisy, ours, pictures
from report import CACHE, Report, folder, options

import aplomb
from aplomb.errors import AplombError
from aplomb.metrics import eight_bit, psnr, ssim
from aplomb.model import Model
from aplomb.runtime.engines import has_openvino

SIGMAS = (15, 25, 50)
SETS = {"set12": 1, "mcmaster": 3}
Method = Callable[[Values, float], Values]


def bm3d(x: Values, sigma: float) -> Values:
    """BM3D, or what it gave before for this noisy picture."""
    from aplomb.classical import BM3D

    key = hashlib.sha256(x.tobytes() + f"{sigma} {metadata.version('bm3d')}".encode()).hexdigest()[:24]
    file = CACHE / "bm3d" / f"{key}.npy"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, eight_bit(BM3D()(_image(x), sigma)))
    return _planes(np.load(file).astype(np.float32) / 255)


def blind(model: Model, x: Values, sigma: float) -> Values:
    """The model as a user runs it who does not know the noise level."""
    return _planes(aplomb.denoise(_image(x), None, model, error=False).image)


def _image(x: Values) -> Values:
    return x[0, 0] if x.shape[1] == 1 else np.ascontiguousarray(x[0].transpose(1, 2, 0))


def _planes(image: Values) -> Values:
    return image[None, None] if image.ndim == 2 else image.transpose(2, 0, 1)[None]


def scores(method: Method, sigma: int, clean: dict[str, Values], seed: int) -> tuple[float, float]:
    """Mean PSNR and SSIM."""
    found = []
    for index, x in enumerate(clean.values()):
        restored = method(noisy(x, sigma / 255, seed, index), sigma / 255)
        a, b = eight_bit(_image(restored)), eight_bit(_image(x))
        found.append((psnr(a, b), ssim(a, b)))
    return float(np.mean([p for p, _ in found])), float(np.mean([s for _, s in found]))


def methods(
    channels: int, weights: Path | None, models: list[Model]
) -> Iterator[tuple[str, Method | None, tuple[int, ...], str]]:
    """What is compared: title, how to run it (None: only published), at which levels, name in `PUBLISHED`."""
    yield "noisy", lambda y, _: y, SIGMAS, ""
    yield "BM3D", bm3d, SIGMAS, "BM3D"
    if weights is not None:
        if channels == 1:
            yield "DnCNN-17 for sigma 25", network(dncnn_17(weights)), (25,), "DnCNN"
        yield "FFDNet", network(ffdnet(weights, channels)), SIGMAS, "FFDNet"
    if channels == 1:
        yield "DRUNet (not run here)", None, (), "DRUNet"
    for model in models:
        if model.card is None or model.card.channels != channels:
            continue
        for precision in ("f32", "bf16", "int8"):
            try:
                runner = network(model, "auto", precision)  # type: ignore[arg-type]
            except AplombError as error:
                print(f"Left out: {model.name} in {precision}. {error}")
                continue
            yield runner.name, runner, SIGMAS, ""
        yield f"{model.name}, sigma estimated", functools.partial(blind, model), SIGMAS, ""


def main() -> None:
    chosen = options(
        model={
            "action": "append",
            "help": "our model, by name or file; repeat for more. The shipped ones unless given",
        },
        sets={"nargs": "+", "choices": list(SETS), "default": list(SETS), "help": "pictures to measure on"},
        without_bm3d={"action": "store_true", "help": "do not run BM3D, which is slow"},
        seed={"type": int, "default": 0, "help": "seed of the noise"},
    )
    data = folder("APLOMB_DATA", "everything, since there are no pictures")
    if data is None:
        sys.exit(0)
    weights = folder("APLOMB_PEERS", "DnCNN and FFDNet")
    if not has_openvino():
        print("Left out: bf16, and everything else of OpenVINO. It is not installed.")
    columns = [f"{what} {s}" for what in ("PSNR", "SSIM", "published") for s in SIGMAS]
    report = Report("Denoising: mean PSNR in dB, and SSIM", ["pictures", "method", *columns])
    for name in chosen.sets:
        clean = pictures(data / name, SETS[name], 2 if chosen.quick else None)
        if chosen.quick:
            clean = {k: x[:, :, :128, :128].copy() for k, x in clean.items()}
        for title, method, levels, key in methods(SETS[name], weights, ours(chosen.model)):
            if title == "BM3D" and chosen.without_bm3d:
                method = None
            found = [scores(method, s, clean, chosen.seed) if method and s in levels else (None, None) for s in SIGMAS]
            published = PUBLISHED.get((key, name), (None,) * 3)
            report.add(name, title, *(p for p, _ in found), *(s for _, s in found), *published)
    if chosen.quick:
        report.notes.append("--quick: two pictures a set, 128 x 128 pixels of them; published figures are for all")
    report.finish(chosen.csv)


if __name__ == "__main__":
    main()
