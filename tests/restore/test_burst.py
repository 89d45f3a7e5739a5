from functools import cache

import numpy as np
import pytest
from skimage.data import astronaut, camera

from aplomb import psnr
from aplomb.degrade.shake import shaken
from aplomb.errors import BadInput, ModelError, ShapeError
from aplomb.io import Picture
from aplomb.nets import burst_weights
from aplomb.restore.burst import (
    LEAST_CORRELATION,
    burst,
    correlation,
    features,
    fuse,
    magnitudes,
    power_weights,
    register,
    sharpest,
)


@cache
def clean():
    return camera()[60:220, 130:290] / 255


@cache
def still():
    """Six frames of one place, shaken each in its own way."""
    return shaken(clean(), 6, (8, 20), shift=0, sigma=0.03, seed=2).frames


def inside(image, border=16):
    return image[border:-border, border:-border]


def level(image, reference=None):
    return psnr(np.clip(inside(image), 0, 1), inside(clean() if reference is None else reference))


# -- the formula ---------------------------------------------------------------------------------------------


def test_weights_are_those_of_the_paper():
    smooth = np.random.default_rng(0).uniform(0.1, 5, (4, 6, 7)).astype(np.float32)
    for p in (0, 1, 3, 11):
        expected = smooth.astype(float) ** p / (smooth.astype(float) ** p).sum(axis=0)
        assert np.allclose(power_weights(smooth, p), expected, atol=1e-6)


def test_an_infinite_power_takes_the_largest_and_zeros_are_shared():
    smooth = np.array([[[2.0, 0.0]], [[5.0, 0.0]], [[1.0, 0.0]]], np.float32)
    assert np.allclose(power_weights(smooth, np.inf)[:, 0], [[0, 1 / 3], [1, 1 / 3], [0, 1 / 3]])
    assert np.allclose(power_weights(smooth, 1e4)[:, 0], [[0, 1 / 3], [1, 1 / 3], [0, 1 / 3]])


def test_power_zero_is_the_mean():
    assert np.allclose(burst(still(), p=0, align=False).image, still().mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("weights", ["power", "learned"])
def test_equal_frames_come_back(weights):
    result = burst([clean()] * 3, weights=weights)
    assert np.allclose(result.image, clean(), atol=1e-5)
    assert np.allclose(result.weights, 1 / 3, atol=1e-6)
    assert not result.shifts.any()


def test_a_frequency_is_taken_from_where_it_is():
    """Two waves, each missing in one frame: both are in the result with what they had."""
    rows, columns = np.mgrid[:64, :64] * 2 * np.pi / 64
    first, second = 0.2 * np.cos(9 * columns), 0.2 * np.cos(20 * rows)
    planes = (0.5 + np.stack([first, second]))[:, None].astype(np.float32)
    joined = fuse(planes, power_weights(magnitudes(planes), 30))[0]
    assert np.allclose(joined, 0.5 + first + second, atol=1e-3)


def test_magnitudes_are_smooth_means_of_channels():
    planes = np.random.default_rng(0).random((1, 3, 24, 24)).astype(np.float32)
    raw = np.abs(np.fft.fft2(planes))[0].mean(axis=0)
    found = magnitudes(planes)[0]
    assert found.mean() == pytest.approx(raw.mean(), rel=1e-5)  # smoothing round the corner loses nothing
    assert found[1:, 1:].std() < 0.9 * raw[1:, 1:].std()
    mirrored = np.roll(found[::-1, ::-1], (1, 1), (0, 1))
    assert np.allclose(found, mirrored, rtol=1e-4)  # so the result is real


# -- what it is for ------------------------------------------------------------------------------------------


def test_it_is_better_than_the_frames_and_their_mean():
    best, mean = max(map(level, still())), level(still().mean(axis=0))
    found = level(burst(still(), align=False).image)
    assert found > best + 1
    assert found > mean + 2


def test_learned_weights_beat_every_power():
    powers = [level(burst(still(), p, align=False).image) for p in (3, 7, 11, 30)]
    assert level(burst(still(), align=False, weights="learned").image) > max(powers)


def test_learned_weights_start_as_a_power():
    smooth = magnitudes(still()[:, None].astype(np.float32))
    scores = burst_weights(p=7)(features(smooth))[:, 0]
    grown = np.exp(scores - scores.max(axis=0))
    assert np.allclose(grown / grown.sum(axis=0), power_weights(smooth, 7), atol=1e-5)


def test_features_tell_the_frequency_and_the_noise():
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 1, 64, 64)).astype(np.float32)
    found = features(magnitudes(noise))
    assert found[:, 0].max() == 0
    assert found[0, 1, 0, 32] == pytest.approx(1)  # half the sampling rate
    assert found[0, 1, 0, 0] == 0
    assert abs(found[0, 2].mean()) < 0.1  # all of it is noise
    assert features(magnitudes(noise + 0.5))[0, 2, 0, 0] > 0.5


# -- registration --------------------------------------------------------------------------------------------


def test_frames_are_moved_onto_the_sharpest():
    taken = shaken(clean(), 5, (2, 12), shift=9, sigma=0.01, seed=4)
    result = burst(taken.frames)
    expected = taken.shifts[result.reference] - taken.shifts
    assert np.abs(result.shifts - expected).max() < 1
    assert not result.shifts[result.reference].any()
    loose = burst(taken.frames, align=False)
    assert not loose.shifts.any()
    from scipy.ndimage import shift

    target = shift(clean(), taken.shifts[result.reference], order=5, mode="mirror")
    assert level(result.image, target) > level(loose.image, target) + 3


