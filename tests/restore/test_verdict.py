"""What `aplomb.denoise` knows of its own error, maps, and does about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut, camera

import aplomb
import aplomb.restore.verdict as verdict
from aplomb.model import Card, freeze
from aplomb.nets import residual
from aplomb.restore.estimate import Level, judge, push
from aplomb.restore.trust_map import expected_error

GREY = camera()[100:292, 150:342]


def noisy(clean: NDArray[np.uint8], sigma: float, seed: int = 0) -> NDArray[np.float32]:
    draw = np.random.default_rng(seed).normal(0, sigma / 255, clean.shape)
    return (clean / 255 + draw).astype(np.float32)


def truth(image: NDArray[np.float32], clean: NDArray[np.uint8]) -> float:
    return aplomb.psnr(image, clean / np.float32(255))


def test_the_estimate_holds_the_truth_and_costs_nothing_if_not_wanted() -> None:
    y = noisy(GREY, 15)
    result = aplomb.denoise(y, 15 / 255)
    assert isinstance(result.interval, tuple)
    low, high = result.interval
    assert low <= truth(result.image, GREY) <= high  # type: ignore[operator]
    assert high - low < 1.5  # type: ignore[operator]
    assert low < result.psnr_estimate < high  # type: ignore[operator]
    without = aplomb.denoise(y, 15 / 255, error=False)
    assert (without.psnr_estimate, without.interval, without.errors) == (None, None, ())
    assert np.array_equal(without.image, result.image), "the extra pass changes nothing"


def test_a_stack_has_an_estimate_for_each_picture() -> None:
    result = aplomb.denoise(np.stack([noisy(GREY, 10), noisy(GREY, 40)]), [10 / 255, 40 / 255], error_map=True)
    assert isinstance(result.psnr_estimate, tuple)
    first, second = result.psnr_estimate
    assert first > second + 3  # type: ignore[operator]
    assert len(result.interval) == 2  # type: ignore[arg-type]
    assert result.error_map is not None
    assert result.error_map.shape == (2, *GREY.shape)


def test_rounding_to_few_levels_is_noise_too() -> None:
    """Noise 1 of 255 rounded to 8 bits has a variance of 1 + 1/12."""
    error = aplomb.denoise(np.clip(np.rint(noisy(GREY, 1) * 255), 0, 255).astype(np.uint8), 1 / 255).errors[0]
    assert 255**2 * error.noise == pytest.approx(1 + 1 / 12, rel=0.02)


@pytest.mark.parametrize("clean", [GREY, astronaut()[40:168, 170:298]], ids=["grey", "colour"])
def test_the_map_is_high_where_the_error_is(clean: NDArray[np.uint8]) -> None:
    result = aplomb.denoise(noisy(clean, 25), 25 / 255, error_map=True)
    assert result.error_map is not None
    assert result.error_map.shape == clean.shape[:2]
    square = np.square(result.image - clean / 255).reshape(*clean.shape[:2], -1).mean(axis=2)
    assert np.mean(result.error_map**2) == pytest.approx(np.mean(square), rel=0.25)
    bins = np.array_split(np.argsort(result.error_map, axis=None), 5)
    found = [np.sqrt(square.ravel()[b].mean() / np.square(result.error_map.ravel()[b]).mean()) for b in bins]
    assert min(found) > 0.6
    assert max(found) < 1.6
    assert square.ravel()[bins[-1]].mean() > 2 * square.ravel()[bins[0]].mean()


def test_the_map_of_a_known_denoiser() -> None:
    """f = a y on the left and b y on the right, which is best for pictures of variance s^2 a / (1 - a) there."""
    rng, s, share = np.random.default_rng(0), 0.1, np.where(np.arange(256) < 128, 0.2, 0.8)
    x = 0.5 + rng.normal(size=(1, 256, 256)) * s * np.sqrt(share / (1 - share))
    y = x + rng.normal(0, s, x.shape)
    level, best = Level(s), 0.5 + share * (y - 0.5)
    step = push(best, level, rng)
    found = expected_error(step, share * step, judge(y, best, step, share * step, level))
    for half, a in ((found[:, :100], 0.2), (found[:, 156:], 0.8)):
        assert half.mean() == pytest.approx(s * np.sqrt(a), rel=0.05)
    assert np.abs(best - x)[..., 156:].std() > 0


def test_a_network_that_harms_is_found_out_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    freeze(residual(3, 8).initialise(3), path, card=Card(name="bad", task="denoise", channels=1))
    y = noisy(GREY[:96, :96], 10)
    warned = aplomb.denoise(y, 10 / 255, path)
    assert warned.errors[0].worse_than_noise
    assert any("above the noise" in note for note in warned.notes)
    safe = aplomb.denoise(y, 10 / 255, path, never_worse=True, error_map=True)
    assert safe.instead in (("wavelet",), ("non-local-means",))
    assert any("in the place of bad" in note for note in safe.notes)
    assert truth(safe.image, GREY[:96, :96]) > truth(y, GREY[:96, :96]) + 2
    assert aplomb.denoise(y, 10 / 255, never_worse=True).instead == ("",), "ours is better than those"


def test_a_large_picture_is_judged_from_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "MOST", 100)
    monkeypatch.setattr(verdict, "SIDE", 64)
    result = aplomb.denoise(noisy(GREY, 15), 15 / 255)
    assert result.interval is not None
    assert abs(result.psnr_estimate - truth(result.image, GREY)) < 2  # type: ignore[operator]
    whole = result.errors[0].standard_error
    monkeypatch.undo()
    assert aplomb.denoise(noisy(GREY, 15), 15 / 255).errors[0].standard_error < whole
    places = verdict._crops(700, 5000)
    assert len(places) == verdict.CROPS
    assert all(r.start % 64 == c.start % 64 == 0 and r.stop <= 700 and c.stop <= 5000 for r, c in places)


def test_what_has_no_noise_gets_no_figure() -> None:
    result = aplomb.denoise(np.full((48, 48), 100, np.uint8))
    assert result.psnr_estimate is None
    assert any("no noise" in note for note in result.notes)
    assert aplomb.denoise(np.ones((48, 48), bool), 0.1).errors == ()
