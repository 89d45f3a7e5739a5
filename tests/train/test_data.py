from pathlib import Path

import numpy as np
import pytest

from aplomb.data import find_pictures, load_pictures, split_files
from aplomb.errors import BadInput, ImageFileError
from aplomb.io import write


def test_finds_folders_globs_and_files_each_once(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("a.png", "deep/b.TIF", "deep/er/c.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()

    def names(*places: str) -> list[str]:
        return [f.relative_to(tmp_path).as_posix() for f in find_pictures(places, tmp_path)]

    assert names(".") == ["a.png", "deep/b.TIF", "deep/er/c.jpg"]
    assert names("**/*.jpg", "a.png", "*.png", ".hidden.png") == ["deep/er/c.jpg", "a.png", ".hidden.png"]
    with pytest.raises(ImageFileError, match=r"nowhere, which does not exist"):
        names("nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageFileError, match=r"empty, which holds no picture"):
        names("empty")


def test_split_is_by_file_disjoint_complete_and_from_the_seed() -> None:
    files = [Path(f"{n}.png") for n in range(40)]
    split = split_files(files, validation=0.25, test=0.1, seed=3)
    assert [len(p) for p in (split.train, split.validation, split.test)] == [26, 10, 4]
    assert sorted({*split.train, *split.validation, *split.test}) == sorted(files)
    assert split == split_files(files, validation=0.25, test=0.1, seed=3)
    assert split != split_files(files, validation=0.25, test=0.1, seed=4)
    with pytest.raises(BadInput, match="nothing is left to train on"):
        split_files(files[:1], validation=0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_loads_grey_and_colour_as_asked(tmp_path: Path, dtype: type) -> None:
    white = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    colour = np.zeros((5, 7, 3), dtype)
    colour[..., 1] = white
    write(tmp_path / "green.tif", colour)
    write(tmp_path / "grey.tif", colour[..., 1])
    green, grey = load_pictures(find_pictures(".", tmp_path), channels=1)
    assert green.shape == grey.shape == (1, 5, 7)
    assert green.dtype == dtype
    assert green[0, 0, 0] == pytest.approx(0.587 * white, abs=0.5 if white > 1 else 1e-6)
    green, grey = load_pictures(find_pictures(".", tmp_path), channels=3)
    assert green.shape == grey.shape == (3, 5, 7)
    assert (green == colour.transpose(2, 0, 1)).all()
    assert (grey == white).all()


def test_a_stack_gives_its_pictures(tmp_path: Path) -> None:
    stack = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5)
    write(tmp_path / "stack.tif", stack)
    found = load_pictures([tmp_path / "stack.tif"], channels=1)
    assert len(found) == 4
    assert all((f[0] == s).all() for f, s in zip(found, stack, strict=True))


def test_names_every_picture_that_cannot_be_read_in_one_line(tmp_path: Path) -> None:
    write(tmp_path / "good.png", np.zeros((4, 4), np.uint8))
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ImageFileError) as caught:
        load_pictures(find_pictures(".", tmp_path), channels=1)
    message = str(caught.value)
    assert message.startswith("2 of 3 pictures cannot be used")
    assert "empty.png" in message
    assert "text.png" in message
    assert "good.png" not in message
    assert "\n" not in message
