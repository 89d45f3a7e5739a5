"""Recoveries side by side: what is measured, what is chosen, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import aplomb
from aplomb.comparison.recovering import MEASURED, SENT_BACK
from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.noise import Gaussian
from aplomb.degrade.psf import disk
from aplomb.degrade.sample import bicubic, mosaic
from aplomb.degrade.sensing import hadamard
from aplomb.errors import BadInput
from aplomb.operator import chain, identity


def clean() -> np.ndarray:
    from skimage.data import camera

    return camera()[100:132, 180:212]


def test_scores_are_those_of_the_results() -> None:
    forward = ForwardModel(blur(disk(1), "circular"), Gaussian(2 / 255))
    table = aplomb.compare_recovery({"a": clean()}, forward, ["constrained-least-squares"], seed=3)
    scores = {score.method: score for score in table.scores}
    x = clean()[None, None] / np.float32(255)
    # the noise of a picture is that of its seed and of itself
    noise = table.examples[0].crops[MEASURED].astype(float) - 255 * forward.operator(x)[0, 0]
    assert 1.5 < noise.std() < 2.5
    assert scores["constrained-least-squares"].psnr > scores[MEASURED].psnr + 1
    again = aplomb.compare_recovery([clean()], forward, ["constrained-least-squares"], seed=3)
    assert [score.psnr for score in again.scores] == [score.psnr for score in table.scores]
    other = aplomb.compare_recovery([clean()], forward, ["constrained-least-squares"], seed=4)
    assert other.scores[0].psnr != table.scores[0].psnr


def test_a_measurement_that_is_there_is_taken() -> None:
    y = blur(disk(1), "circular")(clean()[None, None] / 255)[0, 0]
    table = aplomb.compare_recovery(
        {"a": clean()}, blur(disk(1), "circular"), ["inverse-filter"], measurements=[y], sigma=1e-4
    )
    assert table.score(MEASURED, "a").psnr == pytest.approx(aplomb.psnr(y, clean() / 255), abs=0.01)
    assert table.score("inverse-filter", "a").psnr > 45
    assert "was given" in table.protocol[0]
    with pytest.raises(BadInput, match="2 measurements of 1 pictures"):
        aplomb.compare_recovery({"a": clean()}, identity, ["pnp"], measurements=[y, y])
    with pytest.raises(BadInput, match="another"):
        aplomb.compare_recovery({"a": clean()[:16]}, blur(disk(1), "circular"), ["pnp"], measurements=[y])


@pytest.mark.parametrize(
    ("operator", "picture", "first", "methods"),
    [
        (bicubic(2), clean(), SENT_BACK, {"bicubic"}),
        (mosaic(), np.dstack([clean()] * 3), SENT_BACK, {"malvar-demosaicking"}),
        (hadamard((32, 32), 0.5), clean(), SENT_BACK, {"wavelet-fista"}),
        (hadamard((32, 32), 0.5), np.dstack([clean()] * 3), SENT_BACK, {"wavelet-fista"}),
    ],
)
def test_any_kind_of_measurement(monkeypatch, operator, picture, first, methods) -> None:
    monkeypatch.setattr("aplomb.comparison.recovering.trained_for", lambda *_: [])
    slow = ("wavelet-ista", "wavelet-fista", "total-variation", "richardson-lucy", "bilinear-demosaicking")
    without = [name for name in ("pnp", *slow) if name not in methods]
    table = aplomb.compare_recovery({"a": picture}, operator, without=without)
    assert table.rows[0].method == first
    assert {row.method for row in table.rows} == {first, *methods}
    assert not any(row.problem for row in table.rows)
    best = table.score(next(iter(methods)), "a").psnr
    assert best > table.rows[0].psnr - 0.1
    assert best > 18


def test_a_method_that_fails_says_why_and_the_others_go_on() -> None:
    table = aplomb.compare_recovery({"a": clean()}, bicubic(2), ["sart", "bicubic"])
    assert "Radon" in next(row for row in table.rows if row.method == "sart").problem
    assert table.score("bicubic", "a").psnr > 20


def test_a_picture_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    table = aplomb.compare_recovery({"odd": clean()[:31], "even": clean()}, bicubic(2), ["bicubic"])
    assert table.pictures == ("even",)
    assert any(note.startswith("odd left out: ") for note in table.notes)
    with pytest.raises(BadInput, match="31"):
        aplomb.compare_recovery({"odd": clean()[:31]}, bicubic(2), ["bicubic"])


def test_masks_are_drawn_for_each_size(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text('[[step]]\nkind = "mask"\ndraw = "random"')
    table = aplomb.compare_recovery({"a": clean(), "b": clean()[:24]}, path, ["biharmonic"])
    assert table.rows[1].pictures == 2
    assert table.rows[1].psnr > table.rows[0].psnr + 5


def test_the_report_speaks_of_recoveries(tmp_path: Path) -> None:
    table = aplomb.compare_recovery({"a": clean()}, chain(blur(disk(1), "circular")), ["inverse-filter"])
    table.report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "Recoveries compared" in text
    assert "gain over measured" in text


def test_refusals() -> None:
    with pytest.raises(BadInput, match="'magic'"):
        aplomb.compare_recovery({"a": clean()}, bicubic(2), ["magic"])
    with pytest.raises(BadInput, match="leave out 'magic'"):
        aplomb.compare_recovery({"a": clean()}, bicubic(2), without=["magic"])
    with pytest.raises(BadInput, match="no method is left"):
        aplomb.compare_recovery({"a": clean()}, bicubic(2), ["bicubic"], without=["bicubic"])
    with pytest.raises(BadInput, match="seed"):
        aplomb.compare_recovery({"a": clean()}, bicubic(2), seed=-1)
