"""Tomography: the laws, scikit-image's transform, discs whose chords are known, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import aplomb.degrade.radon
from aplomb.degrade.radon import fan_beam, radon
from aplomb.errors import BadInput, ShapeError
from laws import close, everything
from makers import GROUPS


@everything(GROUPS["radon"])
def test_laws(law, maker):
    law(maker)


def disc(size, radius, x, y, fine=8):
    """A disc around the point (x, y) pixels right of and below the axis of rotation, each pixel by its share of it."""
    at = (np.arange(size * fine) + 0.5) / fine - 0.5 - size // 2
    inside = np.hypot(at[:, None] - y, at - x) <= radius
    return inside.reshape(size, fine, size, fine).mean(axis=(1, 3))[None, None]


def chords(radius, distance):
    return 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0))


def difference(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize("circle", [True, False])
@pytest.mark.parametrize("size", [100, 81])
def test_it_is_the_radon_transform_of_scikit_image(size, circle):
    """On the Shepp-Logan phantom they differ by rounding only."""
    from skimage.data import shepp_logan_phantom
    from skimage.transform import radon as of_skimage
    from skimage.transform import resize

    phantom = resize(shepp_logan_phantom(), (size, size))
    angles = np.linspace(0, 180, 37)
    found = radon(size, angles, circle=circle)(phantom[None, None])[0, 0]
    wanted = of_skimage(phantom, angles, circle=circle)
    assert found.shape == wanted.shape
    assert difference(found, wanted) < 1e-12


def test_parallel_rays_see_chords():
    angles = np.arange(0, 180, 7.0)
    found = radon(96, angles)(disc(96, 15, 10, -20))[0, 0]
    s = np.arange(96)[:, None] - 48
    a = np.deg2rad(angles)
    wanted = chords(15, s - (10 * np.cos(a) + 20 * np.sin(a)))
    assert difference(found, wanted) < 0.02


@pytest.mark.parametrize(("source", "detector"), [(80.0, 0.0), (150.0, 70.0)])
def test_fan_rays_see_chords(source, detector):
    """Rays from the source to the detector's pixels, each as two points, and the distance of the disc from the line."""
    angles, (x, y) = np.arange(0, 360, 11.0), (10, -20)
    model = fan_beam(96, angles, source, detector)
    found = model(disc(96, 15, x, y))[0, 0]
    u = (np.arange(model.detectors)[:, None] - model.detectors // 2) * (source + detector) / source
    a = np.deg2rad(angles)
    across, along = np.array([np.cos(a), -np.sin(a)]), np.array([np.sin(a), np.cos(a)])
    start = -source * along[:, None]
    ray = detector * along[:, None] + u * across[:, None] - start
    to_disc = np.array([x, y])[:, None, None] - start
    distance = (ray[0] * to_disc[1] - ray[1] * to_disc[0]) / np.hypot(*ray)
    assert difference(found, chords(15, distance)) < 0.02


def test_a_source_far_away_sends_parallel_rays():
    x = np.random.default_rng(0).random((1, 1, 16, 16)) * disc(16, 6, 0, 0)
    angles = [0, 30, 100]
    far = fan_beam(16, angles, 1e9, detectors=16)(x)
    close(far, radon(16, angles)(x), 1e-5)


@pytest.mark.parametrize("make", [radon, lambda size, angles: fan_beam(size, angles, 60)])
def test_large_pictures_are_taken_in_pieces(make, monkeypatch):
    x = np.random.default_rng(0).random((3, 1, 32, 32))
    model = make(32, [0, 25, 50])
    y = model(x)
    back = model.adjoint()(y)
    monkeypatch.setattr(aplomb.degrade.radon, "CHUNK", 1)
    close(model(x), y, 1e-14)
    close(model.adjoint()(y), back, 1e-14)


def test_gradients_keep_no_samples():
    """Between forward and backward, torch holds nothing: no tensor is saved, and second derivatives are there."""
    torch = pytest.importorskip("torch")
    model, kept = radon(8, [0, 40]), []
    x = torch.rand((1, 1, 8, 8), dtype=torch.float64, requires_grad=True)

    def keep(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, keep):
        y = model(x)
    assert not kept
    assert torch.autograd.gradcheck(model, (x,))
    assert torch.autograd.gradgradcheck(model, (x,))
    assert y.requires_grad


def test_the_bound_is_close_to_the_norm():
    """Schur's test is not far off where all weights are positive, and is never below."""
    model = radon(24, np.arange(0, 180, 6.0))
    x = np.ones((1, 1, 24, 24))
    for _ in range(30):
        x = model.adjoint()(model(x))
        x /= np.linalg.norm(x)
    norm = np.linalg.norm(model(x))
    bound = model.lipschitz()
    assert bound.kind == "upper"
    assert norm <= bound.value <= 1.35 * norm
    assert model.adjoint().lipschitz() == bound


@pytest.mark.parametrize(
    ("ask", "kind", "says"),
    [
        (lambda: radon(0, [0]), BadInput, "0x0"),
        (lambda: radon(8, []), BadInput, r"shape \(0,\)"),
        (lambda: radon(8, [0, np.inf]), BadInput, "finite angles"),
        (lambda: radon(8, [0])(np.ones((1, 1, 8, 9))), ShapeError, r"of 8x8, found \(1, 1, 8, 9\)"),
        (lambda: fan_beam(64, [0], 40), BadInput, r"above 46\.67 for a picture of 64x64, found 40"),
        (lambda: fan_beam(8, [0], 20, -1), BadInput, "found -1"),
        (lambda: fan_beam(8, [0], 20, detectors=0), BadInput, "at least 1 detector"),
        (lambda: fan_beam(8, [0], 20, spacing=0.0), BadInput, "spacing above 0"),
    ],
)
def test_the_impossible_is_refused(ask, kind, says):
    with pytest.raises(kind, match=says):
        ask()
