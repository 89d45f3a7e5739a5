"""k-space: the laws, the closed forms, masks drawn and masks read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from aplomb.degrade.fourier import as_complex, coils, fourier, kspace_mask, mri, read_mask, to_complex
from aplomb.degrade.sample import mask
from aplomb.errors import BadInput, ImageFileError, ShapeError
from aplomb.operator import chain
from laws import close, everything
from makers import GROUPS

DATA = Path(os.environ.get("APLOMB_DATA", "")) / "mri-masks"


@everything(GROUPS["fourier"])
def test_laws(law, maker):
    law(maker)


def test_fourier_is_numpys_with_both_origins_in_the_middle():
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 5))
    wanted = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(to_complex(x), axes=(2, 3)), norm="ortho"), axes=(2, 3))
    close(to_complex(fourier()(x)), wanted, 1e-14)


@pytest.mark.parametrize("kind", ["cartesian", "radial", "random"])
@pytest.mark.parametrize("size", [(6, 8), (5, 7)])
@pytest.mark.parametrize("real", [True, False])
def test_one_coil_has_a_closed_form(kind, size, real):
    """And it is the right one: the law says nothing where none is known."""
    model = mri(kspace_mask(kind, size, 0.5, seed=3), real=real)
    inverse = model.resolvent(0.3)
    assert inverse is not None
    b = np.random.default_rng(1).normal(size=(1, 1 if real else 2, *size))
    x = inverse(b)
    close(model.adjoint()(model(x)) + 0.3 * x, b, 1e-12)


def test_a_mask_for_each_channel_has_none():
    masks = np.stack([kspace_mask("random", (4, 4), 0.5, seed=s) for s in (0, 1)])
    assert chain(as_complex(), fourier(), mask(masks)).resolvent(1.0) is None


def test_several_coils_have_none_unless_all_is_measured():
    maps = np.ones((2, 4, 4)) * np.array([0.6, 0.8j])[:, None, None]
    assert mri(kspace_mask("random", (4, 4), 0.5), maps).resolvent(1.0) is None
    assert mri(np.ones((4, 4)), maps).resolvent(1.0) is not None


def test_the_bound_of_coils_is_attained():
    maps = np.zeros((2, 3, 3), complex)
    maps[:, 1, 2] = 3.0, 4.0j
    assert coils(maps).lipschitz().value == 5.0
    assert coils(maps).lipschitz().kind == "exact"


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.62, 1.0])
@pytest.mark.parametrize("shape", [(64, 64), (33, 50)])
def test_masks_keep_the_fraction_asked_and_the_middle(fraction, shape):
    h, w = shape
    for kind, slack in (("cartesian", 0.5 / w), ("radial", 2 / min(shape)), ("random", 0.5 / (h * w))):
        mask = kspace_mask(kind, shape, fraction, seed=2)
        assert mask.shape == shape
        assert mask.dtype == bool
        assert mask.mean() == pytest.approx(fraction, abs=slack + 1e-12)
        assert mask[h // 2, w // 2]
        np.testing.assert_array_equal(mask, kspace_mask(kind, shape, fraction, seed=2))
        if fraction < 1:
            assert (mask != kspace_mask(kind, shape, fraction, seed=3)).any()


def test_cartesian_masks_are_columns_with_a_whole_middle():
    mask = kspace_mask("cartesian", (16, 100), 0.3, centre=0.09)
    assert (mask == mask[:1]).all()
    assert mask[0, 46:55].all()


def test_random_masks_are_denser_in_the_middle():
    mask = kspace_mask("random", (128, 128), 0.2)
    assert mask[61:68, 61:68].all()
    assert mask[32:96, 32:96].mean() > 2 * mask.mean()


def test_spokes_pass_through_the_middle():
    mask = kspace_mask("radial", (65, 65), 0.05, seed=1)
    y, x = np.nonzero(mask)
    assert mask[31:34, 31:34].sum() >= 5
    # a picture turned by half a turn has the same spokes, but for rounding
    assert (mask & mask[::-1, ::-1]).sum() > 0.9 * len(y)
    assert min(y.min(), x.min()) == 0


def test_few_spokes_leave_no_gap():
    mask = kspace_mask("radial", (129, 129), 0.06)
    y, x = np.argwhere(mask).T - 64
    far = np.hypot(y, x) > 40
    assert {*np.floor(np.arctan2(y, x)[far] % np.pi / (np.pi / 4))} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"kind": "spiral"}, "cartesian, radial, random"),
        ({"fraction": 0.0}, "above 0"),
        ({"fraction": 1.2}, "found 1.2"),
        ({"shape": (0, 4)}, "found \\(0, 4\\)"),
        ({"centre": -1.0}, "found -1.0"),
    ],
)
def test_impossible_masks_are_refused(asked, says):
    with pytest.raises(BadInput, match=says):
        kspace_mask(**{"kind": "random", "shape": (8, 8), **asked})


@pytest.mark.parametrize(
    ("mask", "says"),
    [(np.zeros((4, 4)), "empty"), (np.ones(4), "shape"), (np.full((4, 4), 0.5), "values 0 and 1")],
)
def test_impossible_models_are_refused(mask, says):
    with pytest.raises(BadInput, match=says):
        mri(mask)


def test_impossible_coils_are_refused():
    with pytest.raises(ShapeError, match="2 coil maps of 3x3"):
        mri(np.ones((4, 4)), np.ones((2, 3, 3)))
    for maps in (np.ones((3, 3)), np.full((1, 2, 2), np.nan), np.zeros((1, 2, 2))):
        with pytest.raises(BadInput):
            coils(maps)


def centred(h, w):
    mask = kspace_mask("random", (h, w), 0.3)
    assert (mask != np.fft.fftshift(mask)).any()
    return mask


def test_masks_are_read_back(tmp_path):
    from scipy.io import savemat

    from aplomb.io import write

    mask = centred(8, 12)
    np.save(tmp_path / "m.npy", mask)
    write(tmp_path / "m.png", mask.astype(np.uint8) * 255)
    savemat(tmp_path / "m.mat", {"Q": mask.astype(np.uint8), "OMEGA": np.flatnonzero(mask)[:, None]})
    savemat(tmp_path / "two.mat", {"Q1": np.fft.ifftshift(mask), "Q2": mask})
    for name in ("m.npy", "m.png", "m.mat", "two.mat"):
        np.testing.assert_array_equal(read_mask(tmp_path / name, (8, 12)), mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "two.mat", key="Q1", centred=False), mask)


def test_masks_that_are_none_are_refused(tmp_path):
    from scipy.io import savemat

    mask = centred(8, 12)
    np.save(tmp_path / "m.npy", mask)
    np.save(tmp_path / "empty.npy", np.zeros((3, 3)))
    savemat(tmp_path / "two.mat", {"a": mask, "b": ~mask})
    savemat(tmp_path / "other.mat", {"a": np.full((3, 3), 7)})
    for name in ("junk.mat", "junk.npy"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
    for name, kind, says in (
        ("none.mat", ImageFileError, "no such file"),
        ("empty.npy", BadInput, "empty"),
        ("two.mat", ImageFileError, "found a, b"),
        ("other.mat", ImageFileError, "found none among a"),
        ("junk.mat", ImageFileError, "not a sound MATLAB file"),
        ("junk.npy", ImageFileError, "not a sound .npy file"),
    ):
        with pytest.raises(kind, match=says):
            read_mask(tmp_path / name)
    with pytest.raises(ShapeError, match=r"m\.npy.*256x256"):
        read_mask(tmp_path / "m.npy", (256, 256))
    with pytest.raises(ImageFileError, match="asked for the variable 'c'"):
        read_mask(tmp_path / "two.mat", key="c")


@pytest.mark.skipif(not DATA.is_dir(), reason="no masks in $APLOMB_DATA")
@pytest.mark.parametrize("name", ["Cartesian", "Radial", "Random"])
def test_the_masks_of_the_field_are_read_with_the_middle_in_the_middle(name):
    mask = read_mask(DATA / f"Q_{name}30.mat", (256, 256))
    assert mask.mean() == pytest.approx(0.3, abs=0.01)
    assert mask[127:130, 127:130].mean() > 0.8
