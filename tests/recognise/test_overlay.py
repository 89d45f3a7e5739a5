"""Overlays: a pixel on a pixel, the map visible, files whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aplomb import io
from aplomb.errors import OutputError, ShapeError
from aplomb.recognise.overlay import draw_overlay, write_overlay

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 200), dtype=np.uint8)
LABELS = np.zeros((90, 200), np.int32)
LABELS[20:50, 30:80] = 1
LABELS[20:50, 80:120] = 2


def drawn(path: Path, **options: object) -> np.ndarray:
    write_overlay(path, PICTURE, LABELS, **options)  # type: ignore[arg-type]
    return io.read(path).array.astype(int)


def test_objects_are_outlined_where_they_are(tmp_path: Path) -> None:
    found = drawn(tmp_path / "o.png", instances=True, classes=("background", "cell"))
    assert found.shape == (90 + 22, 200, 3), "the picture as it is, and a line of legend"
    coloured = np.ptp(found[:90], axis=2) > 100
    assert coloured[20:50, 30].all()
    assert coloured[20, 30:120].all()
    assert coloured[20:50, 79:81].all(), "the line between objects that touch"
    assert not coloured[25:45, 40:70].any()
    assert not coloured[60:].any()
    np.testing.assert_allclose(found[60:90, :, 0], PICTURE[60:90], atol=2)


def test_classes_are_coloured_and_named(tmp_path: Path) -> None:
    found = drawn(tmp_path / "o.png", classes=("background", "one", "two"))
    assert found.shape == (90 + 3 * 22, 200, 3)
    coloured = np.ptp(found[:90], axis=2) > 30
    assert coloured[20:50, 30:120].mean() > 0.95
    assert not coloured[60:].any()
    texts = [text.get_text() for text in draw_overlay(PICTURE, LABELS, classes=("background", "one", "two")).texts]
    assert "one: 8.3 %" in texts


def test_other_sizes_and_kinds(tmp_path: Path) -> None:
    draw_overlay(np.zeros((5, 6, 3), np.uint16), np.full((5, 6), 300), instances=True)
    draw_overlay(np.zeros((2, 50, 60)), np.zeros((2, 50, 60), np.uint8))
    with pytest.raises(ShapeError, match="does not fit"):
        draw_overlay(PICTURE, LABELS[:50])
    with pytest.raises(OutputError, match="known are"):
        write_overlay(tmp_path / "o.xyz", PICTURE, LABELS)
    with pytest.raises(OutputError, match="does not exist"):
        write_overlay(tmp_path / "no" / "o.png", PICTURE, LABELS)
    assert not list(tmp_path.iterdir())
