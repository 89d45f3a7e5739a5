"""What the commands of inverse problems share: measurements and forward models from files, recoveries told, written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from aplomb.cli.terminal import progress, say, warn
from aplomb.errors import BadInput, ImageFileError, OutputError, ShapeError

if TYPE_CHECKING:
    from aplomb.degrade.forward import ForwardModel
    from aplomb.io import Picture

__all__ = [
    "Asked", "Clean", "Compare", "Iterations", "MethodName", "ModelName", "Output", "Sigma", "White", "clipping",
    "forward_of", "read_numbers", "read_values", "recover_and_tell", "write_comparison", "write_values",
]  # fmt: skip

Output = Annotated[Path, typer.Option("--output", "-o", help="Where the result goes; the suffix says the format.")]
Sigma = Annotated[
    float | None, typer.Option(help="Noise in the measurement: standard deviation in 8-bit grey levels (0..255).")
]
MethodName = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="network (trained for this), pnp (plug-and-play; also hqs, admm, proximal-gradient), or the name of a "
        "classical method; network where there is one, else pnp, unless given.",
    ),
]
ModelName = Annotated[
    str | None, typer.Option("--model", help="Network by name, or an ONNX file: one for this, or a denoiser for pnp.")
]
Iterations = Annotated[int | None, typer.Option(min=1, help="Iterations of plug-and-play; what suits unless given.")]
Clean = Annotated[
    Path | None, typer.Option("--clean", help="The true picture, if there is one: PSNR before and after are told.")
]
Compare = Annotated[
    Path | None,
    typer.Option(
        "--compare", help="With --clean: all methods that fit, on this measurement; table, figure, report to a folder."
    ),
]
White = Annotated[float, typer.Option(help="What counts as white in the picture that comes out; methods work on 0..1.")]


@dataclass(frozen=True)
class Asked:
    """What every command is asked about the recovery."""

    sigma: float | None
    """In 8-bit grey levels."""
    method: str | None
    model: str | None
    iterations: int | None
    engine: Any
    threads: int | None
    clean: Path | None
    compare: Path | None

    def __post_init__(self) -> None:
        if self.compare is not None and self.clean is None:
            raise BadInput("--compare needs the true picture to compare with; give it by --clean")


# -- files ---------------------------------------------------------------------------------------------------


def read_values(path: Path) -> Picture | np.ndarray:
    """A picture, or the array of a .npy file."""
    from aplomb import io

    return read_numbers(path) if path.suffix.lower() == ".npy" else io.read(path)


def read_numbers(path: Path) -> np.ndarray:
    """The array of a .npy file. Raises ImageFileError."""
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except FileNotFoundError:
        raise ImageFileError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise ImageFileError(f"{path}: cannot be read as .npy ({error})") from None


def write_values(path: Path, values: np.ndarray) -> list[str]:
    """Write an array that was no picture: as .npy or TIFF as it is, else in 8 bits. Says what was lost."""
    from aplomb import io

    if path.suffix.lower() == ".npy":
        with io.whole_file(path) as temporary:
            np.save(temporary, values, allow_pickle=False)
        return []
    lost = []
    if np.iscomplexobj(values):
        values = np.abs(values)
        lost.append("the picture is complex; its magnitude was written, .npy would hold all of it")
    if path.suffix.lower() not in (".tif", ".tiff"):
        lost += clipping(values, "8 bits; .tif or .npy hold more")
        values = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return [*lost, *io.write(path, values)]


def clipping(values: np.ndarray, kept: str) -> list[str]:
    """What clipping to 0..1 loses, if anything."""
    outside = float(np.mean((values < 0) | (values > 1)))
    return [f"{100 * outside:.3g} % of the values were clipped to 0..1, and all rounded to {kept}"] if outside else []


def check_place(path: Path, shape: tuple[int, ...], *, number: type = np.float32) -> None:
    """Raise what writing would raise, before the work is done."""
    from aplomb import io

    if path.suffix.lower() == ".npy":
        if not path.parent.is_dir() or path.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist, or this is a folder; create it first")
        return
    kind = number if path.suffix.lower() in (".tif", ".tiff") else np.uint8
    io.check_output(path, io.Picture(np.zeros(shape, kind)))


def forward_of(path: Path, shape: tuple[int, ...], sigma: float | None) -> ForwardModel:
    """The forward model in a file, for measurements of `shape`: sizes that it leaves out are looked for."""
    from aplomb.degrade.forward import read_forward
    from aplomb.degrade.noise import Gaussian

    try:
        model = read_forward(path)
    except BadInput as error:
        model = _of_some_size(lambda picture: read_forward(path, picture), shape, error)
    return model if sigma is None else dataclasses.replace(model, noise=Gaussian(sigma / 255))


def _of_some_size(read: Callable[[Any], ForwardModel], shape: tuple[int, ...], error: BadInput) -> ForwardModel:
    """The first size of pictures, of those that are likely, whose measurement is as large as this one."""
    height, width = shape[-2:]
    likely = [(height, width), (height, height), *((m * height, m * width) for m in (2, 3, 4))]
    for channels in (1, 3):
        for size in likely:
            try:
                model = read((1, channels, *size))
                if model.operator.output_shape((1, channels, *size))[2:] == (height, width):
                    return model
            except BadInput:
                continue
    raise error


# -- the work ------------------------------------------------------------------------------------------------


def recover_and_tell(
    given: Picture | np.ndarray, name: Path, forward: ForwardModel, output: Path, asked: Asked, white: float = 1.0
) -> None:
    """Recover, tell how, write, and compare if a true picture is there."""
    from aplomb import io
    from aplomb.degrade.words import in_words
    from aplomb.restore.measured import measured
    from aplomb.restore.recover import recover

    flat = isinstance(given, io.Picture)
    if not white > 0 or not np.isfinite(white):
        raise BadInput(f"--white is {white:g}; give a number above 0")
    values: Any = given if flat else np.asarray(given) / white
    _describe(given, name)
    say(f"forward model: {in_words(forward)}")
    y = measured(values, forward)
    shape = y.as_given(np.zeros(forward.picture_shape(y.y.shape), np.float32)).shape
    if isinstance(given, io.Picture):
        if given.alpha is not None and shape[:2] != given.size:
            raise BadInput(f"{name} has alpha, and a picture of another size comes out; save it without alpha")
        io.check_output(
            output, dataclasses.replace(given, array=np.zeros(shape, given.array.dtype), axes=_axes(given, shape))
        )
    else:
        _check_white(y.y, forward, name, white)
        check_place(output, shape)
    with progress("recovering") as step:
        result = recover(
            values, forward, asked.method, None if asked.sigma is None else asked.sigma / 255, asked.model,
            iterations=asked.iterations, engine=asked.engine.value, threads=asked.threads,
            progress=None if step is None else lambda done, total, change: step(done, total, f"change {change:.2g}"),
        )  # fmt: skip
    known = asked.sigma is not None or forward.sigma is not None or not result.notes
    say(f"noise: standard deviation {255 * result.sigma:.3g} of 255 ({'as given' if known else 'see the note'})")
    say(_method(result))
    if result.guarantee:
        say(f"guarantee: {result.guarantee}")
    for note in (*(given.notes if isinstance(given, io.Picture) else ()), *result.notes):
        warn(note)
    image = result.image if flat else result.image * result.image.real.dtype.type(white)
    lost = io.write(output, image, like=given) if isinstance(given, io.Picture) else write_values(output, image)
    for note in lost:
        warn(note)
    say(f"wrote {output}: {result.seconds:.2f} s")
    if asked.clean is not None:
        _judge(values, name, forward, result.image, asked, result.sigma)


def _axes(given: Picture, shape: tuple[int, ...]) -> str:
    """Axes of the result: those of the measurement, and colour where grey became colour."""
    return given.axes + "S" * (len(shape) - given.array.ndim)


def _check_white(y: np.ndarray, forward: ForwardModel, name: Path, white: float) -> None:
    """Refuse values that cannot come from a picture in 0..1, or nearly."""
    from aplomb.restore.start import seen

    peak = float(np.abs(seen(y, forward.operator)).max())
    if not 0.02 < peak < 4:
        raise BadInput(
            f"{name}: the picture behind it reaches to about {white * peak:.3g}, and methods work on 0..1; give the "
            f"value of white, for example --white {white * peak:.2g}"
            if peak > 0
            else f"{name} is zero everywhere"
        )


def _method(result: Any) -> str:
    told = f"method: {result.method}" + (f" with {result.model}" if result.model else "")
    if not result.residuals:
        return told
    last = 255 * result.residuals[-1]
    return f"{told}, {len(result.residuals)} iterations, the last changed the picture by {last:.2g} of 255"


def _judge(values: Any, name: Path, forward: ForwardModel, image: np.ndarray, asked: Asked, sigma: float) -> None:
    """PSNR against the true picture; all methods beside each other, if that was asked for."""
    from aplomb import compare_recovery, io
    from aplomb.metrics import psnr

    assert asked.clean is not None
    clean = io.read(asked.clean)
    truth, found = io.to_float(clean)[0], io.to_float(image if not np.iscomplexobj(image) else np.abs(image))[0]
    if truth.shape != found.shape:
        raise ShapeError(
            f"{asked.clean} has the shape {truth.shape[1:]}, the result {found.shape[1:]}; give the true one"
        )
    before = ""
    if isinstance(values, io.Picture) and (seen := io.to_float(values)[0]).shape == truth.shape:
        before = f", before {psnr(seen, truth):.2f} dB"
    say(f"PSNR against {asked.clean}: {psnr(np.clip(found, 0, 1), truth):.2f} dB{before}")
    if asked.compare is not None:
        folder = io.make_folder(asked.compare)
        with progress("comparing") as step:
            table = compare_recovery(
                {name.name: clean}, forward, measurements=[values], sigma=sigma, engine=asked.engine.value,
                threads=asked.threads, progress=step,
            )  # fmt: skip
        write_comparison(table, folder)


def write_comparison(table: Any, folder: Path) -> None:
    """Print it, and write its three forms into a folder."""
    say(str(table))
    table.to_csv(folder / "comparison.csv")
    table.figure(folder / "comparison.png")
    table.report(folder / "comparison.html")
    say(f"wrote comparison.csv, comparison.png and comparison.html into {folder}")


def _describe(given: Picture | np.ndarray, name: Path) -> None:
    if isinstance(given, np.ndarray):
        say(f"{name}: {' x '.join(map(str, given.shape))} numbers, {given.dtype}")
        return
    height, width = given.size
    pages = f", {given.images} images" if given.images > 1 else ""
    say(f"{name}: {width} x {height} pixels, {given.colour}, {given.array.dtype}{pages}")
