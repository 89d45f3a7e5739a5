"""Forward models in words."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import mri
from aplomb.degrade.interference import interference
from aplomb.degrade.noise import Gaussian, PoissonGaussian
from aplomb.degrade.psf import disk
from aplomb.degrade.radon import fan_beam, radon
from aplomb.degrade.sample import bicubic, mask, mosaic
from aplomb.degrade.sensing import gaussian, hadamard
from aplomb.degrade.words import in_words
from aplomb.layers import downsample
from aplomb.layers.linear import Multiply
from aplomb.operator import Operator, chain, identity

HALF = np.indices((4, 4)).sum(axis=0) % 2


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (chain(blur(disk(2), "reflect"), downsample(3)), "blur by 5 x 5 pixels, one of 3 x 3 pixels"),
        (bicubic(4), "bicubic down-sampling by 4"),
        (mask(HALF), "a mask that lets 50 % through"),
        (mosaic("BGGR"), "mosaic BGGR"),
        (interference((0.1, 0.0), 0.1), "periodic interference"),
        (mri(HALF > 0, np.ones((3, 4, 4))), "3 coils, Fourier transform, 50 % of the frequencies"),
        (gaussian(4, 0.5), "8 random sums of each 4 x 4 pixels"),
        (hadamard((4, 4), 0.25), "4 Hadamard measurements"),
        (radon(8, [0, 90]), "parallel beams at 2 angles"),
        (fan_beam(8, [0, 90, 180], 20), "fan beams at 3 angles"),
        (identity, "the picture as it is"),
        (Multiply(np.ones((4, 4))), "Multiply"),
    ],
)
def test_each_kind_of_step(operator: Operator, words: str) -> None:
    assert in_words(ForwardModel(operator)).startswith(words)


def test_noise_and_name() -> None:
    assert in_words(ForwardModel(identity, Gaussian(0.0), "nothing")) == "nothing: the picture as it is"
    assert in_words(ForwardModel(identity, Gaussian(0.1))) == "Gaussian noise of standard deviation 25.5 of 255"
    told = in_words(ForwardModel(identity, PoissonGaussian(0.01, 0.02)))
    assert told == "poisson-gaussian noise (gain 0.01, read_noise 0.02)"
