"""Comparisons on tiny pictures: the protocol, what goes wrong, and the forms."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aplomb.comparison import Comparison, Score, compare
from aplomb.comparison.figure import detailed, difference, reduced
from aplomb.comparison.machine import about
from aplomb.degrade.noise import noise
from aplomb.errors import BadInput, ImageFileError, OutputError
from aplomb.io import write
from aplomb.layers import conv, relu
from aplomb.metrics import eight_bit, psnr
from aplomb.model import Card, freeze
from aplomb.operator import chain, identity

SIGMA = 25 / 255


def picture(height: int = 48, width: int = 56, colours: int | None = None, seed: int = 0) -> np.ndarray:
    """Smooth waves and a textured corner, uint8."""
    y, x = np.mgrid[:height, :width] / 16
    image = 0.5 + 0.3 * np.sin(y + seed) * np.cos(x)
    image[-16:, -20:] += 0.3 * np.random.default_rng(seed).random((height, width))[-16:, -20:]
    if colours:
        image = np.stack([image * (1 - 0.2 * c) for c in range(colours)], axis=-1)
    return eight_bit(image)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return (image + np.roll(image, 1, 0) + np.roll(image, 1, 1)) / 3


def keep(image: np.ndarray, sigma: float) -> np.ndarray:
    return image


def fails(image: np.ndarray, sigma: float) -> np.ndarray:
    raise ZeroDivisionError("no way\n to do it")


def grows(image: np.ndarray, sigma: float) -> np.ndarray:
    return np.pad(image, 1)


def nan(image: np.ndarray, sigma: float) -> np.ndarray:
    return np.full_like(image, np.nan)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("net") / "small.onnx"
    body = chain(conv(1, 2), relu, conv(2, 1)).initialise(0)
    freeze(identity - 0.01 * body, path, card=Card(name="small", task="denoise"))
    return path


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    pictures = {"grey": picture(), "second": picture(40, 44, seed=1)}
    return compare(pictures, SIGMA, [keep, blur, "mean", fails], seed=3, command="aplomb compare ...")


# -- the protocol --------------------------------------------------------------------------------------


def test_scores_follow_the_protocol() -> None:
    clean = picture()
    got: list[np.ndarray] = []

    def spy(image: np.ndarray, sigma: float) -> np.ndarray:
        assert sigma == SIGMA
        got.append(image)
        return image

    result = compare(clean, SIGMA, [spy], seed=1)
    noisy = got[-1]
    assert noisy.dtype == np.float32
    assert noisy.min() < 0 or noisy.max() > 1 or True  # not clipped: the standard deviation is the one asked for
    assert np.std(noisy - clean / 255) == pytest.approx(SIGMA, rel=0.05)
    rows = {row.method: row for row in result.rows}
    reference = clean / np.float32(255)
    assert rows["noisy"].psnr == pytest.approx(psnr(noisy, reference), abs=1e-4)
    assert rows["spy"].psnr == pytest.approx(psnr(eight_bit(noisy), clean), abs=1e-4)
    assert rows["spy"].ssim > 0
    assert [row.method for row in result.rows] == ["noisy", "spy"]
    assert any("25 of 255" in line for line in result.protocol)


def test_the_noise_is_that_of_the_seed_and_the_picture_alone() -> None:
    a, b = picture(), picture(seed=1)
    alone = compare({"a": a}, SIGMA, [keep], seed=5)
    among = compare({"b": b, "a": a}, SIGMA, [keep], seed=5)
    assert alone.score("noisy", "a") == among.score("noisy", "a")
    assert among.score("noisy", "a").psnr != among.score("noisy", "b").psnr
    other = compare({"a": a}, SIGMA, [keep], seed=6)
    assert other.score("noisy", "a").psnr != alone.score("noisy", "a").psnr


def test_means_over_pictures(comparison: Comparison) -> None:
    assert comparison.pictures == ("grey", "second")
    for row in comparison.rows:
        scores = [comparison.score(row.method, name) for name in comparison.pictures]
        if row.method != "fails":
            assert row.psnr == pytest.approx(np.mean([s.psnr for s in scores]))
            assert row.ssim == pytest.approx(np.mean([s.ssim for s in scores]))
            assert row.pictures == 2
        if row.method == "blur":
            pixels = 48 * 56 + 40 * 44
            assert row.megapixels_per_second == pytest.approx(pixels / sum(s.seconds for s in scores) / 1e6)


def test_rows_are_in_order(comparison: Comparison) -> None:
    assert comparison.rows[0].method == "noisy"
    assert comparison.rows[-1].method == "fails"
    values = [row.psnr for row in comparison.rows[1:-1]]
    assert values == sorted(values)


def test_stacks_count_image_by_image_and_alpha_is_left_alone() -> None:
    result = compare(np.stack([picture(16, 18, seed=n) for n in range(5)]), SIGMA, [blur])
    assert len(result.pictures) == 5
    rgba = np.dstack([picture(16, 18, 3), np.full((16, 18), 99, np.uint8)])
    assert compare(rgba, SIGMA, [blur]).rows[1].psnr > 20


def test_other_noise_and_its_level() -> None:
    levels = []

    def spy(image: np.ndarray, sigma: float) -> np.ndarray:
        levels.append(sigma)
        return image

    result = compare(picture(), None, [spy], noise=noise("poisson", peak=50))
    assert levels[-1] == pytest.approx(10 ** (-result.rows[0].psnr / 20), rel=1e-3)
    assert "Poisson(peak=50" in result.noise
    assert math.isnan(result.sigma)


# -- methods -------------------------------------------------------------------------------------------


def test_networks_and_classical_methods_by_name(network: Path) -> None:
    result = compare(picture(32, 40), SIGMA, [str(network), "gaussian"], engine="onnxruntime", threads=1)
    rows = {row.method: row for row in result.rows}
    assert (rows["small"].kind, rows["gaussian"].kind) == ("network", "classical")
    assert rows["small"].detail == "onnxruntime f32"
    assert rows["small"].seconds > 0
    assert rows["small"].psnr > 19


def test_all_methods_if_none_is_named(monkeypatch, network: Path, tmp_path: Path) -> None:
    import aplomb.classical
    import aplomb.model
    from aplomb.restore.denoise import USUAL

    monkeypatch.setattr(aplomb.classical, "BASELINES", {"blur": blur})
    monkeypatch.setattr(aplomb.model, "WEIGHTS", tmp_path)
    for channels, name in USUAL.items():
        card = Card(name=name, task="denoise", channels=channels, noise_range=(0.0, 0.2))
        freeze(chain(conv(channels, channels, 1)), tmp_path / f"{name}.onnx", card=card)
    options = {"engine": "onnxruntime", "threads": 1}
    grey = compare({"g": picture(16, 16)}, SIGMA, **options)
    assert {row.method for row in grey.rows} == {"noisy", "blur", USUAL[1]}
    both = compare({"g": picture(16, 16), "c": picture(16, 16, 3)}, SIGMA, **options)
    assert {row.method for row in both.rows} == {"noisy", "blur", f"{USUAL[1]} / {USUAL[3]}"}
    assert all(row.pictures == 2 for row in both.rows)
    assert set(both.examples[1].crops) == {"clean", *(row.method for row in both.rows)}
    # a network that was asked for by name says why it does not fit
    wrong = compare(picture(16, 16, 3), SIGMA, [USUAL[1]], **options)
    assert "1 channel" in wrong.rows[-1].problem


def test_what_goes_wrong_stands_in_the_row() -> None:
    result = compare(picture(24, 24), SIGMA, [fails, grows, nan, blur])
    problems = {row.method: row.problem for row in result.rows}
    assert problems["fails"] == "ZeroDivisionError: no way to do it"
    assert "(26, 26)" in problems["grows"]
    assert "NaN" in problems["nan"]
    assert problems["blur"] == problems["noisy"] == ""
    assert "ZeroDivisionError" in str(result)


def test_a_broken_model_file_stands_in_its_row(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    result = compare(picture(16, 16), SIGMA, [tmp_path / "broken.onnx", blur])
    assert "not a valid ONNX file" in {row.method: row.problem for row in result.rows}["broken"]


def test_failing_on_some_pictures() -> None:
    def sometimes(image: np.ndarray, sigma: float) -> np.ndarray:
        if image.shape[1] == 20:
            raise ValueError("not this one")
        return image

    result = compare({"a": picture(16, 16), "b": picture(16, 20)}, SIGMA, [sometimes, blur])
    row = next(row for row in result.rows if row.method == "sometimes")
    assert row.pictures == 1
    assert row.problem == "no result on 1 of 2 pictures (ValueError: not this one)"
    assert "given, 1 of 2 pictures" in str(result)


def test_slow_methods_can_be_left_out() -> None:
    import time

    def slow(image: np.ndarray, sigma: float) -> np.ndarray:
        time.sleep(0.02)
        return image

    result = compare(picture(200, 200), SIGMA, [slow, blur], max_seconds=0.01)
    problems = {row.method: row.problem for row in result.rows}
    assert problems["slow"].startswith("left out")
    assert problems["blur"] == ""
    rows = compare(picture(16, 16), SIGMA, ["mean", "gaussian"], without=["mean"]).rows
    names = [row.method for row in rows]
    assert names == ["noisy", "gaussian"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sigma": None}, "needs sigma"),
        ({"sigma": 25}, "25 / 255"),
        ({"sigma": -0.1}, "outside"),
        ({"methods": ["bm4d"]}, "bm4d"),
        ({"without": ["nothing"]}, "nothing"),
        ({"max_seconds": 0}, "more than 0 s"),
        ({"methods": ["mean"], "without": ["mean"]}, "no method is left"),
        ({"images": []}, "no picture"),
        ({"seed": -1}, "seed"),
        ({"images": np.full((8, 8), np.nan)}, "NaN"),
    ],
)
def test_bad_input_is_refused(arguments: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compare(**{"images": picture(16, 16), "sigma": SIGMA, **arguments})


# -- files ---------------------------------------------------------------------------------------------


def test_folders_and_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "a.png", picture(16, 16))
    write(tmp_path / "sub" / "a.png", picture(16, 18))
    (tmp_path / "b.png").write_bytes(b"no picture")
    steps: list[tuple[int, int, str]] = []
    result = compare(tmp_path, SIGMA, [keep, blur], progress=lambda done, total, now: steps.append((done, total, now)))
    assert result.pictures == ("a.png", "sub/a.png")
    assert "b.png" in result.notes[0]
    assert steps[-1] == (6, 6, "")
    assert [done for done, _, _ in steps] == sorted(done for done, _, _ in steps)
    assert [now for _, _, now in steps if now][1] == "blur on a.png"
    with pytest.raises(ImageFileError, match=r"b\.png"):
        compare(tmp_path / "b.png", SIGMA, [keep])
    with pytest.raises(ImageFileError, match="does not exist"):
        compare(tmp_path / "c.png", SIGMA, [keep])


def test_csv(comparison: Comparison, tmp_path: Path) -> None:
    comparison.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 5 * 2 + 5
    first = next(line for line in lines if line["method"] == "blur" and line["picture"] == "grey")
    assert float(first["psnr"]) == pytest.approx(comparison.score("blur", "grey").psnr, rel=1e-5)
    assert float(first["sigma"]) == pytest.approx(SIGMA, rel=1e-5)
    failed = next(line for line in lines if line["method"] == "fails")
    assert (failed["psnr"], failed["problem"]) == ("", "ZeroDivisionError: no way to do it")
    assert {line["picture"] for line in lines} == {"grey", "second", "mean of 2", "mean of 0"}


@pytest.mark.parametrize("name", ["figure.png", "figure.svg"])
def test_figure(comparison: Comparison, tmp_path: Path, name: str) -> None:
    comparison.figure(tmp_path / name, "second", differences=name.endswith("svg"))
    assert (tmp_path / name).stat().st_size > 5_000


def test_figure_fits_on_a_page(tmp_path: Path) -> None:
    from aplomb.io import read

    def numbered(n: int):
        def method(image: np.ndarray, sigma: float) -> np.ndarray:
            return image

        method.__name__ = f"method {n}"
        return method

    for count, colours in ((1, 3), (25, None)):
        result = compare(picture(24, 30, colours), SIGMA, [numbered(n) for n in range(count)])
        result.figure(tmp_path / "figure.png")
        height, width = read(tmp_path / "figure.png").size
        assert width <= 1754, count
        assert height <= 1240, count


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3)])
def test_pictures_of_strange_sizes(shape: tuple[int, int], tmp_path: Path) -> None:
    result = compare(np.full(shape, 128, np.uint8), SIGMA, [keep])
    result.figure(tmp_path / "figure.png")
    result.report(tmp_path / "report.html")
    assert math.isnan(result.rows[0].ssim)


def test_report_is_whole_and_needs_nothing_else(comparison: Comparison, tmp_path: Path) -> None:
    comparison.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    wanted = ("blur", "ZeroDivisionError", "not clipped", "aplomb compare ...", "numpy", "Mpixel/s", "<svg")
    assert [words for words in wanted if words not in text] == []
    assert set(re.findall(r'(?:src|href)\s*=\s*["\']?(.....)', text)) == {"data:"}
    assert re.findall(r"url\((?!data:)", text) == []
    assert "<script" not in text
    assert text.count("<img") == text.count("data:image/png") - 2  # the clean parts behind the others


def test_names_are_escaped(tmp_path: Path) -> None:
    score = Score("<m>", "given", "<p>", 20.0, 0.5, 0.1, 100)
    Comparison((score,), about={"command": "<c>"}, protocol=("<l>",), notes=("<n>",)).report(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert not re.findall(r"<[mpcln]>", text)


def test_nothing_half_written(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        comparison.report(tmp_path / "no" / "report.html")
    with pytest.raises(OutputError, match=r"\.txt"):
        comparison.figure(tmp_path / "figure.txt")
    with pytest.raises(BadInput, match="third"):
        comparison.figure(tmp_path / "figure.png", "third")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width", [60, 160])
def test_text_forms(comparison: Comparison, width: int) -> None:
    import io

    from rich.console import Console

    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(comparison)
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= width
    assert f"{comparison.rows[1].psnr:.2f}" in shown
    assert f"{comparison.rows[1].psnr:.2f}" in str(comparison)


# -- parts ---------------------------------------------------------------------------------------------


def test_the_most_detailed_part_is_found() -> None:
    image = np.zeros((90, 120), np.float32)
    image[50:80, 20:60] = np.random.default_rng(0).random((30, 40))
    top, left, height, width = detailed(image, 32)
    assert (height, width) == (32, 32)
    assert 45 <= top <= 52
    assert 18 <= left <= 30
    assert detailed(image[:10, :20], 32)[2:] == (10, 20)


def test_reduction_and_differences() -> None:
    image = np.zeros((1500, 40), np.uint8)
    image[:, ::2] = 200
    small = reduced(image)
    assert small.shape == (500, 13)
    assert 90 <= small.mean() <= 110
    assert difference(np.array([[10, 255]], np.uint8), np.array([[12, 0]], np.uint8)).tolist() == [[120, 255]]


def test_command_that_is_shown(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/aplomb", "compare", "my photo.png"])
    assert about("call")["command"] == "aplomb compare 'my photo.png'"
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert about("call")["command"] == "call"
    assert about("call", "typed")["command"] == "typed"


def test_importing_is_light() -> None:
    code = (
        "import sys, aplomb.comparison; "
        "heavy = ('matplotlib', 'skimage', 'rich', 'torch', 'onnxruntime', 'bm3d'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_networks_for_one_instrument_are_compared_where_they_are_asked_for() -> None:
    from aplomb.comparison.methods import choose

    assert "denoise-oct" not in [method.name for method in choose()]
    assert [method.name for method in choose(["denoise-oct"])] == ["denoise-oct"]
