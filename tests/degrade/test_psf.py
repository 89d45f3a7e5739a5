"""Point spread functions: areas, lengths, files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from aplomb.degrade.psf import check_psf, disk, gaussian, motion, read_psf
from aplomb.errors import BadInput, ImageFileError
from aplomb.io import write


def moments(psf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean position from the centre, and the covariance matrix, rows first."""
    grid = np.indices(psf.shape).reshape(2, -1) - np.array(psf.shape)[:, None] // 2
    mean = grid @ psf.ravel()
    return mean, (grid * psf.ravel()) @ grid.T - np.outer(mean, mean)


@pytest.mark.parametrize("psf", [gaussian(1.6), gaussian(0.3, 5), disk(0.2), disk(3.3), motion(7, 20), motion(0.5)])
def test_centred_non_negative_of_sum_one(psf):
    assert psf.sum() == pytest.approx(1, abs=1e-12)
    assert psf.min() >= 0
    np.testing.assert_allclose(psf, psf[::-1, ::-1], atol=1e-15)
    np.testing.assert_allclose(moments(psf)[0], 0, atol=1e-12)
    assert check_psf(psf) is not psf


def test_second_moments_are_those_of_the_continuous_shapes():
    """A box of one pixel adds 1 / 12 to what is integrated over pixels; a sampled Gaussian has none."""
    np.testing.assert_allclose(moments(gaussian(1.6, 31))[1], 1.6**2 * np.eye(2), rtol=1e-6, atol=1e-9)
    # of a disk of radius R: R^2 / 4 on each axis; of a line of length L: L^2 / 12 along it
    np.testing.assert_allclose(moments(disk(6.3))[1], (6.3**2 / 4 + 1 / 12) * np.eye(2), rtol=3e-3, atol=1e-9)
    along = np.array([-np.sin(np.radians(30)), np.cos(np.radians(30))])
    _, covariance = moments(motion(21, 30))
    assert along @ covariance @ along == pytest.approx(21**2 / 12, rel=0.02)
    across = np.array([along[1], -along[0]])
    assert across @ covariance @ across < 0.2


def test_motion_goes_counter_clockwise_from_the_horizontal():
    np.testing.assert_allclose(motion(5, 0), np.full((1, 5), 0.2), atol=1e-12)
    np.testing.assert_allclose(motion(5, 90), np.full((5, 1), 0.2), atol=1e-12)
    np.testing.assert_allclose(motion(5, 180), motion(5, 0), atol=1e-12)
    up_right = motion(9, 45)
    assert up_right[0, -1] > 0
    assert up_right[0, 0] == 0


def test_sizes():
    assert gaussian(1.0, (3, 5)).shape == (3, 5)
    assert gaussian(1.0).shape == (7, 7)
    assert disk(0.4).shape == (1, 1)
    assert disk(2.5).shape == (5, 5)
    assert disk(2.6).shape == (7, 7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: check_psf(np.ones((3, 3))), "psf sums to 9, not to 1"),
        (lambda: check_psf(np.zeros((3, 3)), normalise=True), "zero everywhere"),
        (lambda: check_psf([[1.5, -0.5]]), "negative values down to -0.5"),
        (lambda: check_psf([[np.nan, 1.0]]), "NaN"),
        (lambda: check_psf([1.0]), r"found float64 \(1,\)"),
        (lambda: check_psf(np.ones((1, 1), complex)), "complex128"),
        (lambda: gaussian(0), "sigma 0"),
        (lambda: gaussian(1, 4), "odd"),
        (lambda: gaussian(1, (3, 4)), "odd"),
        (lambda: disk(-1), "radius -1"),
        (lambda: motion(float("inf")), "length inf"),
        (lambda: motion(3, float("nan")), "angle nan"),
    ],
)
def test_what_is_no_psf_is_refused_in_one_line(make, message):
    with pytest.raises(BadInput, match=message):
        make()


def test_pictures_are_divided_by_their_sum(tmp_path: Path):
    levels = np.array([[0, 10, 0], [20, 200, 30]], np.uint8)
    for name in ("k.png", "k.tif"):
        write(tmp_path / name, levels)
        np.testing.assert_allclose(read_psf(tmp_path / name), levels / 260)
    write(tmp_path / "colour.png", np.repeat(levels[..., None], 3, axis=2))
    np.testing.assert_allclose(read_psf(tmp_path / "colour.png"), levels / 260)
    write(tmp_path / "red.png", levels[..., None] * np.array([1, 0, 0], np.uint8))
    with pytest.raises(BadInput, match="in colour"):
        read_psf(tmp_path / "red.png")


def test_arrays_are_not(tmp_path: Path):
    kernels = np.stack([gaussian(1.0), motion(7).repeat(7, 0)])
    np.save(tmp_path / "k.npy", kernels.astype(np.float32))
    np.testing.assert_allclose(read_psf(tmp_path / "k.npy"), kernels[0], atol=1e-7)
    with pytest.raises(BadInput, match=r"k\.npy sums to 7, not to 1"):
        read_psf(tmp_path / "k.npy", 1)
    np.testing.assert_allclose(read_psf(tmp_path / "k.npy", 1, normalise=True), kernels[1] / 7, atol=1e-7)
    with pytest.raises(BadInput, match=r"psf 2 asked of .*k\.npy, which holds 2"):
        read_psf(tmp_path / "k.npy", 2)


def test_matlab_files_of_version_5(tmp_path: Path):
    kernels = [gaussian(1.0), motion(4, 20)]
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = kernels
    savemat(tmp_path / "cells.mat", {"kernels": cells})
    savemat(tmp_path / "planes.mat", {"k": np.stack([kernels[0], kernels[0].T], -1)})
    np.testing.assert_array_equal(read_psf(tmp_path / "cells.mat", 1), check_psf(kernels[1]))
    assert read_psf(tmp_path / "planes.mat", 1).shape == (7, 7)
    savemat(tmp_path / "two.mat", {"a": kernels[0], "b": kernels[1]})
    with pytest.raises(BadInput, match=r"2 arrays \(a, b\)"):
        read_psf(tmp_path / "two.mat")


def test_matlab_files_of_version_7_3_are_the_right_way_round(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    kernel = motion(6, 20)
    assert kernel.shape[0] != kernel.shape[1]
    path = tmp_path / "k.mat"
    for cells in (False, True):
        with h5py.File(path, "w", userblock_size=512) as file:
            if cells:
                file["#refs#/a"], file["#refs#/b"] = np.ones((1, 1)), kernel.T
                references = [[file["#refs#/a"].ref], [file["#refs#/b"].ref]]
                file.create_dataset("kernels", data=references, dtype=h5py.ref_dtype)
            else:
                file["kernel"] = kernel.T  # as MATLAB's memory is
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file")
        np.testing.assert_array_equal(read_psf(path, int(cells)), check_psf(kernel))


def test_levins_kernels():
    pytest.importorskip("h5py")
    if "APLOMB_DATA" not in os.environ:
        pytest.skip("APLOMB_DATA is not set")
    path = Path(os.environ["APLOMB_DATA"]) / "blur-kernels" / "Levin09.mat"
    assert [read_psf(path, k).shape[0] for k in range(8)] == [19, 17, 15, 27, 13, 21, 23, 23]


@pytest.mark.parametrize("name", ["none.png", "broken.npy", "broken.mat"])
def test_files_that_are_missing_or_broken(tmp_path: Path, name: str):
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"not an array")
    with pytest.raises(ImageFileError, match=name):
        read_psf(tmp_path / name)
