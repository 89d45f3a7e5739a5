"""Training of a burst's weights: short, and better than where it starts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skimage.data import camera  # noqa: E402

from aplomb.errors import BadInput  # noqa: E402
from aplomb.nets import burst_weights  # noqa: E402
from aplomb.train.burst import example, train_weights  # noqa: E402

PICTURE = camera()[60:140, 130:210] / 255


def test_an_example_lies_on_its_clean_picture():
    """The reference frame, not moved, is the clean picture where the loss has it, but for its blur."""
    found = example(PICTURE, seed=3)
    frames = torch.fft.irfft2(found.spectra, s=found.clean.shape).numpy()
    inside = (slice(12, -12),) * 2

    def error(clean):
        return min(np.square(frame - clean)[inside].mean() for frame in frames)

    clean = found.clean.numpy()
    assert error(clean) < min(error(np.roll(clean, step, axis)) for step in (-1, 1) for axis in (0, 1))
    assert found.features.shape == (len(frames), 3, 80, 41)


def test_training_repeats_and_improves():
    reached = []
    first = train_weights([PICTURE], bursts=2, epochs=15, progress=lambda _, level: reached.append(level))
    assert reached[-1] > reached[0] + 0.01
    assert first == train_weights([PICTURE], bursts=2, epochs=15)
    assert first != burst_weights()
    assert first.parameters == 353


def test_no_pictures():
    with pytest.raises(BadInput, match="no pictures"):
        train_weights([])
