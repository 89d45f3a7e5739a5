"""Interference, tomography, magnetic resonance, inpainting, up-sampling, demosaicking."""

import numpy as np
import pytest
from skimage import data
from skimage.transform import resize

from aplomb.classical.recovery import (
    SART,
    BandReject,
    BicubicUpsampling,
    Biharmonic,
    BilinearDemosaicking,
    FilteredBackProjection,
    Gridded,
    MalvarDemosaicking,
    OptimumNotch,
    ZeroFilled,
    gridded_inverse,
    spikes,
)
from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import coils, mri
from aplomb.degrade.interference import interference
from aplomb.degrade.noise import Gaussian
from aplomb.degrade.psf import gaussian
from aplomb.degrade.radon import fan_beam, radon
from aplomb.degrade.sample import PATTERNS, bicubic, mask, mosaic
from aplomb.errors import BadInput, ShapeError
from aplomb.layers import downsample
from aplomb.metrics import psnr
from aplomb.operator import chain

PICTURE = np.ascontiguousarray(data.camera()[80:208, 160:288])[None, None] / 255
COLOUR = np.moveaxis(data.astronaut()[20:116, 170:266], -1, 0)[None] / 255
HEAD = resize(data.shepp_logan_phantom(), (96, 96), anti_aliasing=True)[None, None]


def quality(x, clean):
    return psnr(x, clean, peak=1)


def recovered(method, operator, clean, sigma=0.0, seed=0):
    forward = ForwardModel(operator, Gaussian(sigma) if sigma else None)
    return method(forward.simulate(clean, np.random.default_rng(seed)), forward)


# -- interference --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", [(0.0, 0.25), (0.1, 0.13), (-0.31, 0.2)])
def test_optimum_notch_removes_interference_and_leaves_the_picture(frequency):
    """Row E5: with frequencies on the transform's grid and between."""
    operator = interference(frequency, 0.15, 0.7)
    before = quality(operator(PICTURE), PICTURE)
    notch = quality(recovered(OptimumNotch(), operator, PICTURE), PICTURE)
    assert notch > before + 12
    assert notch > quality(recovered(BandReject(), operator, PICTURE), PICTURE) + 1


def test_the_weight_leaves_the_least_local_variance():
    """Row E5: no other constant weight does better in a window, and a clean picture is hardly touched."""
    from scipy.ndimage import uniform_filter

    from aplomb.classical.recovery.periodic import notch_pass

    method, places = OptimumNotch(window=21), ((0.1, 0.13),)
    g = interference(places[0], 0.15)(PICTURE)[0, 0]
    noise = notch_pass(g, places, method.radius)
    row, column = 60, 70
    here = (slice(row - 10, row + 11), slice(column - 10, column + 11))
    scatter = [np.var(g[here] - w * noise[here]) for w in np.linspace(0, 2, 201)]
    mean = {k: uniform_filter(v, 21, mode="mirror")[row, column] for k, v in
            {"g n": g * noise, "g": g, "n": noise, "n n": noise**2}.items()}  # fmt: skip
    weight = (mean["g n"] - mean["g"] * mean["n"]) / (mean["n n"] - mean["n"] ** 2)
    assert weight == pytest.approx(np.linspace(0, 2, 201)[np.argmin(scatter)], abs=0.01)
    assert method.clean(g, places)[row, column] == pytest.approx(g[row, column] - weight * noise[row, column])
    assert quality(method.clean(PICTURE[0, 0], places), PICTURE[0, 0]) > 30


def test_interference_is_found_by_its_spikes():
    waves = chain(interference((0.1, 0.13), 0.1), interference((0.0, 0.3), 0.1))
    y = waves(PICTURE)
    found = spikes(y[0, 0])
    for wanted in ((0.1, 0.13), (0.0, 0.3)):
        assert any(np.hypot(f[0] - wanted[0], f[1] - wanted[1]) < 1 / 128 for f in found), found
    assert spikes(PICTURE[0, 0]) == ()
    untouched = OptimumNotch().clean(PICTURE[0, 0])
    assert np.array_equal(untouched, PICTURE[0, 0])
    assert quality(OptimumNotch().clean(y[0, 0]), PICTURE[0, 0]) > quality(y, PICTURE) + 5


