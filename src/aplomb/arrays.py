"""What the algebra needs to know of arrays: numpy's, and torch's where torch is there already.

Nothing here imports torch. A tensor can only exist if somebody imported torch before, so it is recognised,
and its library found, through ``sys.modules``; without torch these tests cost one dictionary look-up.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace

Array = Any
"""An ndarray or a torch tensor: layout (N, C, H, W), or (N, C) for dense operators."""

Shape = tuple[int, ...]


def torch_of(*arrays: Array) -> Any | None:
    """The module ``torch`` if any of `arrays` is a tensor, else None."""
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(array, torch.Tensor) for array in arrays):
        return torch
    return None


def namespace(*arrays: Array) -> Any:
    """The functions of the Array API standard (2024.12) for arrays of this kind: one text serves numpy and torch.

    >>> namespace(np.ones(2)).sum(np.ones(2))
    np.float64(2.0)
    """
    return array_namespace(*arrays)


def like(weight: Array, x: Array) -> Array:
    """`weight` as the kind of array that `x` is: same library, device and dtype.

    A float64 input is computed in float64 even with float32 weights, which is what makes numpy an oracle.
    """
    torch = torch_of(x)
    if torch is not None:
        return torch.as_tensor(weight).to(device=x.device, dtype=x.dtype)
    return np.asarray(weight).astype(np.result_type(np.asarray(x).dtype, np.float32), copy=False)


def concatenate(arrays: Sequence[Array]) -> Array:
    """Channels side by side."""
    torch = torch_of(*arrays)
    return torch.cat(list(arrays), dim=1) if torch is not None else np.concatenate(list(arrays), axis=1)


def same(a: Array, b: Array) -> bool:
    """Bit-for-bit equality of two arrays, or of anything else by ``==``."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    torch = torch_of(a, b)
    if torch is not None:
        return type(a) is type(b) and a.dtype == b.dtype and bool(torch.equal(a, b))
    return bool(a == b)
