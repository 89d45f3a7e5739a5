"""The command burst as a stranger meets it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from skimage.data import camera

from aplomb import io, psnr
from aplomb.degrade.shake import shaken

Run = Callable[..., tuple[int, str, str]]
CLEAN = camera()[60:188, 130:258]


@pytest.fixture
def frames(run: Run) -> list[str]:
    """Four shaken frames in the folder of `run`."""
    taken = shaken(CLEAN / 255, 4, (8, 20), shift=0, sigma=0.02, seed=2)
    for number, frame in enumerate(taken.frames, 1):
        io.write(f"{number}.png", np.clip(np.rint(frame * 255), 0, 255).astype(np.uint8))
    return [f"{number}.png" for number in (1, 2, 3, 4)]


def quality(name: str) -> float:
    inside = (slice(16, -16),) * 2
    return psnr(io.read(name).array[inside], CLEAN[inside])


@pytest.mark.parametrize("options", [(), ("--power", "30"), ("--weights", "learned", "--no-align")])
def test_a_burst_becomes_one_sharp_picture(run: Run, frames: list[str], options: tuple[str, ...]) -> None:
    code, out, err = run("burst", *frames, "-o", "sharp.png", *options)
    assert code == 0, err
    assert "4 frames, 128 x 128 pixels, grey, uint8" in out
    assert out.count(" % of the frequencies") == 4
    assert out.count("the sharpest") == 1
    assert ("moved by" in out) == ("--no-align" not in options)
    assert io.read("sharp.png").array.dtype == np.uint8
    assert quality("sharp.png") > np.mean([quality(frame) for frame in frames]) + 2


def test_a_stack_is_a_burst(run: Run, frames: list[str]) -> None:
    io.write("stack.tif", np.stack([io.read(frame).array for frame in frames]))
    assert run("burst", "stack.tif", "-o", "a.tif")[0] == 0
    assert run("burst", *frames, "-o", "b.tif")[0] == 0
    assert np.array_equal(io.read("a.tif").array, io.read("b.tif").array)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("1.png",), ("1 frame", "two or more")),
        (("1.png", "small.png"), ("1.png", "128 x 128", "small.png", "60 x 50")),
        (("1.png", "deep.png"), ("1.png", "uint8", "deep.png", "uint16")),
        (("1.png", "other.png"), ("other.png", "does not overlap", "1.png")),
        (("1.png", "gone.png"), ("gone.png",)),
        (("1.png", "2.png", "--power", "-2"), ("power -2",)),
        (("1.png", "2.png", "--power", "3", "--weights", "learned"), ("power 3", "learned")),
        (("1.png", "2.png", "--weights", "sharp"), ("'sharp'", "power, learned")),
    ],
)
def test_a_refusal_is_one_line(run: Run, frames: list[str], words: tuple[str, ...], found: tuple[str, ...]) -> None:
    io.write("small.png", CLEAN[:50, :60])
    io.write("deep.png", CLEAN.astype(np.uint16) * 256)
    io.write("other.png", camera()[300:428, 300:428])
    code, _, err = run("burst", *words, "-o", "sharp.png")
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("error: ")
    assert [word for word in found if word not in err] == []