def test_band_reject_takes_out_a_wave_whole():
    columns = np.mgrid[:64, :64][1]
    wave = 0.2 * np.cos(2 * np.pi * 0.125 * columns)
    assert abs(BandReject().clean(0.5 + wave, ((0.0, 0.125),)) - 0.5).max() < 1e-9


# -- tomography ----------------------------------------------------------------------------------------------


def test_filtered_back_projection_of_the_shepp_logan_phantom():
    angles = np.arange(0, 180, 1.0)
    whole = quality(recovered(FilteredBackProjection(), radon(96, angles), HEAD), HEAD)
    assert whole > 28
    assert quality(recovered(FilteredBackProjection(), radon(96, angles, circle=False), HEAD), HEAD) > 28
    assert quality(recovered(FilteredBackProjection(), radon(96, angles[::9]), HEAD), HEAD) < whole - 5


def test_windows_follow_the_noise():
    operator = radon(96, np.arange(0, 180, 2.0))
    for sigma, window in ((0.02, "ramp"), (0.6, "cosine"), (3.0, "hann")):
        chosen = recovered(FilteredBackProjection(), operator, HEAD, sigma)
        assert np.array_equal(chosen, recovered(FilteredBackProjection(window), operator, HEAD, sigma))


@pytest.mark.parametrize("first", [0.0, 33.3])
def test_fan_beams_become_parallel_ones(first):
    """Also with the angles out of order and not from 0; the phantom is not symmetric, so a mirror would show."""
    angles = np.roll(np.arange(0, 360, 1.5) + first, 17)
    fan = fan_beam(96, angles, 150.0, 50.0)
    forward = ForwardModel(fan)
    x = FilteredBackProjection()(fan(HEAD), forward)
    assert quality(x, HEAD) > 26


@pytest.mark.parametrize("operator", [radon(48, np.arange(0, 180, 6.0)), fan_beam(48, np.arange(0, 360, 12.0), 80.0)])
def test_sart_beats_filtered_back_projection_of_few_angles(operator):
    small = resize(HEAD[0, 0], (48, 48), anti_aliasing=True)[None, None]
    fbp = recovered(FilteredBackProjection(), operator, small)
    assert quality(recovered(SART(iterations=8), operator, small), small) > quality(fbp, small) + 0.5


def test_sart_by_the_operator_agrees_with_scikit_image():
    operator = radon(48, np.arange(0, 180, 6.0))
    small = resize(HEAD[0, 0], (48, 48), anti_aliasing=True)[None, None]
    y = operator(small)
    method = SART(iterations=8)
    theirs, ours = method(y, ForwardModel(operator)), method._by_operator(y, operator, 8)
    assert quality(ours, theirs) > 26


def test_fan_beams_that_do_not_go_around_are_refused():
    short = ForwardModel(fan_beam(48, np.arange(0, 200, 5.0), 80.0))
    assert FilteredBackProjection().fits(short) == "a fan beam needs angles that go evenly around 360 degrees"
    assert SART().fits(short) == ""


# -- magnetic resonance --------------------------------------------------------------------------------------


def test_everything_measured_comes_back_whole():
    forward = ForwardModel(mri(np.ones((128, 128), bool)))
    y = forward.operator(PICTURE)
    for method in (ZeroFilled(), Gridded()):
        assert np.allclose(method(y, forward), PICTURE)


def test_coils_are_combined_by_their_maps():
    rows, columns = np.mgrid[-1:1:128j, -1:1:128j]
    maps = np.stack([np.exp(-((rows - a) ** 2) - (columns - b) ** 2 + 1j * a * rows) for a in (-1, 1) for b in (-1, 1)])
    forward = ForwardModel(mri(np.ones((128, 128), bool), maps))
    assert not coils(maps).isometry
    assert np.allclose(ZeroFilled()(forward.operator(PICTURE), forward), PICTURE)


def test_gridding_weighs_what_is_rare():
    measured = np.zeros((64, 64), bool)
    measured[:, :32] = True  # all of the left half, every fourth column of the right
    measured[:, 32::4] = True
    forward = ForwardModel(mri(measured, real=False))
    spectrum = np.ones((1, 2, 64, 64)) * measured
    weighted = forward.operator(Gridded(largest=3.0)(spectrum, forward))[0, 0]
    assert np.allclose(weighted[:, 10:20][measured[:, 10:20]], 1, atol=1e-3)
    assert np.allclose(weighted[:, 52], 3)
    assert np.allclose(forward.operator(Gridded()(spectrum, forward))[0, 0, :, 52], 1.5)


