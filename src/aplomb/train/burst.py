"""Learned weights of a burst: a small network at each frequency, trained on pictures that were shaken on purpose.

    python -m aplomb.train.burst $APLOMB_DATA/train400 -o burst-weights.onnx

trains in about two minutes on a CPU. Nothing of a picture can be learned by heart: the network sees one frequency
at a time, and of it only magnitudes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aplomb.degrade.shake import shaken
from aplomb.errors import BadInput
from aplomb.model import Card, freeze
from aplomb.nets.burst_weights import burst_weights
from aplomb.operator import Operator
from aplomb.restore.burst import LEARNED, features, magnitudes, register, sharpest
from aplomb.train.parameters import Trainable

__all__ = ["Example", "example", "train_weights"]

BORDER = 12
"""Pixels at the border that the loss leaves out: what lies beyond was mirrored, and the spectrum thinks it periodic."""
SEEDS = 1_000_000
"""Bursts are drawn from seeds below; those above are for tests and benchmarks."""


@dataclass(frozen=True, eq=False)
class Example:
    """One registered burst as the loss needs it."""

    spectra: Tensor
    """(N, H, W // 2 + 1), complex: the other half says nothing more."""
    features: Tensor
    """(N, 3, H, W // 2 + 1)."""
    clean: Tensor
    """(H, W), where the reference lies."""


def example(picture: NDArray[Any], seed: int) -> Example:
    """A random burst of a clean picture (H, W): 4 to 10 frames, more and less shaken, with noise 0.5 to 15 of 255.

    The shift of the clean picture is known, so that the loss compares what lies on each other.
    """
    from scipy.ndimage import shift

    rng = np.random.default_rng(seed)
    shortest = rng.uniform(1, 8)
    sigma = float(np.exp(rng.uniform(np.log(0.5), np.log(15)))) / 255
    burst = shaken(picture, int(rng.integers(4, 11)), (shortest, rng.uniform(10, 24)), 3.0, sigma, seed)
    frames = burst.frames[:, None].astype(np.float32)
    reference = sharpest(frames)
    frames, _ = register(frames, reference)
    clean = shift(picture.astype(np.float64), burst.shifts[reference], order=5, mode="mirror")
    return Example(
        torch.fft.rfft2(torch.from_numpy(frames[:, 0])),
        torch.from_numpy(features(magnitudes(frames))[..., : frames.shape[3] // 2 + 1]),
        torch.from_numpy(clean.astype(np.float32)),
    )


def train_weights(
    pictures: Sequence[NDArray[Any]],
    bursts: int = 64,
    epochs: int = 8,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> Operator:
    """The network of `aplomb.nets.burst_weights`, trained on random bursts of clean pictures (H, W) in 0..1.

    The loss is the mean logarithm of the squared error, that is the PSNR, so that noisy bursts count as much as
    clean ones. `progress` is called with each epoch and its mean PSNR in dB. Raises BadInput without pictures.
    """
    if not len(pictures):
        raise BadInput("training of burst weights: found no pictures; give a folder of clean, grey ones")
    rng = np.random.default_rng(seed)
    examples = [example(pictures[int(rng.integers(len(pictures)))], int(rng.integers(SEEDS))) for _ in range(bursts)]
    model = Trainable(burst_weights(seed=seed))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * bursts)
    for epoch in range(epochs):
        total = 0.0
        for index in rng.permutation(bursts):
            loss = _loss(model, examples[int(index)])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        if progress is not None:
            progress(epoch + 1, -10 * total / bursts)
    return model.operator()


def _loss(model: Trainable, burst: Example) -> Tensor:
    shares = torch.softmax(model(burst.features)[:, 0], dim=0)
    joined = torch.fft.irfft2((shares * burst.spectra).sum(dim=0), s=burst.clean.shape)
    inside = (slice(BORDER, -BORDER),) * 2
    return torch.log10(torch.square(joined - burst.clean)[inside].mean())


def main() -> None:
    """Train on a folder and write the model file."""
    from aplomb.io import read, to_float

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="clean grey pictures")
    parser.add_argument("--output", "-o", type=Path, required=True, help="where the model goes (.onnx)")
    parser.add_argument("--bursts", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    files = sorted(p for p in given.folder.iterdir() if p.suffix.lower() in (".png", ".tif", ".jpg"))
    start = time.perf_counter()
    network = train_weights(
        [to_float(read(file))[0][0].mean(axis=0) for file in files], given.bursts, given.epochs, given.seed,
        lambda epoch, reached: print(f"epoch {epoch}: {reached:.3f} dB", flush=True),
    )  # fmt: skip
    training = {
        "data": given.folder.name,
        "pictures": len(files),
        "bursts": given.bursts,
        "epochs": given.epochs,
        "seed": given.seed,
        "loss": "mean logarithm of the squared error",
        "seconds": round(time.perf_counter() - start),
        "command": f"python -m aplomb.train.burst {given.folder.name} -o {given.output.name} --bursts {given.bursts} "
        f"--epochs {given.epochs} --seed {given.seed}",
    }
    card = Card(LEARNED, "burst", channels=3, training=training, licence="BSD-3-Clause")
    card = freeze(network, given.output, card=card)
    print(f"wrote {given.output}: {card.parameters} parameters")


if __name__ == "__main__":
    main()
