"""Tables of objects: counts, sizes and places that are known, units from the file, a CSV that is whole."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplomb.errors import BadInput, OutputError, ShapeError
from aplomb.io import Metadata, Picture, read
from aplomb.recognise.measure import joined, measure, pixel_size

MAP = np.zeros((20, 30), np.int32)
MAP[2:6, 3:13] = 1
MAP[10:15, 20:25] = 7


def test_counts_sizes_places_and_brightness() -> None:
    grey = np.where(MAP == 1, 200, np.where(MAP == 7, 50, 0)).astype(np.uint8)
    table = measure(MAP, Picture(grey), classes=("background", "nucleus"))
    assert len(table) == 2
    rows = {name: values.tolist() for name, values in table.columns.items()}
    assert rows["id"] == [1, 7]
    assert rows["class"] == ["nucleus", "nucleus"]
    assert rows["area"] == [40, 25]
    assert (rows["row"], rows["column"]) == ([3.5, 12], [7.5, 22])
    assert [rows[side] for side in ("top", "left", "bottom", "right")] == [[2, 10], [3, 20], [6, 15], [13, 25]]
    assert rows["mean"] == [200, 50]
    assert rows["eccentricity"][1] == 0
    assert rows["eccentricity"][0] > 0.9
    assert rows["orientation"][0] == pytest.approx(90)
    assert "2 x nucleus: area 32.5 pixels (median; 25 to 40), 10.8 % of the picture" in str(table)


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1))
def test_areas_sum_to_the_foreground(seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 4, (12, 13))
    classes = ("background", "a", "b", "c")
    for instances in (True, False):
        table = measure(labels, classes=classes, instances=instances)
        assert table.columns["area"].sum() == (labels > 0).sum()
    for k in (1, 2, 3):
        assert table.columns["area"][table.columns["class"] == classes[k]].sum() == (labels == k).sum()


def test_objects_of_a_class_map_are_its_connected_regions() -> None:
    classes = np.array([[1, 1, 0, 2], [0, 0, 0, 2], [1, 0, 2, 0]], np.uint8)
    table = measure(classes, classes=("background", "cell", "dirt"), instances=False)
    assert sorted(zip(table.columns["class"], table.columns["area"], strict=True)) == [
        ("cell", 1), ("cell", 2), ("dirt", 3),
    ]  # fmt: skip


def test_nothing_found() -> None:
    for instances in (True, False):
        table = measure(np.zeros((4, 5), np.uint8), Picture(np.zeros((4, 5), np.uint8)), instances=instances)
        assert len(table) == 0
        assert str(table) == "no object"


def test_stacks_have_their_pictures_numbered_and_files_their_names(tmp_path: Path) -> None:
    stack = Picture(np.stack([np.full(MAP.shape, v, np.uint16) for v in (100, 300)]))
    table = measure(np.stack([MAP, MAP > 0]), stack)
    assert table.columns["picture"].tolist() == [1, 1, 2]
    assert table.columns["mean"].tolist() == [100, 100, 300]
    colour = measure(MAP, Picture(np.full((*MAP.shape, 3), (1, 2, 3), np.uint8)))
    assert [colour.columns[f"mean_{c}"][0] for c in ("red", "green", "blue")] == [1, 2, 3]
    both = joined({"a.tif": table, "b.tif": colour})
    assert both.columns["file"].tolist() == ["a.tif"] * 3 + ["b.tif"] * 2
    with both.to_csv(tmp_path / "o.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["mean"], rows[0]["mean_red"], rows[4]["mean_red"], rows[4]["picture"]) == ("100", "", "1", "")


def test_the_size_of_a_pixel() -> None:
    def picture(**fields: object) -> Picture:
        return Picture(np.zeros((4, 4), np.uint8), metadata=Metadata(**fields), format="TIFF")  # type: ignore[arg-type]

    imagej = picture(resolution=(Fraction(2), Fraction(4), "none"), imagej={"unit": "micron"})
    assert pixel_size(imagej) == (0.25, 0.5, "um")
    ome = picture(ome='<Pixels PhysicalSizeX="0.1" PhysicalSizeY="0.2" PhysicalSizeXUnit="\u00b5m"/>')
    assert pixel_size(ome) == (0.2, 0.1, "um")
    assert pixel_size(picture(resolution=(Fraction(10_000), Fraction(5_000), "cm"))) == (2.0, 1.0, "um")
    assert pixel_size(picture(resolution=(Fraction(300), Fraction(300), "inch"))) is None, "how it is printed"
    assert pixel_size(picture()) is None
    table = measure(MAP, Picture(np.zeros(MAP.shape, np.uint8), metadata=imagej.metadata))
    assert table.columns["area_um2"].tolist() == [5, 3.125]
    assert "um^2" in str(table)
    assert measure(MAP, pixel=(2, 2, "nm")).columns["area_nm2"].tolist() == [160, 100]


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="do not fit"):
        measure(MAP, Picture(np.zeros((20, 31), np.uint8)))
    with pytest.raises(ShapeError, match="integers"):
        measure(MAP.astype(float))
    with pytest.raises(BadInput, match="above 0"):
        measure(MAP, pixel=(0, 1, "um"))
    with pytest.raises(OutputError, match="does not exist"):
        measure(MAP).to_csv(tmp_path / "no" / "o.csv")
    assert not list(tmp_path.iterdir())


def test_read_back_from_a_file_of_imagej(tmp_path: Path) -> None:
    import tifffile

    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, MAP.astype(np.uint16), imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    assert pixel_size(read(path)) == (0.25, 0.25, "um")
