"""Put a trained model into the package: measure it, make its int8 copy, write its card.

    python benchmarks/ship.py runs/denoise-grey/model.onnx denoise-grey --calibrate train400 --validate set12
    python benchmarks/ship.py runs/segment-nuclei/model.onnx segment-nuclei
    python benchmarks/ship.py runs/deblur/model.onnx deblur

Writes src/aplomb/weights/NAME.onnx, NAME.int8.onnx (denoisers) and NAME.md. What the card says was measured here. Of a
denoiser: PSNR on the validation pictures (never trained on), noise in float and not clipped, output clipped and rounded
to 8 bit, and what bf16 and int8 lose against f32. Of a segmenter: the figures of benchmarks/segment.py on the test
pictures of its recipe. Of a classifier of digits: its accuracy on the last 10,000 of MNIST. Of a network for a forward
model, or of real noise: its figures of benchmarks/inverse.py and the best classical method's; if it falls short of what
is wanted there, nothing is written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from aplomb import classify, denoise, psnr
from aplomb.data import find_pictures, load_pictures
from aplomb.io import whole_file
from aplomb.metrics import eight_bit
from aplomb.model import KEY, WEIGHTS, Card, Model, freeze, load, thaw
from aplomb.operator import Operator
from aplomb.runtime.quantise import precision_loss, quantise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the frozen model of a run")
    parser.add_argument("name", help="its name in the package")
    parser.add_argument("--calibrate", default="train400", help="folder in $APLOMB_DATA to find the scales of int8 on")
    parser.add_argument("--validate", default="set12", help="folder in $APLOMB_DATA to measure on")
    parser.add_argument("--sigma", type=float, nargs="+", default=[15, 25, 50], help="in 8-bit grey levels")
    parser.add_argument("--exact", action="store_true", help="weights as trained: rounding moves norms across a limit")
    parser.add_argument("--data", type=Path, help="folder of the test pictures, APLOMB_DATA unless given")
    parser.add_argument("--f32", action="store_true", help="without bf16 and int8")
    parser.add_argument("--beside", nargs="+", help="classical methods to run beside a restorer, all unless given")
    parser.add_argument("--anyway", action="store_true", help="write a restorer that falls short of what is wanted")
    arguments = parser.parse_args()
    data = Path(os.environ["APLOMB_DATA"])
    trained = load(arguments.model)
    assert trained.card is not None
    card = replace(trained.card, name=arguments.name, licence="BSD-3-Clause", metrics={})
    if card.task == "restore" or (card.task == "denoise" and card.noise_range is None):
        _ship_restorer(arguments, card)
        return
    if card.task != "denoise":
        _ship_recogniser(arguments, card)
        return
    clean = _pictures(data / arguments.validate, card)

    path = WEIGHTS / f"{arguments.name}.onnx"
    source = Path(arguments.model) if arguments.exact else None
    network = thaw(arguments.model) if source else _rounded(thaw(arguments.model))
    card = _put(network, path, card, source)
    metrics = {
        "pictures": arguments.validate,
        "command": " ".join(["python", "benchmarks/ship.py", *sys.argv[1:]]),
        "PSNR in dB, by noise in 8-bit grey levels": {f"{s:g}": _psnr(load(path), clean, s) for s in arguments.sigma},
    }
    if not arguments.f32:
        metrics["loss of bf16"] = precision_loss(load(path), clean, "bf16")
    card = _put(network, path, replace(card, metrics=metrics), source)
    if not arguments.f32:
        copy = quantise(path, _pictures(data / arguments.calibrate, card)[::10], validation=clean)
        assert copy.card is not None
        metrics["loss of int8"] = copy.card.metrics["int8"]
        card = _put(network, path, replace(card, metrics=metrics), source)
    path.with_suffix(".md").write_text(card.markdown(), encoding="utf-8")
    print(card.markdown())
    print(f"{sum(p.stat().st_size for p in WEIGHTS.iterdir()) / 1e6:.1f} MB in {WEIGHTS}")


def _ship_recogniser(arguments: argparse.Namespace, card: Card) -> None:
    """A segmenter or a classifier: weights that float16 holds, figures of the test pictures."""
    path = WEIGHTS / f"{arguments.name}.onnx"
    card = _put(_rounded(thaw(arguments.model)), path, card, None)
    figures: dict[str, object]
    if card.task == "segment":
        from segment import measure

        found = measure(arguments.name, [path], arguments.data, classical=False)
        row = next(r for r in found.rows if r.method == arguments.name)
        subject = found.subject
        turned = next(r for r in found.rows if r.method == f"{arguments.name}, 8 views")
        first = found.columns[0]
        figures = {column.title: round(row.values[column.key].value, 4) for column in found.columns}
        figures[f"{first.title}, mean of 8 views"] = round(turned.values[first.key].value, 4)
        if "roc_area" in turned.values:
            figures["ROC area, mean of 8 views"] = round(turned.values["roc_area"].value, 4)
    else:
        with np.load(Path(os.environ["APLOMB_DATA"]) / "mnist" / "mnist-train.npz") as file:
            images, labels = file["images"][50_000:], file["labels"][50_000:]
        answer = classify(images, path)
        subject, figures = "the last 10,000 of MNIST", {"accuracy": round(float((answer.labels == labels).mean()), 4)}
    metrics = {"pictures": subject, "command": " ".join(["python", "benchmarks/ship.py", *sys.argv[1:]]), **figures}
    card = _put(thaw(path), path, replace(card, metrics=metrics), None)
    path.with_suffix(".md").write_text(card.markdown(), encoding="utf-8")
    print(card.markdown())
    print(f"{sum(p.stat().st_size for p in WEIGHTS.iterdir()) / 1e6:.1f} MB in {WEIGHTS}")


def _ship_restorer(arguments: argparse.Namespace, card: Card) -> None:
    """A network for a forward model: weights that float16 holds, beside the best classical method of its family."""
    from inverse import best, mean, measure, verdict
    from inverse_families import families

    name, data = arguments.name, arguments.data or Path(os.environ["APLOMB_DATA"])
    family, row, cases = next(
        (family, row, {case for case, model in names.items() if model == name})
        for family in families(data).values()
        for row, names in family.networks.items()
        if name in names.values()
    )
    beside = arguments.beside or [*family.classical]
    network = _rounded(thaw(arguments.model))
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / f"{name}.onnx"
        card = _put(network, trial, card, None)
        found = measure(family, data, False, {name: str(trial)}, [row, *beside], cases - {""})
    metrics: dict[str, Any] = {
        "pictures": family.title,
        "command": " ".join(["python", "benchmarks/ship.py", *sys.argv[1:]]),
        "PSNR in dB": {case: round(mean(found, row, case), 2) for case in found[row]},
    }
    for case in metrics["PSNR in dB"]:
        method = best(family, found, case)
        metrics[f"best of {', '.join(beside)}, {case}"] = f"{method}, {mean(found, method, case):.2f}"
    told = [verdict(family, found, w) for w in family.wanted if w.row == row and w.case in found[row]]
    print("\n".join(told))
    if any("NOT REACHED" in line for line in told) and not arguments.anyway:
        sys.exit(f"{name} was not written: it falls short; --anyway writes it")
    path = WEIGHTS / f"{name}.onnx"
    card = _put(network, path, replace(card, metrics=metrics), None)
    path.with_suffix(".md").write_text(card.markdown(), encoding="utf-8")
    print(card.markdown())
    print(f"{path.stat().st_size / 1e6:.2f} MB; {sum(p.stat().st_size for p in WEIGHTS.iterdir()) / 1e6:.1f} MB in all")


def _put(network: Operator, path: Path, card: Card, source: Path | None) -> Card:
    """The network at its place; from `source`, the file that training made, with another card."""
    if source is None:
        return freeze(network, path, card=card)
    model = onnx.load(source)
    entry = next(p for p in model.metadata_props if p.key == KEY)
    entry.value = json.dumps(asdict(card), ensure_ascii=False)
    with whole_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    return card


def _rounded(network: Operator) -> Operator:
    """With weights that float16 holds, so that the file is half as large; what is measured is measured with these."""
    return network.with_weights({k: v.astype(np.float16).astype(np.float32) for k, v in network.weights().items()})


def _pictures(folder: Path, card: Card) -> list[np.ndarray]:
    """(H, W) or (H, W, 3), as stored."""
    found = load_pictures(find_pictures([str(folder)], Path()), channels=card.channels)
    return [p[0] if len(p) == 1 else np.moveaxis(p, 0, -1) for p in found]


def _psnr(model: Model, pictures: list[np.ndarray], sigma: float) -> float:
    values = []
    for index, clean in enumerate(pictures):
        noise = np.random.default_rng((0, index)).normal(0, sigma / 255, clean.shape)
        noisy = (clean / 255 + noise).astype(np.float32)
        values.append(psnr(eight_bit(denoise(noisy, sigma / 255, model, error=False).image), clean))
    return round(float(np.mean(values)), 3)


if __name__ == "__main__":
    main()
