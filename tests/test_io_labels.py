"""Label files survive the way to disk and back, and what cannot be labels is refused in one line."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import data

from aplomb.errors import BadInput, ImageFileError, OutputError, ShapeError
from aplomb.io import IGNORE, check_classes, class_map, read, read_labels, write, write_labels

CELLS = np.kron(np.arange(12).reshape(3, 4), np.ones((8, 8), int))


@pytest.mark.parametrize(
    ("suffix", "largest", "dtype"),
    [
        (".png", 1, "uint8"),
        (".png", 255, "uint8"),
        (".png", 256, "uint16"),
        (".png", 65_535, "uint16"),
        (".tif", 255, "uint8"),
        (".tiff", 65_535, "uint16"),
        (".tif", 65_536, "uint32"),
        (".tif", 2**31 - 1, "uint32"),
    ],
)
def test_labels_come_back_from_the_smallest_dtype(tmp_path, suffix, largest, dtype):
    path = tmp_path / f"labels{suffix}"
    labels = np.array([[0, 1, largest], [1, 0, largest - 1]])
    write_labels(path, labels)
    assert read(path).array.dtype == dtype
    back = read_labels(path, size=(2, 3))
    assert back.dtype == np.int32
    np.testing.assert_array_equal(back, labels)


def test_bool_and_equal_colours_and_whole_floats_are_labels(tmp_path):
    write(tmp_path / "bool.png", CELLS > 5)
    np.testing.assert_array_equal(read_labels(tmp_path / "bool.png"), CELLS > 5)
    write(tmp_path / "grey.png", np.repeat(CELLS[..., None], 3, axis=2).astype(np.uint8))
    np.testing.assert_array_equal(read_labels(tmp_path / "grey.png"), CELLS)
    write(tmp_path / "float.tif", CELLS.astype(np.float32))
    np.testing.assert_array_equal(read_labels(tmp_path / "float.tif"), CELLS)


@pytest.mark.parametrize(
    ("name", "array", "match"),
    [
        ("a.jpg", (CELLS * 20).astype(np.uint8), "JPEG alters values"),
        ("a.png", np.stack([CELLS, CELLS, CELLS + 1], axis=2).astype(np.uint8), "found colours"),
        ("a.tif", CELLS / 2, "not whole numbers"),
        ("a.tif", np.where(CELLS == 3, np.nan, CELLS), "not whole numbers"),
        ("a.tif", np.where(CELLS == 3, np.inf, CELLS), "not whole numbers"),
        ("a.tif", (CELLS - 3).astype(np.int16), "from -3 to 8"),
        ("a.tif", (CELLS + 2**31).astype(np.uint32), "from 2147483648"),
        ("a.tif", np.stack([CELLS] * 5).astype(np.uint8), "stack of 5"),
        ("a.png", data.camera(), "intensities, not labels"),
        ("a.tif", data.coins().astype(np.float32), "intensities, not labels"),
    ],
)
def test_what_cannot_be_labels_is_refused(tmp_path, name, array, match):
    write(tmp_path / name, array)
    with pytest.raises(ImageFileError, match=match) as error:
        read_labels(tmp_path / name)
    assert name in str(error.value)


def test_more_than_65535_small_objects_are_no_photograph(tmp_path):
    """Of 3 x 3 pixels in a frame of one: nearly half of all neighbours differ, none of two objects do."""
    numbers = np.arange(1, 260**2 + 1, dtype=np.uint32).reshape(260, 260)
    labels = np.kron(numbers, np.pad(np.ones((3, 3), np.uint32), ((0, 1), (0, 1))))
    write_labels(tmp_path / "a.tif", labels)
    assert read_labels(tmp_path / "a.tif").max() == 67_600
    dark = np.random.default_rng(0).normal(-30, 25, (64, 64)).clip(0, 255).astype(np.uint8)
    assert (dark == 0).mean() > 0.8
    write(tmp_path / "dark.png", dark)
    with pytest.raises(ImageFileError, match="intensities"):
        read_labels(tmp_path / "dark.png")


def test_a_palette_is_named(tmp_path):
    from PIL import Image

    image = Image.fromarray(CELLS.astype(np.uint8), mode="P")
    image.putpalette([7 * i % 256 for i in range(768)])
    image.save(tmp_path / "voc.png")
    with pytest.raises(ImageFileError, match="palette of colours"):
        read_labels(tmp_path / "voc.png")


def test_transparent_labels_are_refused_and_opaque_ones_read(tmp_path):
    planes = np.repeat(CELLS[..., None], 4, axis=2).astype(np.uint8)
    write(tmp_path / "through.png", planes)
    with pytest.raises(ImageFileError, match="transparent"):
        read_labels(tmp_path / "through.png")
    planes[..., 3] = 255
    write(tmp_path / "opaque.png", planes)
    np.testing.assert_array_equal(read_labels(tmp_path / "opaque.png"), CELLS)


def test_sizes_have_to_match(tmp_path):
    write_labels(tmp_path / "a.png", CELLS)
    with pytest.raises(ShapeError, match=r"24 x 32 pixels, the picture 32 x 24"):
        read_labels(tmp_path / "a.png", size=(32, 24))


def test_a_missing_file_is_an_image_file_error(tmp_path):
    with pytest.raises(ImageFileError, match="no such file"):
        read_labels(tmp_path / "none.png")


@pytest.mark.parametrize(
    ("name", "labels", "error", "match"),
    [
        ("a.png", [[70_000]], OutputError, "65,535, found 70,000"),
        ("a.tif", [[2**32]], OutputError, "4,294,967,295"),
        ("a.jpg", [[1]], OutputError, r"\.jpg; write \.png or \.tif"),
        ("a", [[1]], OutputError, "without suffix"),
        ("none/a.png", [[1]], OutputError, "does not exist"),
        ("a.png", [[0.5]], BadInput, "float64"),
        ("a.png", [[-1]], BadInput, "-1"),
        ("a.png", [1, 2], ShapeError, r"\(2,\)"),
        ("a.png", np.zeros((0, 3), int), ShapeError, r"\(0, 3\)"),
    ],
)
def test_labels_that_cannot_be_written_leave_no_file(tmp_path, name, labels, error, match):
    with pytest.raises(error, match=match):
        write_labels(tmp_path / name, np.array(labels))
    assert not list(tmp_path.iterdir())


@given(hnp.arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 90, 128, 255])))
def test_classes_keep_the_order_of_the_grey_values(grey):
    if len(np.unique(grey)) < 2:
        return
    classes, values = class_map(grey)
    assert classes.dtype == np.uint8
    assert list(values) == sorted(values)
    np.testing.assert_array_equal(np.array(values)[classes], grey)
    assert set(np.unique(classes)) == set(range(len(values)))


@given(hnp.arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 90, 128, 255])), st.permutations([0, 90, 128, 255]))
def test_given_values_decide_the_class_even_where_one_is_absent(grey, values):
    classes, same = class_map(grey, values=values)
    assert same == tuple(values)
    np.testing.assert_array_equal(np.array(values)[classes], grey)


def test_ignored_values_become_ignore():
    classes, values = class_map([[0, 255, 7]], ignore=7)
    assert classes.tolist() == [[0, 1, IGNORE]]
    assert values == (0, 255)
    assert class_map([[7, 7]], values=(0, 1), ignore=7)[0].tolist() == [[IGNORE, IGNORE]]


def test_grey_values_are_not_taken_for_classes():
    with pytest.raises(BadInput, match="different values"):
        class_map(data.camera()[::2])
    many = np.kron(np.arange(100).reshape(10, 10), np.ones((8, 8), int))
    assert len(class_map(many)[1]) == 100  # without gaps they are numbered classes
    with pytest.raises(BadInput, match="100 different values between 0 and 198"):
        class_map(2 * many)
    with pytest.raises(BadInput, match="255 different"):
        class_map(np.kron(np.arange(300).reshape(10, 30), np.ones((8, 8), int)))
    with pytest.raises(ShapeError, match=r"\(2, 3, 4\)"):
        class_map(np.zeros((2, 3, 4), int))


def test_maps_without_content_are_refused():
    with pytest.raises(BadInput, match="the value 0 only: nothing is marked"):
        class_map(np.zeros((3, 3), int))
    with pytest.raises(BadInput, match="no pixel that counts"):
        class_map(np.zeros((3, 3), int), ignore=0)
    with pytest.raises(BadInput, match="label 3, which is none"):
        class_map([[0, 3]], values=(0, 1))
    with pytest.raises(BadInput, match="different values"):
        class_map([[0, 1]], values=(0, 1, 1))


def test_a_set_has_to_show_every_class():
    maps = [np.array([[0, 0, IGNORE]]), np.array([[1, 0]])]
    check_classes(maps, classes=2)
    with pytest.raises(BadInput, match="class 2 of 3"):
        check_classes(maps, classes=3)
    with pytest.raises(BadInput, match="label 255"):
        check_classes(maps, classes=2, ignore=None)
    with pytest.raises(BadInput, match="no label map"):
        check_classes([], classes=2)


@pytest.mark.skipif("APLOMB_DATA" not in os.environ, reason="APLOMB_DATA is not set")
def test_real_labels_are_believed_and_their_pictures_are_not():
    folder = Path(os.environ["APLOMB_DATA"])
    numbers = [f"{i:03d}.png" for i in range(0, 200, 5)]
    for number in numbers:
        assert read_labels(folder / "nuclei/labels" / number).any()
    for path in sorted((folder / "em-membranes/labels").iterdir()):
        assert class_map(read_labels(path))[1] == (0, 255)
    for path in sorted((folder / "em-membranes/images").iterdir()):
        with pytest.raises(ImageFileError, match="intensities"):
            read_labels(path)
