from pathlib import Path

import pytest

from aplomb.errors import RecipeError
from aplomb.nets import NETWORKS
from aplomb.train import parse_recipe, read_recipe

GOOD = """title = "x"
[network]
name = "lean-grey"
widths = [8, 16]
blocks = [1, 1]

[data]
train = ["a"]
crop = 32

[noise]
sigma = [0, 55]

[schedule]
steps = 10
"""


def test_a_good_recipe_is_read() -> None:
    recipe = parse_recipe(GOOD)
    assert recipe.network.arguments == {"widths": [8, 16], "blocks": [1, 1]}
    assert recipe.noise.sigma == [0, 55]
    assert recipe.text == GOOD


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("recipes/*.toml")), ids=lambda p: p.stem)
def test_the_recipes_of_the_project_are_good(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.title
    assert NETWORKS[recipe.network.name](**recipe.network.arguments).parameters > 0


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("crop = 32", "corp = 32", 9, r"\[data\] has no key 'corp'; its keys are train, validation"),
        ("[noise]", "[nose]", 11, "no section or key 'nose'"),
        ("crop = 32", 'crop = "32"', 9, r"\[data\] crop: .*integer"),
        ("crop = 32", "crop = 0", 9, r"\[data\] crop: .*greater than or equal to 1, found 0"),
        ('train = ["a"]\n', "", 7, r"\[data\] needs the key 'train'"),
        ('"lean-grey"', '"lean-gray"', 3, "no network 'lean-gray'; known are .*lean-grey"),
        ("widths = [8, 16]", "width = 8", 4, "network 'lean-grey' has no 'width'; its keys are .*widths"),
        ("sigma = [0, 55]", "sigma = [55, 0]", 11, "lowest first"),
        ("sigma = [0, 55]", "peak = 3", 11, r"noise 'gaussian' needs 'sigma'"),
        ("sigma = [0, 55]", 'kind = "gauss"', 12, r"\[noise\] kind: .*'gaussian', 'poisson'"),
        ("steps = 10", "steps = 10\nepochs = 2", 14, "exactly one of epochs, steps, megapixels"),
        ("steps = 10", "steps = 10\n[loss]\nkind = 'sure'\n[run]\nbatch = 'all'", 19, r"\[run\] batch"),
        ("sigma = [0, 55]", "sigma = 25\nonce = true", 1, "loss 'mse' needs clean pictures"),
        ("crop = 32", "crop = 32\nsaturation = 2", 7, "saturation needs colour = 'colour'"),
        ("crop = 32", "crop = 32\nscales = [1.0, 2.0]", 10, "scales: .*less than or equal to 1"),
        ("crop = 32", "crop = 32\nscales = []", 10, "scales: .*at least 1 item"),
        ("steps = 10", "steps = nan", 15, r"\[schedule\] steps"),
    ],
)
def test_a_wrong_key_or_value_is_told_with_its_line(old: str, new: str, line: int, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        parse_recipe(GOOD.replace(old, new), "mine.toml")
    assert str(caught.value).startswith(f"mine.toml, line {line}: "), str(caught.value)


def test_what_is_not_toml_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"r.toml: not valid TOML: .*line 2"):
        parse_recipe("[network]\nname = 3 4\n", "r.toml")
    with pytest.raises(RecipeError, match="no such recipe"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="cannot be read as text"):
        read_recipe(tmp_path / "binary.toml")
