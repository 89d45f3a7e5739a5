"""Small pictures with edges and slopes, and recipes that train on them in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'aplomb[train]'")

from aplomb.io import write  # noqa: E402
from aplomb.train import Recipe, parse_recipe  # noqa: E402


def scene(seed: int, side: int = 64, channels: int = 0) -> np.ndarray:
    """Discs and half-planes of random grey on a slope, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    shape = (side, side, channels) if channels else (side, side)
    image = np.empty(shape)
    image[...] = (0.3 + 0.3 * x)[(..., None) if channels else ...]
    for _ in range(6):
        cy, cx, radius = *rng.uniform(0, 1, 2), rng.uniform(0.1, 0.4)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.uniform(0.1, 0.9, channels or None)
    return np.rint(255 * image).astype(np.uint8)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train/ (8 pictures) and held/ (2), grey PNG of 64 x 64."""
    root = tmp_path_factory.mktemp("photos")
    for folder, seeds in (("train", range(8)), ("held", range(100, 102))):
        (root / folder).mkdir()
        for seed in seeds:
            write(root / folder / f"{seed:03}.png", scene(seed))
    return root


@pytest.fixture(autouse=True)
def one_thread():  # type: ignore[no-untyped-def]
    """Many threads on small operations wait for each other more than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


TINY = """
[network]
name = "residual-3x16"
gain = 0.1
[data]
train = ["train"]
validation = ["held"]
crop = 32
[noise]
sigma = 25
[optimiser]
kind = "adam"
lr = 0.01
[schedule]
steps = 150
[validation]
every = 150
[run]
batch = 8
"""


def tiny(*changes: tuple[str, str], name: str = "tiny.toml") -> Recipe:
    """The recipe above with parts of its text replaced."""
    text = TINY
    for old, new in changes:
        assert old in text, f"{old!r} is not in the recipe"
        text = text.replace(old, new)
    return parse_recipe(text, name)


@pytest.fixture
def recipe_of():  # type: ignore[no-untyped-def]
    return tiny


@pytest.fixture
def scene_of():  # type: ignore[no-untyped-def]
    return scene
