"""Which network was trained for a forward model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import mri
from aplomb.degrade.noise import Gaussian, Poisson
from aplomb.degrade.psf import disk
from aplomb.degrade.sample import bicubic, mask, mosaic
from aplomb.degrade.sensing import gaussian
from aplomb.layers import downsample
from aplomb.model import Card
from aplomb.operator import Operator, chain, identity
from aplomb.restore.fitting import beyond, fits


def card(*steps: dict[str, Any], channels: int = 1, task: str = "restore", **forward: Any) -> Card:
    return Card(name="net", task=task, channels=channels, forward={"step": list(steps), **forward})


SEEN = np.eye(8) > 0


@pytest.mark.parametrize(
    ("steps", "operator", "answer"),
    [
        ([{"kind": "blur", "psf": ["motion", "disk"]}], blur(disk(1), "circular"), True),
        ([{"kind": "blur", "psf": "disk", "radius": 2}], blur(disk(1), "reflect"), True),
        ([{"kind": "blur", "psf": "disk", "radius": 2}], mosaic(), False),
        ([{"kind": "bicubic"}], bicubic(2), True),
        ([{"kind": "bicubic", "factor": 3}], bicubic(2), False),
        ([{"kind": "bicubic"}], downsample(2), False),
        ([{"kind": "blur", "psf": "disk"}], chain(blur(disk(1), "circular"), downsample(2)), False),
        ([{"kind": "blur"}, {"kind": "downsample"}], chain(blur(disk(1), "circular"), downsample(2)), True),
        ([{"kind": "blur", "border": "circular"}], blur(disk(1), "reflect"), True),
        ([{"kind": "blur", "border": "circular"}], blur(disk(1), "valid"), False),
        ([{"kind": "blur", "border": "valid"}], blur(disk(1), "valid"), True),
        ([{"kind": "fourier", "sampling": "radial"}], mri(SEEN), True),
        ([{"kind": "mask", "draw": "random"}], mri(SEEN), False),
        ([{"kind": "mask", "draw": "random"}], mask(SEEN), True),
        ([{"kind": "gaussian", "block": 4, "fraction": 0.5}], gaussian(4, 0.5), True),
        ([{"kind": "gaussian", "block": 4, "fraction": 0.5, "seed": 1}], gaussian(4, 0.5), False),
        ([{"kind": "gaussian", "block": 4, "fraction": 0.25}], gaussian(4, 0.5), False),
        ([], identity, False),
    ],
)
def test_steps_must_be_those_of_the_training(steps: list[dict[str, Any]], operator: Operator, answer: bool) -> None:
    assert fits(card(*steps), ForwardModel(operator), 1) is answer


def test_channels_and_task() -> None:
    forward, step = ForwardModel(bicubic(2)), {"kind": "bicubic"}
    assert fits(card(step, channels=3), forward, 1)  # grey as three equal channels
    assert not fits(card(step, channels=1), forward, 3)
    assert not fits(card(step, task="denoise"), forward, 1)


def test_counted_light_is_another_thing() -> None:
    counted = {"kind": "poisson", "peak": [1, 30]}
    assert fits(card(noise=counted), ForwardModel(identity, Poisson(4)), 1)
    assert not fits(card(noise=counted), ForwardModel(identity, Gaussian(0.1)), 1)
    assert not fits(card({"kind": "mosaic"}, noise=counted), ForwardModel(mosaic()), 1)
    assert not fits(card({"kind": "mosaic"}, camera={"gamma": 2.2}), ForwardModel(mosaic()), 1)


def test_counts_beyond_the_training_are_told() -> None:
    trained = card(noise={"kind": "poisson", "peak": [1, 30]})
    assert beyond(trained, ForwardModel(identity, Poisson(4)), 0.5) == ""
    assert "peaks of 1 to 30 photons, here are 200" in beyond(trained, ForwardModel(identity, Poisson(200)), 0.07)
    assert "here are 0.5" in beyond(trained, ForwardModel(identity, Poisson(0.5)), 1.4)


def test_noise_beyond_the_training_is_told() -> None:
    trained, forward = card(noise={"kind": "gaussian", "sigma": [1, 10]}), ForwardModel(identity)
    assert beyond(trained, forward, 5 / 255) == ""
    assert "1 to 10 of 255, here are 20" in beyond(trained, forward, 20 / 255)
    assert "here are 0" in beyond(trained, forward, 0.0)
    assert beyond(card(), forward, 0.8 / 255) == ""  # rounded to 8 bits
    assert "of standard deviation 0 of 255, here are 2" in beyond(card(), forward, 2 / 255)
