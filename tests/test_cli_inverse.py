"""The commands of inverse problems as a stranger meets them: what they print, write and refuse.

Long because every one of them is met here.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aplomb import io, psnr
from aplomb.degrade.blur import blur
from aplomb.degrade.fourier import fourier, kspace_mask, to_complex
from aplomb.degrade.psf import disk, motion
from aplomb.degrade.radon import radon
from aplomb.degrade.sample import bicubic, mosaic
from aplomb.layers import conv, upsample_repeat
from aplomb.operator import chain
from recognisers import frozen

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aplomb.runtime.engines.has_openvino", lambda: False)


def photograph() -> np.ndarray:
    from skimage.data import camera

    return camera()[100:164, 180:244]


def colours() -> np.ndarray:
    from skimage.data import astronaut

    return astronaut()[60:124, 190:254]


def planes(picture: np.ndarray) -> np.ndarray:
    return (picture[None, None] if picture.ndim == 2 else np.moveaxis(picture, -1, 0)[None]) / 255


def levels(y: np.ndarray) -> np.ndarray:
    """(1, C, H, W) in 0..1 as an 8-bit picture."""
    found = np.rint(255 * np.clip(y[0], 0, 1)).astype(np.uint8)
    return found[0] if len(found) == 1 else np.moveaxis(found, 0, -1)


def toml(*steps: str, sigma: float | None = None) -> str:
    """forward.toml with these steps, each "kind, key = value, ..."; its name."""
    lines = []
    for step in steps:
        kind, *keys = step.split("; ")
        lines += ["[[step]]", f'kind = "{kind}"', *keys]
    lines += [] if sigma is None else ["[noise]", 'kind = "gaussian"', f"sigma = {sigma}"]
    Path("forward.toml").write_text("\n".join(lines))
    return "forward.toml"


def one_line(code: int, err: str, *words: str) -> None:
    """A refusal: exit code 2, one line, no traceback, and it names what matters."""
    assert code == 2, err
    lines = [line for line in err.strip().splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0], lines[0]


# -- each command makes a picture better ---------------------------------------------------------------------


def test_deblurs_and_tells_how(run: Run) -> None:
    y = levels(blur(motion(9, 30))(planes(photograph())))
    io.write("blurred.png", y)
    io.write("clean.png", photograph())
    words = ("--motion", "9,30", "--clean", "clean.png", "--method", "pnp")
    code, out, err = run("deblur", "blurred.png", "-o", "sharp.png", *words)
    assert code == 0, err
    assert "blurred.png: 64 x 64 pixels, grey, uint8" in out
    assert "forward model: blur by 5 x 9 pixels" in out
    assert "method: pnp with denoise-grey, 8 iterations, the last changed the picture by" in out
    assert "the noise was estimated" in err
    sharp = io.read("sharp.png").array
    assert sharp.dtype == np.uint8
    after = psnr(sharp, photograph())
    assert after > psnr(y, photograph()) + 5
    assert f"PSNR against clean.png: {after:.2f} dB" in out
    assert f"before {psnr(y, photograph()):.2f} dB" in out


def test_deblurs_by_a_kernel_in_a_file_and_a_classical_method(run: Run) -> None:
    kernels = np.stack([disk(1), disk(1.4)[:3, :3] / disk(1.4)[:3, :3].sum()])
    np.save("kernels.npy", kernels)
    io.write("blurred.tif", blur(kernels[1], "circular")(planes(photograph()))[0, 0].astype(np.float32))
    words = ("--psf", "kernels.npy", "--index", "1", "--border", "circular", "--method", "inverse-filter")
    code, out, err = run("deblur", "blurred.tif", "-o", "sharp.tif", *words, "--sigma", "0.01")
    assert code == 0, err
    assert "method: inverse-filter\n" in out
    assert "standard deviation 0.01 of 255 (as given)" in out
    assert psnr(io.read("sharp.tif").array, photograph() / 255) > 50


def test_a_valid_border_gives_a_larger_picture(run: Run) -> None:
    io.write("blurred.png", levels(blur(disk(2), "valid")(planes(photograph()))))
    code, _, err = run("deblur", "blurred.png", "-o", "sharp.png", "--disk", "2", "--border", "valid", "--sigma", "1")
    assert code == 0, err
    assert io.read("sharp.png").size == (64, 64)


def test_the_iteration_that_converges_tells_so(run: Run) -> None:
    io.write("blurred.png", levels(blur(disk(1), "circular")(planes(photograph()))))
    words = ("--border", "circular", "--method", "proximal-gradient", "--iterations", "3", "--sigma", "2")
    code, out, err = run("deblur", "blurred.png", "-o", "sharp.png", "--disk", "1", *words)
    assert code == 0, err
    assert "proximal-gradient with stable-grey, 3 iterations" in out
    assert "guarantee: converges" in out


def test_enlarges_and_keeps_sixteen_bits(run: Run) -> None:
    small = bicubic(2)(planes(photograph()))[0, 0]
    io.write("small.png", np.rint(65535 * np.clip(small, 0, 1)).astype(np.uint16))
    code, out, err = run("upscale", "small.png", "-o", "large.png", "--method", "pnp", "--iterations", "8")
    assert code == 0, err
    assert "bicubic down-sampling by 2" in out
    large = io.read("large.png").array
    assert (large.dtype, large.shape) == (np.uint16, (64, 64))
    code, _, _ = run("upscale", "small.png", "-o", "plain.png", "--method", "bicubic")
    assert code == 0
    clean = photograph().astype(np.uint16) * 257
    assert psnr(large, clean) > psnr(io.read("plain.png").array, clean) + 0.3


def test_fills_in_the_white_of_the_mask_and_nothing_else(run: Run) -> None:
    missing = np.random.default_rng(0).random((64, 64)) < 0.4
    damaged = np.where(missing[..., None], 255, colours()).astype(np.uint8)
    io.write("damaged.png", damaged)
    io.write("mask.png", (missing * 255).astype(np.uint8))
    words = ("--mask", "mask.png", "--method", "pnp", "--iterations", "12")
    code, out, err = run("inpaint", "damaged.png", "-o", "whole.png", *words)
    assert code == 0, err
    whole = io.read("whole.png").array
    assert "denoise-colour" in out
    np.testing.assert_array_equal(whole[~missing], colours()[~missing])
    assert psnr(whole, colours()) > 25


def test_makes_colours_of_a_mosaic(run: Run) -> None:
    io.write("raw.png", levels(mosaic("GBRG")(planes(colours()))))
    words = ("--pattern", "GBRG", "--method", "pnp", "--iterations", "12")
    code, out, err = run("demosaic", "raw.png", "-o", "rgb.png", *words)
    assert code == 0, err
    assert "mosaic GBRG" in out
    assert psnr(io.read("rgb.png").array, colours()) > 30
    code, _, err = run("demosaic", "raw.png", "-o", "plain.png", "--pattern", "GBRG", "--method", "malvar-demosaicking")
    assert code == 0, err
    assert psnr(io.read("plain.png").array, colours()) > 25


def kspace(fraction: float = 0.4) -> np.ndarray:
    """k-space of the photograph, in kspace.npy, and its mask, in mask.png."""
    mask = kspace_mask("cartesian", (64, 64), fraction, seed=0)
    y = to_complex(fourier()(np.concatenate([planes(photograph()), 0 * planes(photograph())], axis=1)))[0, 0] * mask
    np.save("kspace.npy", y)
    io.write("mask.png", mask.astype(np.uint8) * 255)
    return y


def test_reconstructs_k_space(run: Run) -> None:
    kspace()
    clean = photograph() / 255
    words = ("reconstruct", "mri", "kspace.npy", "--mask", "mask.png")
    code, out, err = run(*words, "-o", "image.tif", "--method", "pnp", "--iterations", "10")
    assert code == 0, err
    assert "kspace.npy: 64 x 64 numbers, complex128" in out
    found = io.read("image.tif").array
    assert found.dtype == np.float32
    code, _, err = run(*words, "-o", "zero.npy", "--method", "zero-filled")
    assert code == 0, err
    assert psnr(found, clean) > psnr(np.load("zero.npy"), clean) + 1


def test_k_space_of_another_unit_is_told_white(run: Run) -> None:
    np.save("large.npy", 300 * kspace())
    words = ("reconstruct", "mri", "large.npy", "-o", "image.tif", "--method", "zero-filled")
    code, _, err = run(*words)
    one_line(code, err, "large.npy", "--white")
    code, _, err = run(*words, "--white", "300")
    assert code == 0, err
    assert 200 < io.read("image.tif").array.max() < 500


def test_reconstructs_a_sinogram(run: Run) -> None:
    y, x = np.mgrid[:32, :32] - 16
    slice_ = np.where(np.hypot(y, x) < 14, photograph()[::2, ::2] / 255, 0)
    sinogram = radon(32, np.arange(15) * 12.0)(slice_[None, None])[0, 0]
    io.write("sinogram.tif", sinogram.astype(np.float32))
    Path("angles.txt").write_text("\n".join(str(12 * k) for k in range(15)))
    words = ("reconstruct", "ct", "sinogram.tif", "--sigma", "1")
    code, out, err = run(*words, "-o", "fbp.tif", "--angles", "0:180", "--method", "filtered-back-projection")
    assert code == 0, err
    assert "parallel beams at 15 angles" in out
    code, _, err = run(*words, "-o", "same.tif", "--angles", "angles.txt", "--method", "filtered-back-projection")
    assert code == 0, err
    np.testing.assert_array_equal(io.read("same.tif").array, io.read("fbp.tif").array)
    code, _, err = run(*words, "-o", "slice.tif", "--angles", "angles.txt", "--method", "pnp", "--iterations", "4")
    assert code == 0, err
    assert psnr(io.read("slice.tif").array, slice_) > psnr(io.read("fbp.tif").array, slice_) + 2


def test_reconstructs_compressed_measurements(run: Run) -> None:
    io.write("clean.png", photograph())
    model = toml("gaussian; block = 16; fraction = 0.3; orthonormal = true")
    code, _, err = run("simulate", "clean.png", "-o", "measured.npy", "--forward", model)
    assert code == 0, err
    assert np.load("measured.npy").shape == (77, 4, 4)
    code, out, err = run(
        "reconstruct",
        "cs",
        "measured.npy",
        "-o",
        "picture.png",
        "--forward",
        model,
        "--method",
        "pnp",
        "--iterations",
        "15",
    )
    assert code == 0, err
    assert "77 random sums of each 16 x 16 pixels" in out
    assert psnr(io.read("picture.png").array, photograph()) > 24


# -- networks that were trained for it -----------------------------------------------------------------------


def enlarging(name: str = "mine.onnx", **card: Any) -> str:
    """A network that repeats each pixel, as one that was trained to enlarge; its file."""
    forward = {"step": [{"kind": "bicubic", "factor": 2}], "noise": {"kind": "gaussian", "sigma": [1, 5]}}
    about = {"task": "restore", "channels": 1, "forward": forward, "start": {"kind": "measured"}, **card}
    operator = chain(conv(1, 1, 1, bias=False), upsample_repeat(2)).with_weights({"0.weight": np.ones((1, 1, 1, 1))})
    return str(frozen(operator, Path(name), **{"classes": (), "target": "", **about}))


def test_a_network_is_used_for_what_it_was_trained_for(run: Run) -> None:
    io.write("small.png", photograph())
    code, out, err = run("upscale", "small.png", "-o", "large.png", "--model", enlarging(), "--sigma", "9")
    assert code == 0, err
    assert "method: network with mine\n" in out
    assert "trained on noise of standard deviation 1 to 5 of 255, here are 9" in err
    np.testing.assert_array_equal(io.read("large.png").array, photograph().repeat(2, 0).repeat(2, 1))


def test_a_network_does_not_see_what_stands_in_the_holes(run: Run) -> None:
    missing = np.zeros((64, 64), bool)
    missing[20:30, 5:50] = True
    io.write("damaged.png", photograph())
    io.write("mask.png", missing)
    frozen(
        conv(1, 1, 1, bias=False).with_weights({"0.weight": np.ones((1, 1, 1, 1))}), Path("same.onnx"), task="restore",
        classes=(), target="", forward={"step": [{"kind": "mask", "draw": "random"}]}, start={"kind": "measured"},
    )  # fmt: skip
    code, _, err = run("inpaint", "damaged.png", "-o", "whole.png", "--mask", "mask.png", "--model", "same.onnx")
    assert code == 0, err
    np.testing.assert_array_equal(io.read("whole.png").array, np.where(missing, 0, photograph()))


def test_a_shipped_network_goes_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aplomb.restore.fitting.shipped", lambda: ["denoise-grey", enlarging()])
    small = photograph()[:16, :16]
    io.write("small.png", small)
    io.write("clean.png", small.repeat(2, 0).repeat(2, 1))
    words = ("--clean", "clean.png", "--compare", "out")
    code, out, err = run("upscale", "small.png", "-o", "large.png", "--sigma", "2", *words)
    assert code == 0, err
    assert "method: network with mine\n" in out
    with Path("out/comparison.csv").open() as file:
        assert {"mine", "pnp", "bicubic"} <= {row["method"] for row in csv.DictReader(file)}
    code, _, err = run("upscale", "small.png", "-o", "large.png", "--scale", "3", "--method", "network")
    one_line(code, err, "no network", "bicubic down-sampling by 3", "pnp")


# -- simulate, restore ---------------------------------------------------------------------------------------


def test_simulates_and_restores_any_composition(run: Run) -> None:
    io.write("clean.png", photograph())
    model = toml("blur; psf = 'gaussian'; sigma = 1.0; border = 'circular'", "mask; draw = 'random'", sigma=2)
    code, out, err = run("simulate", "clean.png", "-o", "degraded.png", "--forward", model, "--seed", "3")
    assert code == 0, err
    degraded = io.read("degraded.png").array
    assert degraded.dtype == np.uint8
    assert f"PSNR against clean.png: {psnr(degraded, photograph()):.2f} dB" in out
    assert "clipped" in err  # noise on the black of the holes
    words = ("--forward", model, "--method", "pnp", "--iterations", "10")
    code, out, err = run("restore", "degraded.png", "-o", "x.png", *words)
    assert code == 0, err
    assert "standard deviation 2 of 255 (as given)" in out
    assert "a mask that lets" in out
    assert psnr(io.read("x.png").array, photograph()) > psnr(degraded, photograph()) + 5


def test_the_seed_is_the_noise(run: Run) -> None:
    io.write("clean.tif", (photograph() / 255).astype(np.float32))
    model = toml("bicubic", sigma=30)
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run("simulate", "clean.tif", "-o", f"{name}.tif", "--forward", model, "--seed", seed)[0] == 0
    a, b, c = (io.read(f"{name}.tif").array for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    assert a.min() < 0  # floats are not clipped


def test_simulated_sinograms_and_k_space_are_not_clipped(run: Run) -> None:
    io.write("clean.png", photograph())
    model = toml("radon; angles = 20")
    code, _, err = run("simulate", "clean.png", "-o", "s.png", "--forward", model)
    one_line(code, err, "s.png", ".tif or .npy")
    assert run("simulate", "clean.png", "-o", "s.tif", "--forward", model)[0] == 0
    sinogram = io.read("s.tif").array
    assert (sinogram.dtype, sinogram.shape) == (np.float32, (64, 20))
    assert sinogram.max() > 10
    code, _, err = run("restore", "s.tif", "-o", "x.tif", "--forward", model, "--method", "sart", "--sigma", "1")
    assert code == 0, err
    model = toml("fourier; sampling = 'radial'; fraction = 0.5")
    code, _, err = run("simulate", "clean.png", "-o", "k.tif", "--forward", model)
    one_line(code, err, "k.tif", "complex", ".npy")
    assert run("simulate", "clean.png", "-o", "k.npy", "--forward", model)[0] == 0
    assert np.load("k.npy").dtype == np.complex64
    code, _, err = run("restore", "k.npy", "-o", "x.png", "--forward", model, "--method", "zero-filled")
    assert code == 0, err
    assert io.read("x.png").array.dtype == np.uint8


# -- side by side --------------------------------------------------------------------------------------------


def test_all_methods_that_fit_beside_each_other(run: Run) -> None:
    io.write("clean.png", colours()[:32, :32])
    io.write("raw.png", levels(mosaic()(planes(colours()[:32, :32]))))
    words = ("--clean", "clean.png", "--compare", "out", "--method", "malvar-demosaicking")
    code, out, err = run("demosaic", "raw.png", "-o", "rgb.png", *words)
    assert code == 0, err
    with Path("out/comparison.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert {"sent back", "malvar-demosaicking", "bilinear-demosaicking", "pnp"} <= {*rows}
    assert "biharmonic" not in rows
    assert float(rows["pnp"]["psnr"]) > float(rows["malvar-demosaicking"]["psnr"])
    assert rows["pnp"]["noise"] == "mosaic RGGB"
    assert f"{float(rows['malvar-demosaicking']['psnr']):.1f}" in out.split("PSNR against")[1].split("dB")[0]
    assert "Recoveries compared" in Path("out/comparison.html").read_text()
    assert Path("out/comparison.png").stat().st_size > 1000


def test_compares_on_folders(run: Run) -> None:
    Path("pictures").mkdir()
    for number in range(2):
        io.write(f"pictures/{number}.png", photograph()[:, 32 * number : 32 * number + 32])
    model = toml("blur; psf = 'disk'; radius = 1.5; border = 'circular'", sigma=1)
    methods = ("--method", "constrained-least-squares", "--method", "pnp", "--method", "biharmonic")
    code, out, err = run("compare", "pictures", "--forward", model, *methods, "-o", "out")
    assert code == 0, err
    assert "2 pictures, blur by 3 x 3 pixels, Gaussian noise of standard deviation 1 of 255" in out
    assert "biharmonic: " in out  # why it does not fit
    with Path("out/comparison.csv").open() as file:
        means = {row["method"]: row["psnr"] for row in csv.DictReader(file) if row["picture"] == "mean of 2"}
    assert float(means["measured"]) < float(means["constrained-least-squares"]) < float(means["pnp"])


def test_a_comparison_refuses_what_says_nothing(run: Run) -> None:
    io.write("clean.png", photograph())
    code, _, err = run("compare", "clean.png", "--forward", toml("bicubic"), "--sigma", "5")
    one_line(code, err, "--sigma")
    code, _, err = run("compare", "clean.png", "--task", "recover")
    one_line(code, err, "--forward")
    code, _, err = run("compare", "clean.png", "--forward", "forward.toml", "--method", "magic")
    one_line(code, err, "magic", "pnp")
    code, _, err = run("compare", "clean.png", "--forward", "forward.toml", "--without", "magic")
    one_line(code, err, "magic", "pnp")


# -- refusals ------------------------------------------------------------------------------------------------


def test_a_blur_that_is_not_known_or_known_twice(run: Run) -> None:
    io.write("a.png", photograph())
    code, _, err = run("deblur", "a.png", "-o", "b.png")
    one_line(code, err, "--psf")
    code, _, err = run("deblur", "a.png", "-o", "b.png", "--disk", "2", "--motion", "9,30")
    one_line(code, err, "--disk and --motion")
    code, _, err = run("deblur", "a.png", "-o", "b.png", "--motion", "9")
    assert code == 2
    assert "9,30" in err


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (np.full((65, 3), 1 / 195), ("65 x 3", "64 x 64")),
        (np.full((3, 3), 0.5), ("kernel.npy", "sums to 4.5", "normalise")),
        (np.array([[-0.5, 1.5]]), ("kernel.npy", "negative")),
        (np.zeros((3, 3)), ("kernel.npy", "zero")),
        (np.full((3, 3), np.nan), ("kernel.npy", "NaN")),
    ],
)
def test_kernels_that_are_none(run: Run, kernel: np.ndarray, words: tuple[str, ...]) -> None:
    io.write("a.png", photograph())
    np.save("kernel.npy", kernel)
    code, _, err = run("deblur", "a.png", "-o", "b.png", "--psf", "kernel.npy")
    one_line(code, err, *words)
    assert not Path("b.png").exists()


def test_a_kernel_is_normalised_if_asked(run: Run) -> None:
    io.write("a.png", photograph())
    np.save("kernel.npy", np.full((3, 3), 0.5))
    words = ("--psf", "kernel.npy", "--normalise", "--method", "pnp", "--iterations", "1", "--sigma", "1")
    assert run("deblur", "a.png", "-o", "b.png", *words)[0] == 0
    code, _, err = run("deblur", "a.png", "-o", "b.png", "--psf", "kernel.npy", "--index", "1")
    one_line(code, err, "kernel.npy", "holds 1")


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((64, 65), np.uint8), ("65 x 64", "64 x 64", "same size")),
        (np.zeros((64, 64), np.uint8), ("black everywhere", "nothing is missing")),
        (np.full((64, 64), 255, np.uint8), ("white everywhere", "inverted")),
    ],
)
def test_masks_that_are_none(run: Run, mask: np.ndarray, words: tuple[str, ...]) -> None:
    io.write("a.png", photograph())
    io.write("mask.png", mask)
    code, _, err = run("inpaint", "a.png", "-o", "b.png", "--mask", "mask.png")
    one_line(code, err, "mask.png", *words)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (photograph()[:63], ("63 x 64", "even")),
        (photograph()[:, :63], ("64 x 63", "even")),
        (colours(), ("RGB", "grey")),
    ],
)
def test_mosaics_that_are_none(run: Run, raw: np.ndarray, words: tuple[str, ...]) -> None:
    io.write("raw.png", raw)
    code, _, err = run("demosaic", "raw.png", "-o", "rgb.png")
    one_line(code, err, "raw.png", *words)


def test_a_pattern_that_is_none(run: Run) -> None:
    io.write("raw.png", photograph())
    code, _, err = run("demosaic", "raw.png", "-o", "rgb.png", "--pattern", "RGBW")
    one_line(code, err, "RGBW", "RGGB")


def test_k_space_that_is_none(run: Run) -> None:
    y = kspace()
    words = ("--mask", "mask.png", "-o", "x.tif")
    np.save("real.npy", y.real)
    code, _, err = run("reconstruct", "mri", "real.npy", *words)
    one_line(code, err, "real.npy", "complex")
    np.save("coils.npy", np.stack([y, y]))
    code, _, err = run("reconstruct", "mri", "coils.npy", *words)
    one_line(code, err, "coils.npy", "--maps")
    np.save("cut.npy", y[:60])
    code, _, err = run("reconstruct", "mri", "cut.npy", *words)
    one_line(code, err, "mask.png", "60", "64")
    io.write("mask.png", np.zeros((64, 64), np.uint8))
    code, _, err = run("reconstruct", "mri", "kspace.npy", *words)
    one_line(code, err, "mask", "empty")
    Path("text.npy").write_text("no array")
    code, _, err = run("reconstruct", "mri", "text.npy", *words)
    one_line(code, err, "text.npy")
    code, _, err = run("reconstruct", "mri", "missing.npy", *words)
    one_line(code, err, "missing.npy", "no such file")


def test_angles_that_do_not_match(run: Run) -> None:
    io.write("sinogram.tif", np.ones((64, 30), np.float32))
    words = ("reconstruct", "ct", "sinogram.tif", "-o", "slice.tif", "--angles")
    Path("angles.txt").write_text("0 45, 90")
    code, _, err = run(*words, "angles.txt")
    one_line(code, err, "3 angles", "30 columns")
    code, _, err = run(*words, "0-180")
    one_line(code, err, "0-180", "0:180")
    Path("angles.txt").write_text("zero")
    code, _, err = run(*words, "angles.txt")
    one_line(code, err, "angles.txt", "numbers")
    io.write("sinogram.tif", np.ones((64, 30), np.uint16))
    code, _, err = run(*words, "0:180")
    one_line(code, err, "uint16", "floats")


def test_forward_models_that_are_none(run: Run) -> None:
    io.write("a.png", photograph())
    code, _, err = run("restore", "a.png", "-o", "b.png", "--forward", "missing.toml")
    one_line(code, err, "missing.toml")
    code, _, err = run("restore", "a.png", "-o", "b.png", "--forward", toml("mosaik"))
    one_line(code, err, "forward.toml", "mosaik", "mosaic")
    code, _, err = run("restore", "a.png", "-o", "b.png", "--forward", toml("fourier; sampling = 'random'"))
    one_line(code, err, "complex")
    code, _, err = run("simulate", "a.png", "-o", "b.png", "--forward", toml("bicubic; factor = 3"))
    one_line(code, err, "64", "3")


def test_methods_that_do_not_fit(run: Run) -> None:
    io.write("a.png", photograph())
    words = ("upscale", "a.png", "-o", "b.png")
    code, _, err = run(*words, "--method", "magic")
    one_line(code, err, "magic", "pnp", "bicubic")
    code, _, err = run(*words, "--method", "sart")
    one_line(code, err, "sart", "Radon")
    code, _, err = run(*words, "--model", "denoise-colour")
    one_line(code, err, "denoise-colour")
    code, _, err = run(*words, "--compare", "out")
    one_line(code, err, "--clean")
    io.write("clean.png", photograph())
    code, _, err = run(*words, "--clean", "clean.png", "--method", "bicubic")
    one_line(code, err, "clean.png", "128")


def test_places_are_looked_at_before_the_work(run: Run) -> None:
    io.write("a.png", photograph())
    kspace()
    for words in (
        ("upscale", "a.png", "-o", "none/b.png"),
        ("reconstruct", "mri", "kspace.npy", "-o", "none/b.npy"),
        ("reconstruct", "mri", "kspace.npy", "-o", "none/b.tif"),
    ):
        code, out, err = run(*words)
        one_line(code, err, "none", "create it first")
        assert "method" not in out
