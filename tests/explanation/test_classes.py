"""Class attributions obey their laws: completeness, and what a class that looks at one place must give."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("captum")

from aplomb import chain, io
from aplomb.errors import BadInput, ShapeError
from aplomb.explanation.classes import attribute
from aplomb.explanation.subject import subject
from aplomb.layers import conv, dense, flatten, max_pool, relu, softmax, tanh
from makers import trained

CLASSIFIER = trained(
    chain(conv(1, 4), relu, max_pool(2), conv(4, 6), tanh, flatten, dense(6 * 64, 8), relu, dense(8, 3), softmax)
)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((16, 16), np.float32).astype(np.float64)


@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("baseline", [0.0, 0.5])
def test_integrated_gradients_are_complete(label: int, baseline: float) -> None:
    """They sum to the change of the score from the baseline, which is computed here without torch."""
    x = picture()
    scores = chain(*CLASSIFIER.parts[:-1])
    change = scores(x[None, None])[0] - scores(np.full((1, 1, 16, 16), baseline))[0]
    found = attribute(x, CLASSIFIER, label, baseline=baseline)
    rule = 0.01 * abs(change).max()  # kinks of ReLU lie between the points of the quadrature
    assert found.values.sum() == pytest.approx(change[label], abs=rule)
    assert abs(found.values.sum() - change[(label + 1) % 3]) > 5 * rule
    assert found.gap == pytest.approx(found.values.sum() - change[label], abs=1e-9)
    assert found.score == pytest.approx(scores(x[None, None])[0, label])
    assert found.probability == pytest.approx(CLASSIFIER(x[None, None])[0, label])


def test_a_linear_classifier_is_its_weights() -> None:
    layer = dense(256, 2).initialise(0)
    x = picture()
    found = attribute(x, chain(flatten, layer), 1)
    np.testing.assert_allclose(found.values, layer.weight[1].reshape(16, 16) * x, atol=1e-12)


def test_grad_cam_looks_where_the_class_looks() -> None:
    """A class that is the sum over the upper left quarter of one channel."""
    weight = np.zeros((2, 4, 16, 16), np.float32)
    weight[0, 2, :8, :8] = 1
    first = trained(conv(1, 4)).with_weights({"0.weight": np.abs(conv(1, 4).weight), "0.bias": np.ones(4, np.float32)})
    last = dense(4 * 256, 2).with_weights({"0.weight": weight.reshape(2, -1)})
    found = attribute(picture(), chain(first, relu, flatten, last), 0, method="grad-cam")
    channel = relu(first(picture()[None, None]))[0, 2]
    np.testing.assert_allclose(found.values, channel * 64 / 256, rtol=1e-9)
    assert (found.values >= 0).all()
    other = attribute(picture(), chain(first, relu, flatten, last), 1, method="grad-cam")
    assert not other.values.any()


def test_the_most_probable_class_and_the_layer(tmp_path) -> None:
    found = attribute(picture(), CLASSIFIER, method="grad-cam", layer=1)
    assert found.label == int(CLASSIFIER(picture()[None, None]).argmax())
    assert found.values.shape == (16, 16)
    assert found.to_dict()["gap"] is None
    assert io.read(found.save(tmp_path / "cam.png")).array.std() > 10
    assert attribute(picture(), CLASSIFIER)._repr_png_()[:4] == b"\x89PNG"


def test_what_cannot_be_attributed(monkeypatch) -> None:
    with pytest.raises(BadInput, match="class 3 does not exist; Compose has 3: 0 to 2"):
        attribute(picture(), CLASSIFIER, 3)
    with pytest.raises(BadInput, match="gives pictures, so it has no classes"):
        attribute(picture(), conv(1, 1))
    with pytest.raises(BadInput, match=r"Grad-CAM needs a layer that gives pictures; in Compose those are \[1, 2, 3\]"):
        attribute(picture(), CLASSIFIER, method="grad-cam", layer=4)
    with pytest.raises(BadInput, match="method 'lime' is not known"):
        attribute(picture(), CLASSIFIER, method="lime")
    with pytest.raises(ShapeError, match="does not take a picture of 20 x 20"):
        attribute(np.eye(20), CLASSIFIER)
    monkeypatch.setitem(__import__("sys").modules, "captum", None)
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(BadInput, match=r"pip install 'aplomb\[explain\]'"):
        attribute(picture(), CLASSIFIER)


def test_a_picture_is_brought_to_the_size_that_a_classifier_takes(tmp_path):
    from aplomb import Card, freeze
    from aplomb.layers import dense, flatten, softmax
    from aplomb.operator import chain

    network = chain(flatten, dense(64, 3), softmax)
    freeze(network, tmp_path / "net.onnx", card=Card(task="classify", classes=("a", "b", "c"), size=(8, 8)))
    picture = np.random.default_rng(0).random((12, 16))
    found = subject(picture, tmp_path / "net.onnx", 0.0)
    assert found.x.shape == (1, 1, 8, 8)


def test_grad_cam_looks_at_the_last_layer_in_which_there_are_places():
    ends_in_a_pixel = trained(chain(conv(1, 4), relu, conv(4, 6, 8, padding="valid"), tanh, flatten, dense(6, 3)))
    picture = np.random.default_rng(0).random((8, 8))
    found = [attribute(picture, ends_in_a_pixel, method="grad-cam", label=k).values for k in range(3)]
    assert max(values.std() for values in found) > 0
