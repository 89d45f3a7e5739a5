"""Random images for tests."""

import numpy as np


def some(shape, dtype, seed=0):
    """Values over the whole range of `dtype`; floats in 0..1 that float32 holds exactly."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        return rng.random(shape).astype(np.float32).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)
