"""Files of weights: what is read is what was written, and nothing else is read."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplomb.errors import ModelError
from aplomb.nets import read_state_dict

ARRAYS = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7), "c": np.float16([0.5])}


def written(header: dict[str, object], numbers: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def safetensors(arrays: dict[str, np.ndarray]) -> bytes:
    """A file as the format's page describes it."""
    names = {"float32": "F32", "int64": "I64", "float16": "F16"}
    header, numbers = {"__metadata__": {"format": "pt"}}, b""
    for name, a in arrays.items():
        place = [len(numbers), len(numbers) + a.nbytes]
        header[name] = {"dtype": names[a.dtype.name], "shape": [*a.shape], "data_offsets": place}  # type: ignore[dict-item]
        numbers += a.tobytes()
    return written(header, numbers)


def test_both_kinds_are_read(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(safetensors(ARRAYS))
    np.savez(tmp_path / "w.npz", **ARRAYS)
    for name in ("w.safetensors", "w.npz"):
        found = read_state_dict(tmp_path / name)
        assert found.keys() == ARRAYS.keys()
        for key, array in ARRAYS.items():
            assert found[key].dtype == array.dtype
            np.testing.assert_array_equal(found[key], array)


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    values = np.float32([1.0, -2.5, 0.0])
    half = (values.view(np.uint32) >> 16).astype(np.uint16)
    header: dict[str, object] = {"x": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    (tmp_path / "w.safetensors").write_bytes(written(header, half.tobytes()))
    np.testing.assert_array_equal(read_state_dict(tmp_path / "w.safetensors")["x"], values)


def test_what_the_library_writes(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    library.save_file({k: np.ascontiguousarray(v) for k, v in ARRAYS.items()}, tmp_path / "w.safetensors")
    np.testing.assert_array_equal(read_state_dict(tmp_path / "w.safetensors")["a.weight"], ARRAYS["a.weight"])


def entry(**changes: object) -> dict[str, object]:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"PK", b"\xff" * 20, (4).to_bytes(8, "little") + b"nope", written([1], b""),  # type: ignore[arg-type]
        written({"x": 3}, b""), written(entry(dtype="F8"), bytes(8)), written(entry(shape=[3]), bytes(8)),
        written(entry(shape=[-2, -1]), bytes(8)), written(entry(data_offsets=[0, 80]), bytes(8)),
        written(entry(data_offsets=[8, 0]), bytes(8)), written(entry(shape=["a"]), bytes(8)),
    ],
)  # fmt: skip
def test_broken_files_are_one_clear_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="get it again"):
        read_state_dict(path)


@settings(max_examples=50)
@given(st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, at: int, value: int) -> None:
    content = bytearray(safetensors(ARRAYS))
    content[at % len(content)] = value
    path = tmp_path_factory.mktemp("bytes") / "w.safetensors"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        assert all(isinstance(array, np.ndarray) for array in read_state_dict(path).values())


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run code"):
        read_state_dict(tmp_path / "w.pth")
    with pytest.raises(ModelError, match="no such file"):
        read_state_dict(tmp_path / "w.npz")
    with pytest.raises(ModelError, match=r"\.safetensors and \.npz"):
        read_state_dict(tmp_path / "w.onnx")
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04torn")
    for name in ("objects.npz", "torn.npz"):
        with pytest.raises(ModelError, match="plain arrays"):
            read_state_dict(tmp_path / name)
