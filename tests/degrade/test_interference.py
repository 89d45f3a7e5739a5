"""Periodic interference."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.degrade.interference import interference
from aplomb.errors import BadInput, ShapeError
from aplomb.operator import identity
from laws import everything
from makers import GROUPS


@everything(GROUPS["interference"])
def test_laws(law, maker):
    law(maker)


def test_it_is_one_pair_of_peaks_in_the_spectrum():
    wave = interference((3 / 32, -5 / 64), 0.2, 0.7)(np.zeros((1, 1, 32, 64)))[0, 0]
    spectrum = abs(np.fft.fft2(wave)) / wave.size
    assert spectrum[3, -5] == pytest.approx(0.1)
    assert spectrum[-3, 5] == pytest.approx(0.1)
    spectrum[3, -5] = spectrum[-3, 5] = 0
    assert spectrum.max() < 1e-12
    assert wave[0, 0] == pytest.approx(0.2 * np.sin(0.7))


def test_its_linear_part_is_the_identity():
    assert interference((0.1, 0.2), 0.1).linear_part() == identity


def test_refusals():
    for wrong in (((0.6, 0), 0.1), ((0, 0), 0.1), ((0.1, 0), 0.0), ((0.1, 0), np.inf), ((0.1, 0), 0.1, np.nan)):
        with pytest.raises(BadInput, match="interference of"):
            interference(*wrong)
    with pytest.raises(ShapeError, match="found"):
        interference((0.1, 0), 0.1)(np.zeros((4, 4)))
