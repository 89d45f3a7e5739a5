import sys

import numpy as np
import pytest

from aplomb.arrays import concatenate, like, same, torch_of


def test_a_weight_takes_the_kind_of_the_input():
    weight = np.ones(2, np.float32)
    assert like(weight, np.ones(1, np.float64)).dtype == np.float64
    assert like(weight, np.ones(1, np.float32)) is weight
    assert like(weight, np.ones(1, np.uint8)).dtype == np.float32


def test_a_tensor_is_recognised_without_importing_torch(monkeypatch):
    torch = pytest.importorskip("torch")
    assert torch_of(np.ones(1), torch.ones(1)) is torch
    assert torch_of(np.ones(1)) is None
    monkeypatch.delitem(sys.modules, "torch")
    assert torch_of(np.ones(1)) is None


def test_same_is_bit_for_bit():
    a = np.array([1.0, np.nan, 0.0])
    assert same(a, a.copy())
    assert not same(a, a.astype(np.float32))
    assert not same(a, a.reshape(1, 3))
    assert not same(a, np.array([1.0, np.nan, -0.0]))
    assert not same(a, None)
    assert same((1, "x"), (1, "x"))


def test_same_of_tensors():
    torch = pytest.importorskip("torch")
    a = torch.ones(2)
    assert same(a, a.clone())
    assert not same(a, a.double())
    assert not same(a, torch.zeros(2))
    assert not same(a, None)


def test_channels_side_by_side():
    assert concatenate([np.ones((1, 2, 3, 3)), np.ones((1, 1, 3, 3))]).shape == (1, 3, 3, 3)
