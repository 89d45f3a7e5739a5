"""Certificates: the bound above what was found, in words, as JSON, for shipped models and for anybody's."""

from __future__ import annotations

import json

import numpy as np
import pytest

import aplomb
from aplomb.certificate import _up
from aplomb.errors import BadInput, RunError, ShapeError
from aplomb.facts import lipschitz
from aplomb.layers import conv, dense, hard_clip, layer_norm, relu
from aplomb.model import freeze
from aplomb.nets import residual
from aplomb.operator import Bound, chain, identity
from soundness import executions_are_covered, printed_above


def stable():
    layer = conv(1, 4, bias=False).map(lambda leaf: leaf.with_weights({"0.weight": 0.1 * leaf.weight}))
    return identity - chain(layer, relu, layer.adjoint())


def test_a_shipped_model():
    made = aplomb.certify("residual-32", iterations=3)
    assert 1 <= made.gain <= made.bound.value
    assert made.bound.kind == "upper"
    assert made.layers[0].name == "Conv 3x3 + b, ReLU"
    assert made.layers[0].border == "zero"
    assert made.layers[0].padding == ((1, 1), (1, 1))
    assert "says nothing" in made.sentence
    found = json.loads(json.dumps(made.to_dict()))
    assert found["bound"] == made.bound.value
    assert found["gain"] == made.gain
    assert len(found["weights_sha256"]) == 64
    assert made.sentence in str(made)


def test_a_stable_network_is_called_stable():
    made = aplomb.certify(stable(), iterations=3)
    assert made.bound.value == 1
    assert made.sentence.startswith("Whatever is changed in the input, the output never changes by more (")


def test_what_has_no_bound_says_why():
    made = aplomb.certify(chain(conv(1, 2), layer_norm(2), conv(2, 1)), iterations=2)
    assert made.bound.kind == "unknown"
    assert "divides by the input's own deviation" in made.sentence
    assert made.to_dict()["bound"] is None
    assert made.gain > 0


def test_a_bound_that_is_wrong_is_noticed(monkeypatch):
    """What is found is held against the bound, so a rule that lies cannot pass."""
    monkeypatch.setattr("aplomb.certificate.tight", lambda operator: Bound(0.1, "upper", "a lie"))
    with pytest.raises(RunError, match="the bound is wrong"):
        aplomb.certify(hard_clip(-9, 9), iterations=2)


def test_pictures_to_search_around(tmp_path):
    rng = np.random.default_rng(0)
    made = aplomb.certify(stable(), {"mine": rng.random((70, 80))}, iterations=2)
    assert {f.where for f in made.found} == {"mine"}
    with pytest.raises(BadInput, match=r"picture mine has the shape 70x80x3, the network takes 1 channel"):
        aplomb.certify(stable(), {"mine": rng.random((70, 80, 3))}, iterations=2)
    assert {f.area for f in aplomb.certify(stable(), {"mine": rng.random((7, 80))}, iterations=2).found} == {(7, 64)}
    with pytest.raises(ShapeError, match="has 2 x 2 pixels, the network takes at least 3 x 3"):
        aplomb.certify(conv(1, 1, padding="valid"), {"mine": rng.random((2, 2))}, iterations=2)
    with pytest.raises(BadInput, match="no numbers"):
        aplomb.certify(stable(), {"mine": np.full((9, 9), np.nan)}, iterations=2)
    with pytest.raises(BadInput, match="takes vectors"):
        aplomb.certify(dense(3, 2), {"mine": rng.random((7, 8))})
    with pytest.raises(BadInput, match="cannot be used"):
        aplomb.certify(stable(), [tmp_path / "none.png"])


def test_anybodys_file_and_the_same_weights(tmp_path):
    freeze(residual(2, 4), tmp_path / "net.onnx")
    made = aplomb.certify(tmp_path / "net.onnx", iterations=2)
    assert made.bound == aplomb.certify(residual(2, 4), iterations=2).bound
    assert made.weights == aplomb.certify(residual(2, 4), iterations=2).weights


def test_the_rounding_error_covers_single_precision():
    executions_are_covered()


def test_numbers_are_rounded_up():
    assert _up(1.0) == "1"
    assert _up(1.0000000001) == "1.00001"
    printed_above()
    assert lipschitz.tight(identity) is None