def test_gridding_of_samples_between_the_places():
    """Spokes of k-space, by the sum itself: a small picture comes back by density-weighted gridding."""
    n = 32
    rng = np.random.default_rng(0)
    where = rng.uniform(-n / 2, n / 2 - 1e-9, (300, 2))
    values = rng.normal(size=300) + 1j * rng.normal(size=300)
    at = np.arange(n) - n // 2
    rows, columns = (np.exp(2j * np.pi * np.outer(where[:, i], at) / n) for i in (0, 1))
    exact = np.einsum("m,mi,mj->ij", values, rows, columns) / n
    close = gridded_inverse(values, where, (n, n))
    inside = (slice(4, -4), slice(4, -4))
    assert abs(close - exact)[inside].max() < 0.02 * abs(exact).max()


def test_gridding_refuses():
    with pytest.raises(ShapeError, match=r"\(M, 2\) places"):
        gridded_inverse(np.ones(3), np.zeros((4, 2)), (8, 8))
    with pytest.raises(BadInput, match="places from -N/2 to N/2"):
        gridded_inverse(np.ones(1), [[5, 0]], (8, 8))


# -- inpainting, up-sampling, demosaicking -------------------------------------------------------------------


def test_biharmonic_keeps_what_is_known_and_fills_a_plane():
    rows, columns = np.mgrid[:24, :20] / 40
    plane = (0.2 + rows + 0.5 * columns)[None, None]
    seen = np.random.default_rng(0).random((24, 20)) < 0.5
    assert abs(recovered(Biharmonic(), mask(seen), plane) - plane).max() < 0.03
    weights = np.where(seen, 0.5, 0)
    x = recovered(Biharmonic(), mask(weights), COLOUR[:, :, :24, :20])
    assert np.allclose(x[..., seen], COLOUR[:, :, :24, :20][..., seen])
    assert quality(x, COLOUR[:, :, :24, :20]) > 20


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("leaf", [downsample, bicubic, lambda m: chain(blur(gaussian(0.3)), downsample(m))])
def test_bicubic_interpolation_lies_where_the_pixels_were(leaf, m):
    """Keys' kernel is exact for quadratics, and a shift by half a pixel would show."""
    rows, columns = np.mgrid[:48, :60] / 60
    smooth = (0.3 * rows**2 + 0.2 * rows * columns + 0.1 * columns)[None, None]
    x = recovered(BicubicUpsampling(), leaf(m), smooth)
    inside = (..., slice(12, -12), slice(12, -12))
    assert abs(x - smooth)[inside].max() < 5e-4


@pytest.mark.parametrize("pattern", PATTERNS)
def test_demosaicking_gains_in_order(pattern):
    malvar = recovered(MalvarDemosaicking(), mosaic(pattern), COLOUR)
    bilinear = recovered(BilinearDemosaicking(), mosaic(pattern), COLOUR)
    assert quality(malvar, COLOUR) > quality(bilinear, COLOUR) + 1 > 26
    measured = mosaic(pattern)(COLOUR)
    for x in (malvar, bilinear):
        assert np.allclose(mosaic(pattern)(x), measured)
    grey = np.tile(np.linspace(0, 1, 32), (32, 1))[None, None].repeat(3, axis=1)
    for method in (MalvarDemosaicking(), BilinearDemosaicking()):
        assert np.allclose(recovered(method, mosaic(pattern), grey)[..., 3:-3, 3:-3], grey[..., 3:-3, 3:-3])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OptimumNotch(radius=0), "a radius of at least 0.001"),
        (lambda: OptimumNotch(window=2), "a window, a whole number of at least 3"),
        (lambda: BandReject(width=-1), "a width"),
        (lambda: FilteredBackProjection("blackman"), "asked for the window 'blackman', known are: ramp, shepp-logan"),
        (lambda: SART(iterations=0), "iterations"),
        (lambda: SART(relaxation=-1), "a relaxation"),
        (lambda: Gridded(width=0), "a width"),
        (lambda: Gridded(largest=0.5), "a largest weight of at least 1"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(BadInput, match=message):
        make()
