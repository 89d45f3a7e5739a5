"""The commands that undo what a measurement did: deblur, upscale, inpaint, demosaic, restore, and simulate."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from aplomb.cli.measurements import (
    Asked,
    Clean,
    Compare,
    Iterations,
    MethodName,
    ModelName,
    Output,
    Sigma,
    White,
    clipping,
    forward_of,
    read_values,
    recover_and_tell,
    write_values,
)
from aplomb.cli.options import EngineChoice, EngineOption, Threads
from aplomb.cli.terminal import say, warn
from aplomb.errors import BadInput, ShapeError

if TYPE_CHECKING:
    from aplomb.degrade.forward import ForwardModel
    from aplomb.io import Picture
    from aplomb.operator import Operator


class BorderOption(StrEnum):
    """What a blur sees beyond the picture."""

    reflect = "reflect"
    circular = "circular"
    replicate = "replicate"
    zero = "zero"
    valid = "valid"


def _length_and_angle(text: str) -> tuple[float, float]:
    """Two numbers, from "9,30"."""
    try:
        length, angle = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no length and angle; give pixels and degrees, for example 9,30"
        ) from None
    return length, angle


Psf = Annotated[
    Path | None, typer.Option(help="Point spread function from a file: PNG, TIFF, .npy or .mat; what a point became.")
]
Index = Annotated[int, typer.Option(min=0, help="Which one, if the file holds several.")]
Normalise = Annotated[bool, typer.Option("--normalise", help="Divide a point spread function by its sum.")]
GaussianSigma = Annotated[float | None, typer.Option("--gaussian", help="Gaussian blur: its sigma, in pixels.")]
Disk = Annotated[float | None, typer.Option(help="Defocus: radius of the disk, in pixels.")]
Motion = Annotated[
    Any,
    typer.Option(parser=_length_and_angle, metavar="LENGTH,ANGLE", help="Motion: pixels and degrees, as 9,30."),
]


def deblur(
    blurred: Annotated[Path, typer.Argument(help="Blurred picture: PNG, TIFF, JPEG, ...; 8 or 16 bit, float.")],
    output: Output,
    psf: Psf = None,
    index: Index = 0,
    normalise: Normalise = False,
    gaussian: GaussianSigma = None,
    disk: Disk = None,
    motion: Motion = None,
    border: Annotated[
        BorderOption, typer.Option(help="What the blur saw beyond the picture; valid gives a larger picture.")
    ] = BorderOption.reflect,
    sigma: Sigma = None,
    method: MethodName = None,
    model: ModelName = None,
    iterations: Iterations = None,
    engine: EngineChoice = EngineOption.auto,
    threads: Threads = None,
    clean: Clean = None,
    compare: Compare = None,
) -> None:
    """Undo a blur that is known: --psf, --gaussian, --disk or --motion. The noise is estimated unless given."""
    from aplomb import io
    from aplomb.degrade.blur import blur

    asked = Asked(sigma, method, model, iterations, engine, threads, clean, compare)
    kernel = _kernel(psf, index, normalise, gaussian, disk, motion)
    if kernel is None:
        raise BadInput("deblur needs to know the blur; give one of --psf, --gaussian, --disk and --motion")
    picture = io.read(blurred)
    if border is not BorderOption.valid:
        _check_smaller(kernel, picture.size)
    recover_and_tell(picture, blurred, _model(blur(kernel, border.value), sigma), output, asked)


def upscale(
    small: Annotated[Path, typer.Argument(help="Picture to enlarge: PNG, TIFF, JPEG, ...; 8 or 16 bit, float.")],
    output: Output,
    scale: Annotated[int, typer.Option(min=2, help="How many times wider and higher.")] = 2,
    psf: Psf = None,
    index: Index = 0,
    normalise: Normalise = False,
    gaussian: GaussianSigma = None,
    sigma: Sigma = None,
    method: MethodName = None,
    model: ModelName = None,
    iterations: Iterations = None,
    engine: EngineChoice = EngineOption.auto,
    threads: Threads = None,
    clean: Clean = None,
    compare: Compare = None,
) -> None:
    """Enlarge a picture that was made smaller: bicubically, or by a blur of which every so many pixels were kept."""
    from aplomb import io
    from aplomb.degrade.blur import blur
    from aplomb.degrade.sample import bicubic
    from aplomb.layers.resample import downsample
    from aplomb.operator import chain

    asked = Asked(sigma, method, model, iterations, engine, threads, clean, compare)
    kernel = _kernel(psf, index, normalise, gaussian, None, None)
    picture = io.read(small)
    if kernel is None:
        operator: Operator = bicubic(scale)
    else:
        _check_smaller(kernel, (scale * picture.size[0], scale * picture.size[1]))
        operator = chain(blur(kernel, "circular"), downsample(scale))
    recover_and_tell(picture, small, _model(operator, sigma), output, asked)


def inpaint(
    damaged: Annotated[Path, typer.Argument(help="Picture with holes: PNG, TIFF, JPEG, ...; 8 or 16 bit, float.")],
    output: Output,
    mask: Annotated[
        Path, typer.Option(help="Picture of the same size: white where something is missing, black where it is there.")
    ],
    sigma: Sigma = None,
    method: MethodName = None,
    model: ModelName = None,
    iterations: Iterations = None,
    engine: EngineChoice = EngineOption.auto,
    threads: Threads = None,
    clean: Clean = None,
    compare: Compare = None,
) -> None:
    """Fill in what is missing: the white pixels of --mask. Without noise the others stay as they are."""
    from aplomb import io
    from aplomb.degrade.sample import mask as seen_through

    asked = Asked(sigma, method, model, iterations, engine, threads, clean, compare)
    picture = io.read(damaged)
    missing = _missing(mask, picture)
    recover_and_tell(picture, damaged, _model(seen_through(~missing), sigma), output, asked)


def demosaic(
    raw: Annotated[Path, typer.Argument(help="Raw picture of a colour sensor, grey: PNG or TIFF, 8 or 16 bit, float.")],
    output: Output,
    pattern: Annotated[
        str, typer.Option(help="Colours of the first 2 x 2 pixels, row by row: RGGB, BGGR, GRBG or GBRG.")
    ] = "RGGB",
    sigma: Sigma = None,
    method: MethodName = None,
    model: ModelName = None,
    iterations: Iterations = None,
    engine: EngineChoice = EngineOption.auto,
    threads: Threads = None,
    clean: Clean = None,
    compare: Compare = None,
) -> None:
    """Make a colour picture of a raw one, in which each pixel has seen one of three colours."""
    from aplomb import io
    from aplomb.degrade.sample import mosaic

    asked = Asked(sigma, method, model, iterations, engine, threads, clean, compare)
    picture = io.read(raw)
    height, width = picture.size
    if picture.colour != "grey":
        raise ShapeError(
            f"{raw}: a mosaic has one value a pixel, found {picture.colour}; give the raw picture, in grey"
        )
    if height % 2 or width % 2:
        raise ShapeError(f"{raw}: a mosaic has an even height and width, found {height} x {width}; crop a line")
    recover_and_tell(picture, raw, _model(mosaic(pattern), sigma), output, asked)


def restore(
    measured: Annotated[Path, typer.Argument(help="Measurement: a picture, or an array (.npy).")],
    output: Output,
    forward: Annotated[Path, typer.Option(help="Forward model (TOML): how the measurement came from a picture.")],
    white: White = 1.0,
    sigma: Sigma = None,
    method: MethodName = None,
    model: ModelName = None,
    iterations: Iterations = None,
    engine: EngineChoice = EngineOption.auto,
    threads: Threads = None,
    clean: Clean = None,
    compare: Compare = None,
) -> None:
    """Find the picture behind a measurement, for any forward model: blurs, masks, samplings, one after the other."""
    from aplomb.io import Picture
    from aplomb.restore.measured import makes_pictures

    asked = Asked(sigma, method, model, iterations, engine, threads, clean, compare)
    given = read_values(measured)
    size = given.size if isinstance(given, Picture) else given.shape
    if len(size) < 2:
        raise ShapeError(f"{measured}: a measurement has two axes or more, found the shape {size}")
    known = forward_of(forward, size, sigma)
    values = given.array if isinstance(given, Picture) and not makes_pictures(known) else given
    if not isinstance(values, Picture) and makes_pictures(known):
        values = Picture(values, name=str(measured))
    recover_and_tell(values, measured, known, output, asked, white)


def simulate(
    clean: Annotated[Path, typer.Argument(help="Clean picture: PNG, TIFF, JPEG, ...; 8 or 16 bit, float.")],
    output: Output,
    forward: Annotated[Path, typer.Option(help="Forward model (TOML): what happens to the picture.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
) -> None:
    """Measure a clean picture by a forward model, to try methods on it.

    Pictures keep their dtype, .npy and TIFF of floats hold values as they are; k-space goes to .npy.
    """
    from aplomb import io
    from aplomb.degrade.forward import read_forward
    from aplomb.degrade.words import in_words
    from aplomb.metrics import psnr
    from aplomb.restore.measured import as_given, makes_pictures

    picture = io.read(clean)
    planes, origin = io.to_float(picture)
    model = read_forward(forward, planes.shape)
    if len(planes) != 1:
        raise BadInput(f"{clean}: found {len(planes)} images; simulate takes one at a time")
    y = np.asarray(model.simulate(planes, np.random.default_rng(seed)))
    values = written = as_given(y, model)
    say(f"{clean}: {picture.size[1]} x {picture.size[0]} pixels, {picture.colour}, {picture.array.dtype}")
    say(f"forward model: {in_words(model)}")
    if np.iscomplexobj(values) and output.suffix.lower() != ".npy":
        raise BadInput(f"{output}: k-space is complex, which pictures do not hold; write .npy")
    if not makes_pictures(model):
        if output.suffix.lower() not in (".npy", ".tif", ".tiff"):
            raise BadInput(f"{output}: the measurement is no picture, and must not be clipped; write .tif or .npy")
        lost = write_values(output, values)
    elif output.suffix.lower() == ".npy":
        lost = write_values(output, values)
    else:
        if picture.alpha is not None and y.shape[2:] != planes.shape[2:]:
            raise BadInput(f"{clean} has alpha, and a picture of another size comes out; save it without alpha")
        whole = origin.dtype.kind in "ub"
        lost = clipping(values, f"{origin.dtype}; .npy holds them as they are") if whole else []
        written = io.from_float(y, origin)
        lost += io.write(output, written, like=picture)
    for note in (*picture.notes, *lost):
        warn(note)
    if makes_pictures(model) and y.shape == planes.shape:
        say(f"PSNR against {clean}: {psnr(io.to_float(written)[0], planes):.2f} dB")
    say(f"wrote {output}: {' x '.join(map(str, values.shape))}, seed {seed}")


# -- what is asked for ---------------------------------------------------------------------------------------


def _model(operator: Operator, sigma: float | None) -> ForwardModel:
    from aplomb.degrade.forward import ForwardModel
    from aplomb.degrade.noise import Gaussian

    return ForwardModel(operator, None if sigma is None else Gaussian(sigma / 255))


def _kernel(
    psf: Path | None, index: int, normalise: bool, gaussian: float | None, disk: float | None, motion: Any
) -> np.ndarray | None:
    """The one point spread function that was asked for, or None."""
    from aplomb.degrade import psf as kernels

    given = {"--psf": psf, "--gaussian": gaussian, "--disk": disk, "--motion": motion}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise BadInput(f"found {' and '.join(names)}, which are different blurs; give one of them")
    if psf is not None:
        return kernels.read_psf(psf, index, normalise=normalise)
    if gaussian is not None:
        return kernels.gaussian(gaussian)
    if disk is not None:
        return kernels.disk(disk)
    return None if motion is None else kernels.motion(*motion)


def _check_smaller(kernel: np.ndarray, size: tuple[int, int]) -> None:
    if kernel.shape[0] > size[0] or kernel.shape[1] > size[1]:
        raise ShapeError(
            f"the point spread function has {kernel.shape[0]} x {kernel.shape[1]} pixels, and the picture is smaller, "
            f"{size[0]} x {size[1]}; crop the function, or give the whole picture"
        )


def _missing(path: Path, picture: Picture) -> np.ndarray:
    """(H, W), True where the mask is not black."""
    from aplomb import io

    mask = io.read(path)
    if mask.images != 1 or mask.size != picture.size:
        raise ShapeError(
            f"mask {path} has {mask.size[1]} x {mask.size[0]} pixels, the picture {picture.size[1]} x "
            f"{picture.size[0]}; give one of the same size"
        )
    white = np.asarray(mask.array != 0)
    missing = np.asarray(white.any(axis=mask.axes.index("S"))) if "S" in mask.axes else white
    if not missing.any():
        raise BadInput(f"mask {path} is black everywhere, so nothing is missing; white says what is")
    if missing.all():
        raise BadInput(f"mask {path} is white everywhere, so nothing is there to go by; is it inverted?")
    return missing
