"""Labelled pictures in folders, and the command that compares on them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aplomb.cli import main
from aplomb.comparison.folders import class_folders, label_folders, split
from aplomb.errors import BadInput, ImageFileError
from aplomb.io import write

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def go(*arguments: str) -> tuple[int, str, str]:
        try:
            main(list(arguments))
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return go


def refused(ended: tuple[int, str, str], *words: str) -> None:
    code, _, err = ended
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1, err
    assert [word for word in words if word not in err] == []


def labelled(folder: Path, count: int = 4) -> None:
    """Bright squares, their classes as 0 and 255, their numbers, and masks."""
    rng = np.random.default_rng(0)
    for place in ("pictures", "classes", "objects", "masks"):
        (folder / place).mkdir()
    for number in range(count):
        objects = np.zeros((32, 36), np.uint8)
        objects[4:12, 5:15], objects[18:28, 20:30] = 1, 2
        noise = rng.normal(0, 6, objects.shape)
        write(folder / "pictures" / f"{number}.png", np.clip(90 + 80 * (objects > 0) + noise, 0, 255).astype(np.uint8))
        write(folder / "classes" / f"{number}.png", (255 * (objects > 0)).astype(np.uint8))
        write(folder / "objects" / f"{number}.png", objects)
        write(folder / "masks" / f"{number}.png", np.full(objects.shape, 255, np.uint8))


def kinds(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for level, name in ((60, "dark"), (180, "light")):
        (folder / "kinds" / name).mkdir(parents=True)
        for number in range(8):
            write(folder / "kinds" / name / f"{number}.png", rng.normal(level, 9, (12, 12)).astype(np.uint8))


# -- folders -------------------------------------------------------------------------------------------


def test_label_folders(tmp_path: Path) -> None:
    labelled(tmp_path)
    found = label_folders(tmp_path / "pictures", tmp_path / "classes", tmp_path / "masks", classes=("ground", "square"))
    assert [file.name for file in found.pictures] == ["0.png", "1.png", "2.png", "3.png"]
    assert np.unique(found.labels[0]).tolist() == [0, 1]
    assert found.masks is not None
    assert found.masks[0].all()
    turned = label_folders(tmp_path / "pictures", tmp_path / "classes", values=(255, 0))
    assert (turned.labels[0] == 1 - found.labels[0]).all()
    assert turned.classes == ("255", "0")
    assert turned.only([1]).pictures == [found.pictures[1]]
    assert label_folders(tmp_path / "pictures", tmp_path / "objects", objects=True).labels[0].max() == 2


def test_label_folders_that_do_not_fit(tmp_path: Path) -> None:
    labelled(tmp_path)
    place, truth = tmp_path / "pictures", tmp_path / "classes"
    with pytest.raises(BadInput, match="2 names"):
        label_folders(place, tmp_path / "objects", classes=("a", "b"))
    with pytest.raises(BadInput, match=r"0\.png: found the label 255"):
        label_folders(place, truth, values=(0, 1))
    (truth / "3.png").rename(truth / "4.png")
    with pytest.raises(BadInput, match=r"3\.png would belong to 4\.png"):
        label_folders(place, truth)
    (truth / "2.png").unlink()
    with pytest.raises(BadInput, match=r"4 pictures and 3 label files.*without a partner of their name: 2"):
        label_folders(place, truth)
    for number, file in enumerate((tmp_path / "objects").iterdir()):
        write(file, np.repeat(np.arange(16) + 16 * number, 2 * 36).reshape(32, 36).astype(np.uint8))
    with pytest.raises(BadInput, match="classes are 2 to 32"):
        label_folders(place, tmp_path / "objects")
    with pytest.raises(ImageFileError, match="does not exist"):
        label_folders(tmp_path / "nothing", truth)


def test_class_folders(tmp_path: Path) -> None:
    kinds(tmp_path)
    files, names = class_folders(tmp_path / "kinds")
    assert (len(files), names[0], names[-1]) == (16, "dark", "light")
    with pytest.raises(BadInput, match=r"found 0 folder\(s\)"):
        class_folders(tmp_path / "kinds" / "dark")


@pytest.mark.parametrize(("count", "share"), [(2, 0.01), (2, 0.99), (7, 0.5)])
def test_a_split_leaves_both_sides_something(count: int, share: float) -> None:
    inside, outside = split(count, share, 0)
    assert sorted(inside + outside) == list(range(count))
    assert inside
    assert outside
    assert split(7, 0.5, 1) != split(7, 0.5, 2)


@pytest.mark.parametrize(("count", "share"), [(1, 0.5), (5, 0.0), (5, 1.0)])
def test_a_split_that_cannot_be(count: int, share: float) -> None:
    with pytest.raises(BadInput, match="share"):
        split(count, share, 0)


# -- the command ---------------------------------------------------------------------------------------


def test_compares_segmentations(run: Run, tmp_path: Path) -> None:
    labelled(tmp_path)
    code, out, err = run(
        "compare", "pictures", "--labels", "classes", "--mask", "masks", "--class", "ground", "--class", "square",
        "--method", "otsu", "--method", "filter-forest", "--train-share", "0.5", "--seeds", "2", "-o", "out",
    )  # fmt: skip
    assert code == 0, err
    assert "2 pictures, classes ground, square" in out
    assert "learned from 2" in out
    assert {p.name for p in Path("out").iterdir()} == {"comparison.csv", "comparison.png", "comparison.html"}
    code, out, err = run("compare", "pictures", "--labels", "objects", "--target", "borders", "--method", "otsu")
    assert code == 0, err
    assert "AP 0.5" in out
    code, out, err = run("compare", "pictures", "--labels", "classes", "--value", "255", "--value", "0", "--class",
                         "membrane", "--class", "rest", "--membranes", "--method", "otsu")  # fmt: skip
    assert code == 0, err
    assert "warping error" in out


def test_compares_classifications(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    kinds(tmp_path)
    code, out, err = run("compare", "kinds", "--task", "classify", "--method", "naive-bayes", "--seeds", "2", "-o", "o")
    assert code == 0, err
    assert "12 pictures learned from, 4 asked about, 2 classes" in out
    assert "classical, learned" in out
    assert {p.name for p in Path("o").iterdir()} == {"comparison.csv", "comparison.png", "comparison.html"}


def test_refusals(run: Run, tmp_path: Path) -> None:
    labelled(tmp_path)
    seg = ("compare", "pictures", "--labels", "classes")
    refused(run(*seg, "--sigma", "25"), "--sigma")
    refused(run(*seg, "--engine", "onnxruntime"), "--engine")
    refused(run("compare", "pictures", "--seeds", "2"), "--seeds")
    refused(run("compare", "pictures", "--task", "segment"), "--labels")
    refused(run(*seg, "--target", "lines"), "lines")
    refused(run(*seg, "--method", "otsy"), "otsy")
    refused(run(*seg, "--method", "filter-forest"), "--train-share")
    refused(run(*seg, "--class", "a"), "names")
    refused(run(*seg, "--train-share", "1.5"), "share")
    refused(run("compare", "pictures", "objects", "--task", "classify"), "2 folders")
    refused(run("compare", "pictures", "--task", "classify"), "folder(s)")


def test_a_folder_that_cannot_be_written_to_is_refused_first(run: Run, tmp_path: Path, monkeypatch) -> None:
    labelled(tmp_path)
    (tmp_path / "file").write_text("")
    for arguments in (("--sigma", "25"), ("--labels", "classes")):
        refused(run("compare", "pictures", *arguments, "-o", "file/out"), "file/out")
    (tmp_path / "shut").mkdir()
    able = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: not (Path(path).name == "shut" and mode & os.W_OK) and able(path, mode)
    )
    refused(run("compare", "nothing", "-o", "shut"), "shut", "cannot be written to")
