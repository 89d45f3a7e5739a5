import csv

import numpy as np
import pytest

from aplomb.errors import RecipeError
from aplomb.io import write
from aplomb.train import cross_validate, parse_recipe

RECIPE = """
task = "segment"
[network]
name = "lean-unet"
widths = [4]
blocks = [1]
[data]
train = ["pictures"]
labels = ["labels"]
crop = 16
[labels]
target = "regions"
classes = ["dark", "light"]
[schedule]
steps = 3
[run]
batch = 2
"""


def test_each_fold_is_a_run_of_its_own(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ("pictures", "labels"):
        (tmp_path / kind).mkdir()
    for number in range(4):
        labels = (rng.random((16, 16)) > 0.5).astype(np.uint8)
        write(tmp_path / "pictures" / f"{number}.png", 50 + 100 * labels)
        write(tmp_path / "labels" / f"{number}.png", labels)
    found = cross_validate(parse_recipe(RECIPE, "r.toml"), 2, tmp_path, run=tmp_path / "run", threads=1, quiet=True)
    assert len(found.results) == 2
    means = [r.figures["mean"] for r in found.results]
    assert found.figures["mean"] == pytest.approx((np.mean(means), np.std(means, ddof=1)))
    rows = list(csv.DictReader(found.path.open()))
    assert [float(r["mean"]) for r in rows] == pytest.approx(means)
    assert str(found).startswith("2 folds: mean ")
    with pytest.raises(RecipeError, match="folds = 9 of 4 pictures"):
        cross_validate(parse_recipe(RECIPE, "r.toml"), 9, tmp_path, run=tmp_path / "more", quiet=True)


def test_folds_are_of_annotated_pictures(recipe_of, tmp_path):
    with pytest.raises(RecipeError, match="folds are for the task 'segment'"):
        cross_validate(recipe_of(), 3, tmp_path, run=tmp_path)
