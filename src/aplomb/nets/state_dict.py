"""State dicts from files: .safetensors and .npz, which hold numbers and no code.

The library `safetensors` is a compiled package for a format that is a line of JSON in front of raw numbers, and gives
numpy no bfloat16, so the few lines stand here. Format: 8 bytes, the length of the header; the header, JSON, with type,
shape and place of each array; the numbers. https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from aplomb.arrays import Array
from aplomb.errors import ModelError

TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
LONGEST = 100_000_000
"""Bytes that a header may have, as in the library."""


def read_state_dict(path: str | Path) -> dict[str, Array]:
    """The arrays of a .safetensors or .npz file by name; bfloat16 is widened to float32.

    Raises ModelError for a file that is missing, broken, or of another kind, such as a pickle, which can run code.

    >>> read_state_dict("resnet18.pth")
    Traceback (most recent call last):
    aplomb.errors.ModelError: resnet18.pth: such a file can run code; write it with safetensors.torch.save_file first
    """
    path = Path(path)
    if path.suffix in (".pth", ".pt", ".bin", ".pkl", ".ckpt"):
        raise ModelError(f"{path}: such a file can run code; write it with safetensors.torch.save_file first")
    if path.suffix not in (".safetensors", ".npz"):
        raise ModelError(f"{path}: weights are read from .safetensors and .npz")
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    return _npz(path) if path.suffix == ".npz" else _safetensors(path)


def _npz(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise ModelError(f"{path} is no .npz file of plain arrays ({error}); write it with numpy.savez") from None


def _safetensors(path: Path) -> dict[str, Array]:
    data = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    length = int.from_bytes(data[:8].tobytes(), "little")
    if len(data) < 8 or length > min(LONGEST, len(data) - 8):
        raise ModelError(f"{path} is no .safetensors file, or it is cut off; get it again")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
        return {name: _array(data[8 + length :], entry) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ModelError(f"{path} is no .safetensors file ({reason}); get it again") from None


def _array(values: Array, entry: Any) -> Array:
    kind, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if kind not in TYPES:
        raise ValueError(f"numbers of type {kind}")
    dtype = np.dtype(TYPES[kind])
    if min(shape, default=0) < 0 or not 0 <= start <= end <= len(values):
        raise ValueError(f"an array of shape {shape} at {start} to {end} of {len(values)} bytes")
    if end - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{end - start} bytes for an array of shape {shape} and type {kind}")
    found = np.frombuffer(values[start:end].tobytes(), dtype).reshape(shape)
    # bfloat16 is the upper half of float32
    return (found.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else found
