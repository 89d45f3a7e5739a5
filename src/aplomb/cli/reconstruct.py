"""The commands reconstruct mri, reconstruct ct and reconstruct cs: pictures from what is none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from aplomb.cli.inverse import restore
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
    read_numbers,
    read_values,
    recover_and_tell,
)
from aplomb.cli.options import EngineChoice, EngineOption, Threads
from aplomb.errors import BadInput, ImageFileError, ShapeError

reconstruct = typer.Typer(
    help="Make pictures of k-space (mri), sinograms (ct) and compressed measurements (cs).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@reconstruct.command()
def mri(
    kspace: Annotated[Path, typer.Argument(help="k-space, complex: .npy of (H, W), or (K, H, W) with K coils.")],
    output: Output,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="What was sampled: picture, .npy or .mat; zero frequency in the middle. What is not 0, if left out."
        ),
    ] = None,
    maps: Annotated[Path | None, typer.Option(help="Sensitivities of the coils: .npy of (K, H, W), complex.")] = None,
    complex_picture: Annotated[
        bool, typer.Option("--complex", help="The picture is complex: .npy has all of it, others its magnitude.")
    ] = False,
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
    """Make a picture of k-space, of which a part was sampled (the zero frequency in the middle)."""
    from aplomb.degrade.forward import ForwardModel
    from aplomb.degrade.fourier import mri as measure
    from aplomb.degrade.fourier import read_mask
    from aplomb.degrade.noise import Gaussian

    asked = Asked(sigma, method, model, iterations, engine, threads, clean, compare)
    y = read_numbers(kspace)
    if y.dtype.kind != "c":
        raise BadInput(f"{kspace}: k-space is complex, found {y.dtype}; save it as complex numbers")
    if y.ndim not in (2, 3):
        raise ShapeError(f"{kspace}: k-space is (H, W), or (K, H, W) with coils, found the shape {y.shape}")
    if y.ndim == 3 and maps is None:
        raise BadInput(f"{kspace}: found the shape {y.shape}; for {len(y)} coils give their sensitivities by --maps")
    size = (int(y.shape[-2]), int(y.shape[-1]))
    sampled: Any = (y if y.ndim == 2 else y.any(axis=0)) != 0 if mask is None else read_mask(mask, size)
    seen = None if maps is None else read_numbers(maps)
    operator = measure(sampled, seen, not complex_picture)
    noise = None if sigma is None else Gaussian(sigma / 255)
    recover_and_tell(y, kspace, ForwardModel(operator, noise), output, asked, white)


@reconstruct.command()
def ct(
    sinogram: Annotated[
        Path,
        typer.Argument(help="Sinogram of parallel beams, a row a detector, a column an angle: TIFF of floats or .npy."),
    ],
    output: Output,
    angles: Annotated[
        str, typer.Option(help="Degrees: from:to, evenly, to left out, as 0:180; or a file of them, one a column.")
    ] = "0:180",
    circle: Annotated[
        bool, typer.Option(help="The object lies in the circle that touches the sides; else rays see the corners, too.")
    ] = True,
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
    """Make a slice of a sinogram: sums along parallel rays, in units of the picture times pixels."""
    from aplomb.degrade.forward import ForwardModel
    from aplomb.degrade.noise import Gaussian
    from aplomb.degrade.radon import radon

    asked = Asked(sigma, method, model, iterations, engine, threads, clean, compare)
    y = _floats(sinogram)
    detectors, count = int(y.shape[-2]), int(y.shape[-1])
    operator = radon(detectors if circle else _side(sinogram, detectors), _angles(angles, count, sinogram), circle)
    noise = None if sigma is None else Gaussian(sigma / 255)
    recover_and_tell(y, sinogram, ForwardModel(operator, noise), output, asked, white)


@reconstruct.command()
def cs(
    measured: Annotated[Path, typer.Argument(help="Compressed measurements: .npy, or TIFF of floats.")],
    output: Output,
    forward: Annotated[Path, typer.Option(help="Forward model (TOML): what was measured.")],
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
    """Make a picture of fewer numbers than it has pixels, each the sum of many: compressed sensing."""
    _floats(measured)
    restore(
        measured, output, forward, white, sigma, method, model, iterations, engine, threads, clean, compare
    )  # fmt: skip


def _floats(path: Path) -> np.ndarray:
    """Numbers that are real and not of integer type, which would have no unit."""
    given = read_values(path)
    values = given if isinstance(given, np.ndarray) else given.array
    if values.dtype.kind != "f":
        raise BadInput(f"{path}: found {values.dtype}; give floats, in units of the picture (white is 1, or --white)")
    if values.ndim < 2:
        raise ShapeError(f"{path}: a measurement has two axes or more, found the shape {values.shape}")
    return values


def _angles(text: str, count: int, sinogram: Path) -> np.ndarray:
    """Degrees, one for each column."""
    ends = text.split(":")
    if Path(text).is_file():
        found = _angle_file(Path(text))
    elif len(ends) == 2 and all(_number(end) for end in ends):
        low, high = map(float, ends)
        found = low + (high - low) * np.arange(count) / count
    else:
        raise BadInput(f"--angles {text} is neither a file nor two numbers of degrees, as 0:180")
    if len(found) != count:
        raise ShapeError(
            f"found {len(found)} angles in {text}, and {count} columns in {sinogram}; give one angle a column"
        )
    return found


def _angle_file(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        return np.ravel(read_numbers(path))
    try:
        return np.array([float(word) for word in path.read_text(encoding="utf-8").replace(",", " ").split()])
    except (ValueError, UnicodeDecodeError):
        raise ImageFileError(f"{path}: angles are numbers, in text or .npy; found something else") from None


def _number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _side(path: Path, detectors: int) -> int:
    """The picture whose corners so many detectors see."""
    from aplomb.degrade.radon import radon

    likely = range(max(1, int(detectors / np.sqrt(2)) - 2), int(detectors / np.sqrt(2)) + 3)
    found = [n for n in likely if radon(n, [0.0], False).output_shape((1, 1, n, n))[2] == detectors]
    if not found:
        raise ShapeError(f"{path}: {detectors} detectors see the corners of no picture; is it of a --circle?")
    return found[0]
