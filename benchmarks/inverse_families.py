"""The families of `inverse.py`: pictures, what is measured of them, the methods that stand beside the network.

Pictures are the middle pieces of Set12 (grey), McMaster (colour), and slices of the recipes' test splits (ct, mri); no
network was trained on any of them, and no strength chosen on them, but for the picture 01 (see
`aplomb.classical.recovery`).

Long because it is one table: a family is a few lines, and one reads them side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from report import ROOT

import aplomb
from aplomb.classical import BM3D, NonLocalMeans, estimate_sigma
from aplomb.classical.recovery import Anscombe, FilteredBackProjection, recovery
from aplomb.classical.recovery.interpolate import MalvarDemosaicking
from aplomb.data import find_pictures, load_pictures
from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import mri, read_mask
from aplomb.degrade.masks import lettering, random_pixels, regions, scratches
from aplomb.degrade.noise import Gaussian, Poisson, PoissonGaussian
from aplomb.degrade.psf import read_psf
from aplomb.degrade.radon import radon
from aplomb.degrade.sample import bicubic, mask, mosaic
from aplomb.degrade.sensing import gaussian
from aplomb.model import Model
from aplomb.operator import identity
from aplomb.restore.measured import as_given

Values = NDArray[Any]
Method = Callable[[Values, ForwardModel], Values]


class Sample(NamedTuple):
    """One measurement: the column that it counts for, the clean picture and y (1, C, H, W), and the forward model."""

    case: str
    clean: Values
    y: Values
    forward: ForwardModel


class Wanted(NamedTuple):
    """That a row is above another by so many dB: a method, or the best classical one ("") or, with no row, zero."""

    row: str
    over: str | None
    by: float
    case: str


@dataclass(frozen=True)
class Family:
    """A table: rows are methods, columns the cases of its samples."""

    title: str
    samples: Callable[[Path, bool], Iterator[Sample]]
    classical: Mapping[str, Method]
    others: Mapping[str, Method] = field(default_factory=dict)
    networks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Rows of trained networks: the model of each case, "" for all."""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Cases of methods that are not run for all of them."""
    wanted: tuple[Wanted, ...] = ()
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Rows of others' figures, by case."""


def pictures(folder: Path, channels: int, side: int | None, limit: int | None = None) -> list[Values]:
    """Middle pieces of pictures in a folder, (1, C, side, side) in 0..1."""
    return middle(load_pictures(find_pictures([str(folder)])[:limit], channels=channels), side)


