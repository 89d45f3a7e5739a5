import numpy as np
import pytest

from aplomb.degrade.shake import kernel, shake, shaken, trajectory
from aplomb.errors import BadInput, ShapeError


def length(path):
    return np.hypot(*np.diff(path, axis=0).T).sum()


def centroid(psf):
    places = np.arange(len(psf)) - len(psf) // 2
    return psf.sum(axis=1) @ places, psf.sum(axis=0) @ places


def ramp(height=40, width=50):
    rows, columns = np.mgrid[:height, :width]
    return 0.2 + 0.004 * rows + 0.008 * columns


@pytest.mark.parametrize("pixels", [0.0, 3.5, 40.0])
def test_a_path_is_as_long_as_asked_and_centred(pixels):
    path = trajectory(pixels, seed=4)
    assert length(path) == pytest.approx(pixels)
    assert np.allclose(path.mean(axis=0), 0)


def test_length_scales_a_shape_and_seed_changes_it():
    assert np.allclose(trajectory(20, seed=7), 4 * trajectory(5, seed=7))
    assert not np.allclose(trajectory(5, seed=7), trajectory(5, seed=8))


def test_smoothness_makes_a_path_straighter():
    def reach(s):
        paths = [trajectory(10, seed, smoothness=s) for seed in range(20)]
        return np.mean([np.ptp(path, axis=0).max() for path in paths])

    assert reach(0.999) > 1.3 * reach(0.9) > 1.3 * reach(0)


@pytest.mark.parametrize("seed", range(5))
def test_a_kernel_is_a_psf_whose_centroid_is_its_middle(seed):
    psf = shake(15.0, seed)
    assert psf.dtype == np.float64
    assert psf.shape[0] == psf.shape[1]
    assert psf.shape[0] % 2
    assert psf.min() >= 0
    assert psf.sum() == pytest.approx(1)
    assert centroid(psf) == pytest.approx((0, 0), abs=1e-12)
    assert np.count_nonzero(psf) > 5


def test_a_shift_moves_the_centroid():
    assert centroid(kernel(trajectory(9, 2), (1.25, -2.5))) == pytest.approx((1.25, -2.5))


def test_a_burst_is_the_picture_moved_and_blurred():
    """A slope keeps its slope under any blur, so that each frame shows its own shift: down and to the right."""
    u = ramp()
    burst = shaken(u, count=4, seed=1)
    for frame, (down, right) in zip(burst.frames, burst.shifts, strict=True):
        inside = (slice(15, -15),) * 2
        assert np.allclose(frame[inside], (u - 0.004 * down - 0.008 * right)[inside])
    assert np.ptp(burst.shifts) > 1
    assert np.abs(burst.shifts).max() <= 3


def test_a_burst_has_its_kernels():
    """A single bright pixel, unshifted, becomes the kernel."""
    u = np.zeros((61, 61))
    u[30, 30] = 1
    burst = shaken(u, count=3, shift=0, seed=6)
    for frame, psf in zip(burst.frames, burst.kernels, strict=True):
        r = len(psf) // 2
        assert np.allclose(frame[30 - r : 31 + r, 30 - r : 31 + r], psf)
        assert frame.sum() == pytest.approx(1)


def test_channels_are_blurred_alike_and_noise_is_their_own():
    u = np.repeat(ramp()[..., None], 3, axis=2)
    clean, noisy = shaken(u, count=2, seed=3), shaken(u, count=2, seed=3, sigma=0.1)
    assert np.allclose(clean.frames[..., 0], clean.frames[..., 2])
    first = noisy.frames[0] - clean.frames[0]
    assert first.std() == pytest.approx(0.1, rel=0.05)
    assert abs(np.corrcoef(first[..., 0].ravel(), first[..., 1].ravel())[0, 1]) < 0.1


def test_a_seed_repeats():
    assert np.array_equal(shaken(ramp(), 2, sigma=0.1, seed=9).frames, shaken(ramp(), 2, sigma=0.1, seed=9).frames)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: trajectory(-1), BadInput, "-1 pixels"),
        (lambda: trajectory(500), BadInput, "0 to 400"),
        (lambda: trajectory(5, smoothness=1), BadInput, "smoothness 1"),
        (lambda: kernel(np.zeros(3)), ShapeError, r"\(3,\)"),
        (lambda: shaken(np.zeros((8, 8), np.uint8)), BadInput, "uint8"),
        (lambda: shaken(np.zeros(8)), ShapeError, r"\(8,\)"),
        (lambda: shaken(ramp(), count=0), BadInput, "0 frames"),
        (lambda: shaken(ramp(), length=(9, 2)), BadInput, "9 to 2"),
        (lambda: shaken(ramp(), sigma=-1), BadInput, "sigma"),
    ],
)
def test_bad_input_is_one_clear_line(call, error, words):
    with pytest.raises(error, match=words):
        call()
