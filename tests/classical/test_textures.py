"""Segmenters that learn: the forest from scribbles, the texture discriminator as an operator."""

import numpy as np
import pytest
from scipy import ndimage

import aplomb
from aplomb.classical.segment import (
    FilterForest,
    MultiOtsu,
    Otsu,
    TextureDiscriminator,
    laws_filters,
    texture_energies,
)
from aplomb.errors import BadInput, ShapeError

LEFT = np.arange(96)[None] + np.zeros((96, 1), int) < 48


def waves(seed):
    """Sinusoids of one frequency, upright on the left and level on the right: equal mean, equal variance."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:96, :96]
    phase = rng.uniform(0, 2 * np.pi)
    wave = np.where(LEFT, np.sin(0.9 * columns + phase), np.sin(0.9 * rows + phase))
    return 0.5 + 0.15 * wave + rng.normal(0, 0.1, LEFT.shape)


def grains(seed):
    """Noise, coarse on the left and fine on the right: equal mean, equal variance."""
    rng = np.random.default_rng(seed)
    coarse, fine = ndimage.gaussian_filter(rng.normal(0, 1, LEFT.shape), 1.5), rng.normal(0, 1, LEFT.shape)
    return 0.5 + 0.15 * np.where(LEFT, (coarse - coarse.mean()) / coarse.std(), fine)


@pytest.mark.parametrize(
    ("method", "texture"),
    [
        (TextureDiscriminator(), waves),
        (TextureDiscriminator(), grains),
        (FilterForest(trees=10, largest=4), grains),  # it does not see directions
    ],
)
def test_textures_of_equal_mean_are_told_apart_where_thresholds_fail(method, texture):
    learned, seen = texture(0), texture(1)
    assert abs(seen[LEFT].mean() - seen[~LEFT].mean()) < 0.02
    scribbles = np.full(LEFT.shape, 255)
    scribbles[:, 10:30], scribbles[:, 66:86] = 0, 1
    right = np.mean(method.fit([learned], [scribbles])(seen) == ~LEFT)
    by_grey = np.mean(Otsu()(seen) == ~LEFT)
    assert right > 0.85
    assert right > max(by_grey, 1 - by_grey) + 0.2


def test_textures_are_found_without_labels():
    labels = TextureDiscriminator(2)(waves(0))
    right = np.mean(labels == ~LEFT)
    assert max(right, 1 - right) > 0.9


def test_photographed_textures_of_equal_mean_and_variance():
    from skimage import data

    kinds = [(t - t.mean()) / t.std() for t in (data.brick() / 255, data.grass() / 255, data.gravel() / 255)]
    kinds = [0.5 + 0.15 * t for t in kinds]
    rows, columns = np.mgrid[:192, :192]
    truth = np.where(np.hypot(rows - 96, columns - 96) < 56, 2, columns > 96)
    mosaic = np.choose(truth, [t[256:448, 256:448] for t in kinds])
    learned = [t[:192, :192] for t in kinds]
    fitted = TextureDiscriminator().fit(learned, [np.full((192, 192), k) for k in range(3)])
    by_grey = MultiOtsu(2)(mosaic)
    assert np.mean(fitted(mosaic) == truth) > 0.9
    assert np.mean(fitted(mosaic) == truth) > np.mean(by_grey == truth) + 0.2


def test_the_fitted_discriminator_is_a_network_that_can_be_frozen(tmp_path):
    picture = waves(0)
    fitted = TextureDiscriminator(scales=(1, 2), levels=3).fit([picture], [(~LEFT).astype(int)])
    probabilities = fitted.probabilities(picture)
    assert (probabilities.shape, probabilities.dtype) == ((96, 96, 2), np.float32)
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=2), fitted(picture))
    aplomb.freeze(fitted.operator, tmp_path / "textures.onnx")
    thawed = aplomb.thaw(tmp_path / "textures.onnx")
    x = picture[None, None].astype(np.float32)
    np.testing.assert_array_equal(thawed(x), fitted.operator(x))


def test_the_decision_is_scikit_learns_discriminant_analysis():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    picture, truth = waves(0), (~LEFT).astype(int)
    fitted = TextureDiscriminator().fit([picture], [truth])
    features = np.moveaxis(texture_energies()(picture[None, None].astype(np.float32))[0], 0, -1).reshape(-1, 45)
    oracle = LinearDiscriminantAnalysis(solver="lsqr", priors=[0.5, 0.5]).fit(features.astype(float), truth.ravel())
    assert np.mean(oracle.predict(features).reshape(96, 96) == fitted(picture)) > 0.99


def test_energies_are_what_they_say():
    energies = texture_energies(scales=(1,), levels=1)
    x = np.random.default_rng(0).random((1, 1, 16, 17))
    smooth = np.array([1, 4, 6, 4, 1]) / 16
    for channel, kernel in enumerate(laws_filters()):
        answer = np.abs(ndimage.correlate(x[0, 0], kernel.astype(float), mode="nearest"))
        expected = ndimage.correlate(answer, np.outer(smooth, smooth), mode="nearest")
        np.testing.assert_allclose(energies(x)[0, channel], expected, atol=1e-6)


def test_energies_do_not_see_the_grey_level():
    x = np.random.default_rng(0).random((1, 1, 20, 20))
    energies = texture_energies()
    np.testing.assert_allclose(energies(x + 0.3), energies(x), atol=1e-6)
    np.testing.assert_allclose(energies(2 * x), 2 * energies(x), atol=1e-6)


def test_a_forest_gives_probabilities_and_is_the_same_for_a_seed():
    picture, labels = waves(0), (~LEFT).astype(np.uint8)
    forest = FilterForest(trees=4, largest=2, seed=3)
    fitted = forest.fit([picture[::2], waves(2)[::2]], [labels[::2], labels[::2]])
    probabilities = fitted.probabilities(waves(1))
    assert (probabilities.shape, probabilities.dtype) == ((96, 96, 2), np.float32)
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=2), fitted(waves(1)))
    again = forest.fit([picture[::2], waves(2)[::2]], [labels[::2], labels[::2]])
    np.testing.assert_array_equal(again.probabilities(waves(1)), probabilities)


def test_a_forest_sees_colour_and_refuses_other_channels():
    colours = np.where(LEFT[..., None], [0.6, 0.3, 0.3], [0.3, 0.3, 0.6]) + waves(0)[..., None] * 0.1
    fitted = FilterForest(trees=8, largest=2).fit([colours], [(~LEFT).astype(int)])
    assert np.mean(fitted(colours) == ~LEFT) > 0.98
    with pytest.raises(ShapeError, match="learned from 3 channels, found an image with 1"):
        fitted(waves(0))


@pytest.mark.parametrize("method", [TextureDiscriminator(), FilterForest(trees=2, largest=1)])
def test_labels_that_cannot_teach_are_refused(method):
    picture, truth = waves(0)[:20, 38:58], (~LEFT[:20, 38:58]).astype(int)
    for images, labels, error, match in (
        ([picture], [truth, truth], BadInput, "found 1 images and 2 label maps"),
        ([], [], BadInput, "found 0 images"),
        ([picture], [truth[1:]], ShapeError, r"image 0 has \(20, 20\) pixels, its labels have shape \(19, 20\)"),
        ([picture], [truth * 0], BadInput, "at least two classes"),
        ([picture], [truth * 2], BadInput, "class 1 has no pixel"),
        ([picture], [np.full((20, 20), 255)], BadInput, "at least two classes"),
        ([picture], [truth * 0.5], BadInput, "whole numbers"),
        ([picture], [-truth], BadInput, "whole numbers"),
        ([picture, np.stack([picture] * 3, axis=2)], [truth, truth], ShapeError, "same channels"),
        ([picture * np.nan], [truth], BadInput, "NaN"),
    ):
        with pytest.raises(error, match=match):
            method.fit(images, labels)


def test_pictures_without_texture_teach_no_texture():
    with pytest.raises(BadInput, match="no texture"):
        TextureDiscriminator().fit([np.full((8, 8), 0.5)], [np.eye(8, dtype=int)])