def middle(arrays: list[Values], side: int | None) -> list[Values]:
    """Middle pieces of pictures (C, H, W) of 8 bit."""
    found = []
    for array in arrays:
        top, left = ((n - side) // 2 if side else 0 for n in array.shape[1:])
        piece = array[:, top : top + side, left : left + side] if side else array
        found.append((piece / 255).astype(np.float32)[None])
    return found


def held_out(recipe: str, data: Path, side: int | None, limit: int | None) -> list[Values]:
    """Pieces of the first pictures of a recipe's test split."""
    files, channels = test_files(recipe, data)
    return middle(load_pictures(files[:limit], channels=channels), side)


def test_files(recipe: str, data: Path) -> tuple[tuple[Path, ...], int]:
    """A recipe's test split, and how many channels its pictures have."""
    from aplomb.train.recipe import read_recipe
    from aplomb.train.split import split_pictures

    read: Any = read_recipe(ROOT / "recipes" / f"{recipe}.toml")
    files = split_pictures(read, read.data, data)[0].test
    assert files, f"{recipe} holds no test pictures out"
    return files, read.data.channels


def measured(case: str, clean: Values, forward: ForwardModel, *key: int) -> Sample:
    """A simulated measurement, the same for the same `key`."""
    y = np.asarray(forward.simulate(clean, np.random.default_rng(key)), np.float32)
    return Sample(case, clean, y, forward)


def classical(*names: str) -> dict[str, Method]:
    """Recoveries by name."""
    return {name: recovery(name) for name in names}


def recovered(y: Values, forward: ForwardModel, method: str = "pnp") -> Values:
    """By `aplomb.recover`."""
    sigma = 0.0 if forward.noise is None else None
    image = np.asarray(aplomb.recover(as_given(y, forward), forward, method, sigma=sigma).image)
    shape = forward.picture_shape(y.shape)
    return np.moveaxis(image, -1, 0)[None] if image.ndim == 3 and image.shape[-1] == 3 else image.reshape(shape)


PNP = {"plug-and-play": recovered}
_BM3D = BM3D()
GREY = "middle 256 x 256 of the 12 pictures of Set12"


def deblur(data: Path, quick: bool) -> Iterator[Sample]:
    for sigma in (2.55, 7.65):
        for index, clean in enumerate(pictures(data / "set12", 1, 96 if quick else 256, 1 if quick else None)):
            kernel = read_psf(data / "blur-kernels" / "Levin09.mat", index % 8)
            forward = ForwardModel(blur(kernel, "circular"), Gaussian(sigma / 255))
            yield measured(f"noise {sigma:g}", clean, forward, 0, index)


def deblur_dpir(data: Path, quick: bool) -> Iterator[Sample]:
    clean = pictures(data / "set12", 1, 96 if quick else None, 5)
    for index, side in ((1, 17), (3, 27)):
        forward = ForwardModel(blur(read_psf(data / "blur-kernels" / "Levin09.mat", index), "circular"), Gaussian(0.01))
        for number, name in ((0, "cameraman"), (1, "house"), (4, "monarch")):
            yield measured(f"{name}, {side} x {side}", clean[number], forward, 0, number)


def upscale(data: Path, quick: bool) -> Iterator[Sample]:
    for factor in (2, 3, 4):
        for clean in pictures(data / "set12", 1, 96 if quick else 252, 1 if quick else None):
            yield measured(f"x{factor}", clean, ForwardModel(bicubic(factor)))


def poisson(data: Path, quick: bool) -> Iterator[Sample]:
    clean = pictures(data / "set12", 1, 96 if quick else 256, 1 if quick else 6)
    yield from counted(clean, (1, 2, 4, 8, 30))


def poisson_class(data: Path, quick: bool) -> Iterator[Sample]:
    yield from counted(held_out("poisson-class", data, 96 if quick else 256, 1 if quick else 6), (1, 4, 30))


def counted(clean: list[Values], peaks: tuple[int, ...]) -> Iterator[Sample]:
    """Photons of pictures."""
    for peak in peaks:
        for index, picture in enumerate(clean):
            yield measured(f"peak {peak}", picture, ForwardModel(identity, Poisson(peak)), 0, index)


def network_on_anscombe(y: Values, forward: ForwardModel) -> Values:
    """The shipped denoiser for Gaussian noise, on transformed counts."""
    return Anscombe(lambda image, sigma: aplomb.denoise(image, sigma, error=False).image)(y, forward)


def demosaicking(data: Path, quick: bool) -> Iterator[Sample]:
    count = 1 if quick else None
    for case, side, some in (("whole pictures", None, count), ("256 x 256 of 6", 256, count or 6)):
        for clean in pictures(data / "mcmaster", 3, 96 if quick else side, some):
            yield measured(case, clean, ForwardModel(mosaic("RGGB")))


def inpainting(data: Path, quick: bool) -> Iterator[Sample]:
    side = 96 if quick else 192
    shape = (side, side)
    for index, clean in enumerate(pictures(data / "mcmaster", 3, side, 1 if quick else 3)):
        masks = {
            "half of the pixels": random_pixels(shape, 0.5, index),
            "80 % missing": random_pixels(shape, 0.2, index),
            "scratches": scratches(shape, 10, 3, index),
            "regions": regions(shape, 8, 16, index),
            "letters": lettering(shape, "What was written here", 20),
        }
        for case, seen in masks.items():
            yield measured(case, clean, ForwardModel(mask(seen)))


def sensing(data: Path, quick: bool) -> Iterator[Sample]:
    forward = ForwardModel(gaussian(32, 0.25, 0, orthonormal=True))
    for clean in pictures(data / "set12", 1, 96 if quick else 256, 1 if quick else 8):
        yield measured("25 %", clean, forward)


def fast_mri(data: Path, quick: bool) -> Iterator[Sample]:
    for kind in ("Cartesian", "Radial", "Random"):
        forward = ForwardModel(mri(read_mask(data / "mri-masks" / f"Q_{kind}30.mat", (256, 256))))
        for clean in held_out("mri", data, 256, 1 if quick else 3):
            yield measured(kind, clean, forward)


def low_dose_ct(data: Path, quick: bool) -> Iterator[Sample]:
    angles = np.arange(180.0)
    clean = held_out("ct", data, 128 if quick else None, 1 if quick else 3)
    for peak in (20, 50, 200):
        for index, picture in enumerate(clean):
            forward = ForwardModel(radon(picture.shape[3], angles, circle=False), Poisson(peak))
            yield measured(f"peak {peak}", picture, forward, 0, index)


CT_LEVELS = {20: 0.2, 50: 0.11, 200: 0.045}
"""Noise that BM3D is told of, by peak: what gave the highest PSNR on the middle of a training slice, of 0.6 to 2.2
times the standard deviation that there is (for peak 50, of 0.6 to 1.2 times, and what lies between the others)."""


def back_projected_bm3d(y: Values, forward: ForwardModel) -> Values:
    """BM3D on filtered back-projection by the ramp, which leaves noise that is not correlated over long ways."""
    assert isinstance(forward.noise, Poisson)
    x = FilteredBackProjection("ramp")(y, forward)
    return BM3D()(x[0, 0], CT_LEVELS[int(forward.noise.peak)])[None, None]


CAMERA = np.array([[0.62, 0.30, 0.08], [0.20, 0.64, 0.16], [0.06, 0.30, 0.64]])
GAMMA = 2.2
"""The camera of recipes/isp.toml."""


def raw(clean: Values) -> Values:
    """Light as the camera's filters let it through."""
    return np.einsum("kc,nchw->nkhw", CAMERA, clean.astype(np.float64) ** GAMMA)


def learned_isp(data: Path, quick: bool) -> Iterator[Sample]:
    for gain in (0.001, 0.01, 0.04):
        forward = ForwardModel(mosaic("RGGB"), PoissonGaussian(gain, 2 / 255))
        for index, clean in enumerate(pictures(data / "mcmaster", 3, 96 if quick else 256, 1 if quick else 6)):
            y = forward.simulate(raw(clean), np.random.default_rng((0, index))).astype(np.float32)
            yield Sample(f"{1 / gain:.0f} photons", clean, y, forward)


def developed(y: Values, forward: ForwardModel, data: Path, denoiser: Any = None) -> Values:
    """Malvar, denoised where the noise was made even, a matrix fitted by least squares to light, the camera's gamma."""
    matrix = _matrix(forward.noise, data, denoiser)
    return np.maximum(np.einsum("kc,nchw->nkhw", matrix, _light(y, forward, denoiser)), 0) ** (1 / GAMMA)


def _light(y: Values, forward: ForwardModel, denoiser: Any) -> Values:
    """Colours of a mosaic: without a denoiser, Malvar; else that of Anscombe's roots, denoised, and squared again."""
    noise, plain = forward.noise, ForwardModel(forward.operator)
    assert isinstance(noise, PoissonGaussian)
    if denoiser is None:
        return MalvarDemosaicking()(y, plain)
    offset = 3 / 8 * noise.gain**2 + noise.read_noise**2
    even = np.sqrt(np.maximum(noise.gain * y + offset, 0)) * 2 / noise.gain  # noise 1
    top = 2 * np.sqrt(noise.gain + offset) / noise.gain
    colours = MalvarDemosaicking()((even / top).astype(np.float32), plain)
    clean = denoiser(np.moveaxis(colours[0], 0, -1), 1 / top)
    return ((np.moveaxis(clean, -1, 0)[None] * top * noise.gain / 2) ** 2 - offset) / noise.gain


@cache
def _matrix(noise: PoissonGaussian, data: Path, denoiser: Any) -> Values:
    """(3, 3): from what was measured of 4 pictures of cbsd432 to their light, of least squares."""
    forward = ForwardModel(mosaic("RGGB"), noise)
    known, wanted = [], []
    for index, clean in enumerate(pictures(data / "cbsd432", 3, 96, 4)):
        y = forward.simulate(raw(clean), np.random.default_rng((1, index))).astype(np.float32)
        known.append(_light(y, forward, denoiser).reshape(3, -1))
        wanted.append(clean.reshape(3, -1) ** GAMMA)
    return np.linalg.lstsq(np.hstack(known).T, np.hstack(wanted).T, rcond=None)[0].T


def camera_noise(data: Path, quick: bool) -> Iterator[Sample]:
    yield from pairs("PolyU", "denoise-camera", data, ("_real", "_mean"), 96 if quick else 256, quick)


def oct_scans(data: Path, quick: bool) -> Iterator[Sample]:
    yield from pairs("OCT", "denoise-oct", data, ("test", "average"), 96 if quick else 384, quick)


def pairs(case: str, recipe: str, data: Path, names: tuple[str, str], side: int, quick: bool) -> Iterator[Sample]:
    """Pictures of a recipe's test split, and those of the same place that stand for the truth."""
    files, channels = test_files(recipe, data)
    for file in files[: 1 if quick else None]:
        both = (file, file.with_name(file.name.replace(*names)))
        y, clean = (middle(load_pictures([f], channels=channels), side)[0] for f in both)
        yield Sample(case, clean, y, ForwardModel(identity))


def blind(y: Values, forward: ForwardModel, denoiser: Any) -> Values:
    """A denoiser that is told the level which is estimated from the picture."""
    image = y[0, 0] if y.shape[1] == 1 else np.moveaxis(y[0], 0, -1)
    level = float(np.mean([estimate_sigma(plane) for plane in y[0]]))
    found = denoiser(image, level)
    return (found if found.ndim == 2 else np.moveaxis(found, -1, 0)).reshape(y.shape)


def by_shipped(image: Values, level: float) -> Values:
    """`aplomb.denoise`, told the level."""
    return np.asarray(aplomb.denoise(image, level, error=False).image)


def told(y: Values, forward: ForwardModel, level: float, denoiser: Any = _BM3D) -> Values:
    """BM3D, or another denoiser, for another level than is estimated.

    What is estimated is next to none where a camera has smoothed and compressed.
    Of 4, 8, 12 and 16 of 255, 12 was the best on pieces of three training scenes of PolyU; of 30, 40, 50 and 65, on
    those of three training scans of OCT, 65 was 0.03 dB better than 50.
    """
    return blind(y, forward, lambda image, estimated: denoiser(image, level))


def shipped_denoiser(y: Values, forward: ForwardModel, model: Model | None = None) -> Values:
    """`aplomb.denoise`, as a user runs it."""
    return blind(y, forward, lambda image, level: aplomb.denoise(image, model=model, error=False).image)


BLIND = {"BM3D": partial(blind, denoiser=_BM3D), "non-local-means": partial(blind, denoiser=NonLocalMeans())}


def families(data: Path) -> dict[str, Family]:
    """All of them, by name."""
    linear = ("total-variation", "wavelet-fista")
    return {
        "deblur": Family(
            f"Deblurring: {GREY}, picture i with Levin's kernel i mod 8, circular",
            deblur,
            classical("wiener-deconvolution", "constrained-least-squares", "richardson-lucy", *linear),
            PNP,
            {"network deblur": {"": "deblur"}},
            wanted=(Wanted("network deblur", "", 1.0, "noise 2.55"),),
        ),
        "deblur-dpir": Family(
            "Deblurring as DPIR measures it: grey pictures of its Set6 (Set12's 01, 02, 05), Levin's kernels 2 and 4, "
            "circular, noise 2.55",
            deblur_dpir,
            classical("wiener-deconvolution", "total-variation"),
            PNP,
            {"network deblur": {"": "deblur"}},
        ),
        "upscale": Family(
            "Super-resolution of bicubic down-sampling: middle 252 x 252 of the 12 pictures of Set12",
            upscale,
            classical("bicubic", *linear),
            PNP,
            {"network upscale": {f"x{m}": f"upscale-x{m}" for m in (2, 3, 4)}},
            wanted=(
                Wanted("network upscale", "bicubic", 2.5, "x2"),
                Wanted("network upscale", "", 0.0, "x2"),
                Wanted("network upscale", "", 0.0, "x3"),
                Wanted("network upscale", "", 0.0, "x4"),
            ),
        ),
        "poisson": Family(
            "Photon noise: 256 x 256, the first 6 pictures of Set12",
            poisson,
            {"Anscombe + BM3D": Anscombe(), **classical("total-variation")},
            {"Anscombe + denoise-grey": network_on_anscombe},
            {"network poisson": {"": "poisson"}},
            wanted=(
                Wanted("network poisson", "Anscombe + BM3D", 0.2, "peak 4"),
                *(Wanted("network poisson", "", 0.0, f"peak {peak}") for peak in (1, 2, 8, 30)),
            ),
        ),
        "poisson-class": Family(
            "Photon noise, one class: middle 256 x 256 of 6 knee slices, test split of recipes/poisson-class.toml",
            poisson_class,
            {"Anscombe + BM3D": Anscombe()},
            {"Anscombe + denoise-grey": network_on_anscombe},
            {"network poisson": {"": "poisson"}, "network poisson-class": {"": "poisson-class"}},
            wanted=(Wanted("network poisson-class", "network poisson", 0.0, "peak 4"),),
        ),
        "mri": Family(
            "MRI, 30 % of k-space, one coil: middle 256 x 256 of 3 slices of the test split of recipes/mri.toml",
            fast_mri,
            classical("zero-filled", *linear),
            PNP,
            {"network mri": {"": "mri"}},
            wanted=tuple(
                Wanted("network mri", over, by, kind)
                for kind in ("Cartesian", "Radial", "Random")
                for over, by in (("zero-filled", 3.0), ("", 0.0))
            ),
        ),
        "ct": Family(
            "Low-dose CT, 180 angles, photons counted on the sinogram: 3 slices, 512 x 512, of the test split of "
            "recipes/ct.toml",
            low_dose_ct,
            {**classical("filtered-back-projection", "sart"), "back-projection + BM3D": back_projected_bm3d},
            {},
            {"network ct": {"": "ct"}},
            wanted=tuple(
                Wanted("network ct", over, by, f"peak {peak}")
                for peak in (20, 50, 200)
                for over, by in (("filtered-back-projection", 3.0), ("back-projection + BM3D", 0.0))
            ),
        ),
        "demosaic": Family(
            "Demosaicking, RGGB: McMaster, 18 pictures of 500 x 500, and the middle of the first 6",
            demosaicking,
            classical("bilinear-demosaicking", "malvar-demosaicking"),
            PNP,
            {"network demosaic": {"": "demosaic"}},
            only={"plug-and-play": ("256 x 256 of 6",)},
            wanted=(
                Wanted("network demosaic", None, 36.0, "whole pictures"),
                Wanted("network demosaic", "malvar-demosaicking", 0.0, "whole pictures"),
            ),
        ),
        "inpaint": Family(
            "Inpainting: middle 192 x 192 of 3 pictures of McMaster",
            inpainting,
            classical("biharmonic", "total-variation"),
            PNP,
            {"network inpaint": {"": "inpaint"}},
            wanted=tuple(
                Wanted("network inpaint", "", 0.0, case)
                for case in ("half of the pixels", "80 % missing", "scratches", "regions", "letters")
            ),
        ),
        "sensing": Family(
            "Compressed sensing, 25 % random sums over 32 x 32: middle 256 x 256 of 8 pictures of Set12",
            sensing,
            classical(*linear),
            PNP,
            {"network sensing": {"": "sensing"}},
            wanted=(Wanted("network sensing", "", 0.0, "25 %"),),
        ),
        "isp": Family(
            "From a camera's mosaic to a picture, read-out noise 2 of 255: middle 256 x 256 of 6 pictures of McMaster",
            learned_isp,
            {
                "Malvar + matrix": partial(developed, data=data),
                "Malvar + BM3D + matrix": partial(developed, data=data, denoiser=BM3D()),
            },
            {},
            {"network isp": {"": "isp"}},
            wanted=tuple(Wanted("network isp", "", 0.0, f"{n} photons") for n in (1000, 100, 25)),
        ),
        "camera": Family(
            "Real camera noise: middle 256 x 256 of 11 scenes of PolyU (JPEG) by two cameras that "
            "recipes/denoise-camera.toml holds out, against the mean of many shots",
            camera_noise,
            {**BLIND, "BM3D, told 12 of 255": partial(told, level=12 / 255)},
            {
                "denoise-colour, level estimated": shipped_denoiser,
                "denoise-colour, told 12 of 255": partial(told, level=12 / 255, denoiser=by_shipped),
            },
            {"network denoise-camera": {"": "denoise-camera"}},
            wanted=(Wanted("network denoise-camera", "", 0.0, "PolyU"),),
        ),
        "oct": Family(
            "Retinal OCT: middle 384 x 384 of the 2 scans that recipes/denoise-oct.toml holds out, against the average "
            "of many",
            oct_scans,
            {**BLIND, "BM3D, told 50 of 255": partial(told, level=50 / 255)},
            {"denoise-grey, level estimated": shipped_denoiser},
            {"network denoise-oct": {"": "denoise-oct"}},
            wanted=(Wanted("network denoise-oct", "", 0.0, "OCT"),),
        ),
    }
