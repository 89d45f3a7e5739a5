"""Pictures to measure on, published networks as expressions, and any of our models as it runs for a user."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.io import read, to_float
from aplomb.layers import conv, downsample, pixel_shuffle, pixel_unshuffle, relu, take
from aplomb.model import Card, Model, freeze, load, shipped
from aplomb.nets import dncnn
from aplomb.operator import Operator, chain, stack
from aplomb.runtime.engines import EngineName, Precision, open_engine
from aplomb.runtime.tiles import apply, free_memory, plan

Values = NDArray[np.float32]

PUBLISHED = {
    ("BM3D", "set12"): (32.37, 29.97, 26.72),
    ("DnCNN", "set12"): (32.86, 30.44, 27.18),
    ("FFDNet", "set12"): (32.75, 30.43, 27.32),
    ("DRUNet", "set12"): (33.25, 30.94, 27.90),
    ("FFDNet", "mcmaster"): (None, 32.35, None),
}
"""PSNR in dB at sigma 15, 25 and 50, as the papers have it (DnCNN: one network a level)."""


def pictures(folder: Path, channels: int, limit: int | None = None) -> dict[str, Values]:
    """Pictures of a folder by name, each (1, C, H, W) in 0..1."""
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in (".png", ".tif", ".jpg"))
    found = {f.name: to_float(read(f))[0] for f in files[:limit]}
    assert all(x.shape[1] == channels for x in found.values()), f"{folder}: not all have {channels} channel(s)"
    return found


def noisy(clean: Values, sigma: float, *key: int) -> Values:
    """`clean` with Gaussian noise of `sigma` (range 0..1), not clipped; the same for the same `key`."""
    draw = np.random.default_rng(key).normal(0, sigma, clean.shape)
    return clean + draw.astype(np.float32)


@dataclass(frozen=True)
class Network:
    """A model in an engine, called as ``network(pictures, sigma)``: tiles and all, as `aplomb.denoise` runs it."""

    name: str
    model: Model
    run: Callable[[Values], Values]

    def __call__(self, x: Values, sigma: float) -> Values:
        """Restore `x`, (N, C, H, W)."""
        card = self.model.card
        assert card is not None
        memory = free_memory() / 2
        layout = plan(
            x.shape, halo=card.halo, multiple=card.multiple, values_per_pixel=card.values_per_pixel, memory=memory
        )
        extra = np.full((len(x), 1), sigma, np.float32) if card.noise_map else None
        return apply(self.run, x, layout, extra=extra)


def network(
    model: Model, engine: EngineName = "auto", precision: Precision = "f32", threads: int | None = None
) -> Network:
    """`model` in an engine; the name says which."""
    run = open_engine(model, engine, precision, threads)
    return Network(f"{model.name}, {run.name} {run.precision}", model, run)


def ours(names: list[str] | None) -> list[Model]:
    """Models named by file or name, else the shipped denoisers."""
    if names:
        return [load(name) for name in names]
    found = [load(name) for name in shipped() if not name.endswith(".int8")]
    return [m for m in found if m.card and m.card.task == "denoise" and m.name in ("denoise-grey", "denoise-colour")]


def frozen(operator: Operator, name: str, channels: int, noise_map: bool) -> Model:
    """A network of others as a model file, which lasts as long as this program."""
    path = Path(_folder.name) / f"{name}.onnx"
    card = Card(name=name, task="denoise", channels=channels, noise_map=noise_map)
    freeze(operator, path, card=card, shape=(1, channels + noise_map, 64, 64))
    return load(path)


_folder = tempfile.TemporaryDirectory(prefix="aplomb-peers-")


def dncnn_17(path: Path | None) -> Model:
    """DnCNN of 17 layers for sigma 25: ``dncnn_25.pth`` (keys model.0, model.2, ...), or random weights."""
    network = dncnn(batch_norms=False)
    if path is not None:
        import torch

        stored = torch.load(path / "dncnn_25.pth", weights_only=True)
        mine = {k: v for k, v in network.weights().items() if k.split(".")[1] in ("weight", "bias")}
        network = network.with_weights({k: v.numpy() for k, v in zip(mine, stored.values(), strict=True)})
    return frozen(network, "DnCNN-17", 1, False)


def simple_cnn(path: Path, file: str) -> Operator:
    """The residual, what is subtracted from the picture, of SimpleCNN: conv (relu conv)^3 without biases.

    With "real spectral normalisation", the weights that are executed are those called ``weight``.
    """
    import torch

    stored = torch.load(path / file, weights_only=True, map_location="cpu")
    body: list[Operator] = []
    for weight in (v.numpy() for k, v in stored.items() if k.endswith(".weight")):
        layer = conv(weight.shape[1], weight.shape[0], bias=False)
        body += [layer.with_weights({"0.weight": weight}), relu]
    return chain(*body[:-1])


def ffdnet(path: Path, channels: int) -> Model:
    """FFDNet, grey or colour, from MatConvNet's file (HDF5, axes reversed).

    unshuffle (image), level at half the size -> conv (relu conv)^n -> shuffle; it gives the image, not the noise.
    """
    file = path / ("FFDNet_gray.mat" if channels == 1 else "FFDNet_color.mat")
    body: list[Operator] = []
    for weight, bias in _matconvnet(file):
        layer = conv(weight.shape[1], weight.shape[0])
        body += [layer.with_weights({"0.weight": weight, "0.bias": bias}), relu]
    picture = chain(take(0, channels), pixel_unshuffle(2))
    level = chain(take(channels, channels + 1), downsample(2))
    return frozen(chain(stack(picture, level), *body[:-1], pixel_shuffle(2)), f"FFDNet-{channels}", channels, True)


def _matconvnet(file: Path) -> list[tuple[Any, Any]]:
    """Weights (out, in, a, b) and biases of the convolutions in a MatConvNet file, in order.

    Matlab counts along columns: kernels and the order of the unshuffled pixels come transposed. Transposing neither is
    the network mirrored at the diagonal, which it was trained to be indifferent to, and all that follows is ours.
    """
    import h5py

    found = []
    with h5py.File(file) as data:
        for (reference,) in data["net/layers"][()]:
            layer = data[reference]
            if "weights" in layer and layer["weights"].dtype == object:  # elsewhere it stands for an empty list
                weight, bias = (data[r][()] for r in np.ravel(layer["weights"][()]))
                found.append((weight.astype(np.float32), bias.ravel().astype(np.float32)))
    return found