def test_the_sharpest_frame_is_the_least_blurred_even_if_noisy():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    frames = [gaussian_filter(clean(), s) + rng.normal(0, 0.04, clean().shape) for s in (3, 0.5, 2)]
    assert sharpest(np.stack(frames)[:, None].astype(np.float32)) == 1


def test_what_a_moved_frame_does_not_show_comes_from_the_reference():
    first = clean()[40:120, 40:120]
    second = clean()[50:130, 33:113]  # the same scene, moved by 10 rows up and 7 columns to the right
    planes, shifts = register(np.stack([first, second])[:, None].astype(np.float32))
    assert np.allclose(shifts[1], (10, -7), atol=0.1)
    assert np.allclose(planes[1, 0, :9], first[:9])
    assert np.allclose(planes[1, 0, 12:, :-9], first[12:, :-9], atol=0.05)
    result = burst([first, second])
    assert "10 rows" in result.notes[0]
    assert level(result.image, (first, second)[result.reference]) > 35


def test_other_scenes_are_told_from_shaken_ones():
    rng = np.random.default_rng(0)
    pieces = [camera()[y : y + 128, x : x + 128] / 255 for y, x in ((0, 0), (60, 200), (300, 300), (350, 100))]
    for piece in pieces:
        frames = shaken(piece, 4, (10, 30), shift=0, sigma=0.1, seed=int(rng.integers(99))).frames
        assert (
            min(correlation(frames[0], frame, np.ones(piece.shape, bool)) for frame in frames) > 1.5 * LEAST_CORRELATION
        )
    with pytest.raises(BadInput, match=r"frame 2 does not overlap frame 1.*correlation is"):
        burst([pieces[1], pieces[2]])
    with pytest.raises(BadInput, match="frame 3 does not overlap"):
        burst([*still()[:2], camera()[300:460, 300:460] / 255])
    burst([pieces[1], pieces[2]], align=False)  # who says that they fit is believed


def test_flat_frames_are_no_other_scene():
    assert np.allclose(burst([np.full((20, 20), 0.5)] * 2).image, 0.5)


# -- kinds of pictures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_dtype_and_layout_come_back(dtype):
    white = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    colour = astronaut()[:64, 150:230] / 255
    frames = (np.clip(shaken(colour, 3, (1, 4), shift=1, seed=1).frames, 0, 1) * white).astype(dtype)
    result = burst(list(frames))
    assert result.image.shape == (64, 80, 3)
    assert result.image.dtype == dtype
    assert result.weights.shape == (3, 64, 80)
    assert np.allclose(result.weights.sum(axis=0), 1, atol=1e-5)
    assert sum(result.shares) == pytest.approx(1, abs=1e-5)


def test_a_stack_is_a_burst_and_alpha_is_kept():
    frames = (np.clip(still(), 0, 1) * 255).astype(np.uint8)
    one = burst(frames, align=False).image
    assert np.array_equal(burst(Picture(frames), align=False).image, one)
    assert np.array_equal(burst(list(frames), align=False).image, one)
    rgba = np.repeat(frames[..., None], 4, axis=-1)
    rgba[..., 3] = np.arange(6)[:, None, None] + 100
    for given in (rgba, list(rgba)):
        found = burst(given, align=False).image
        assert found.shape == (160, 160, 4)
        assert (found[..., 3] == 100).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 3), (31, 37)])
def test_odd_sizes(size):
    frames = list(np.random.default_rng(0).random((2, *size)))
    for weights in ("power", "learned"):
        image = burst(frames, align=False, weights=weights).image
        assert image.shape == size
        assert np.isfinite(image).all()


@pytest.mark.parametrize(
    ("frames", "error", "words"),
    [
        ([np.zeros((8, 8))], BadInput, "1 frame"),
        ([], BadInput, r"0 frame\(s\); give two or more"),
        (np.zeros((8, 8, 3)), BadInput, "1 frame"),
        ([np.zeros((8, 9)), np.zeros((8, 7))], ShapeError, "frame 1 is 9 x 8 pixels, grey, frame 2 is 7 x 8 pixels"),
        ([np.zeros((8, 8)), np.zeros((8, 8, 3))], ShapeError, "frame 2 is 8 x 8 pixels, RGB"),
        ([np.zeros((8, 8)), np.zeros((8, 8), np.uint8)], BadInput, "frame 1 is float64, frame 2 is uint8"),
        ([np.zeros((8, 8)), np.full((8, 8), np.nan)], BadInput, "frame 2"),
    ],
)
def test_bad_frames_are_named(frames, error, words):
    with pytest.raises(error, match=words):
        burst(frames)


def test_bad_options():
    with pytest.raises(BadInput, match="power -1"):
        burst(still(), p=-1)
    with pytest.raises(BadInput, match="'best'; give power, learned"):
        burst(still(), weights="best")
    from aplomb.model import load

    with pytest.raises(ModelError, match="denoises"):
        burst(still(), weights=load("denoise-grey"))


def test_the_noise_is_read_where_pictures_have_nothing():
    """A picture that fills most of the spectrum is not taken for noise."""
    smooth = np.full((2, 60, 60), np.exp(4), np.float32)
    corner = np.abs(np.fft.fftfreq(60)) > 0.35
    smooth[:, corner[:, None] & corner[None]] = 1
    assert features(smooth)[0, 2, 0, 0] == pytest.approx(1, abs=1e-4)
