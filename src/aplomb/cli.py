"""The command line: every command reads its options, calls one public function and tells what came of it.

Heavy imports stay inside the commands, so that ``aplomb --help`` answers at once.

Long because every command's options are described beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aplomb.errors import AplombError, BadInput

if TYPE_CHECKING:
    from aplomb.operator import Operator

app = typer.Typer(
    help="Restore noisy pictures with networks that can be checked, compare with classical methods, train your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class EngineOption(StrEnum):
    """Names of engines."""

    auto = "auto"
    onnxruntime = "onnxruntime"
    openvino = "openvino"


class PrecisionOption(StrEnum):
    """What an engine computes in."""

    f32 = "f32"
    bf16 = "bf16"
    int8 = "int8"


EngineChoice = Annotated[EngineOption, typer.Option(help="auto takes OpenVINO where it is installed.")]
PrecisionChoice = Annotated[
    PrecisionOption, typer.Option(help="bf16 and int8 are faster and lose a little; see the model's card.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads of the network; the cores of the machine unless given.")
]


def _size(text: str) -> float:
    """Bytes, from "500M", "2G" or a plain number."""
    units = {"k": 2**10, "m": 2**20, "g": 2**30}
    number = text.strip().lower().removesuffix("b").removesuffix("i")
    try:
        value = float(number[:-1]) * units[number[-1]] if number[-1:] in units else float(number)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"{text!r} is no amount of memory; give for example 500M or 2G")
    return value


Memory = Annotated[
    Any,
    typer.Option(
        parser=_size, metavar="SIZE", help="Working memory, as 500M or 2G; half of what is free unless given."
    ),
]


@app.command()
def denoise(
    image: Annotated[
        Path | None, typer.Argument(help="Picture to restore: PNG, TIFF, JPEG, ...; 8 or 16 bit, float, multi-page.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the result goes; the suffix says the format.")
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Noise level in 8-bit grey levels (0..255); estimated unless given.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Shipped model by name, or an ONNX file; picked unless given.")
    ] = None,
    engine: EngineChoice = EngineOption.auto,
    precision: PrecisionChoice = PrecisionOption.f32,
    memory: Memory = None,
    threads: Threads = None,
    error: Annotated[
        bool, typer.Option(help="Estimate the error of the result, without a reference: one more pass.")
    ] = True,
    error_map: Annotated[
        Path | None, typer.Option("--map", help="Where a picture goes of the error to be expected at each pixel.")
    ] = None,
    never_worse: Annotated[
        bool, typer.Option("--never-worse", help="Take a classical method where its estimated error is less.")
    ] = False,
    example: Annotated[
        Path | None,
        typer.Option(
            help="Show it on a photograph of scikit-image: noisy, restored, difference and table, into this folder."
        ),
    ] = None,
) -> None:
    """Remove noise from a picture. Blind by default: the noise level is estimated, the network picked, both told."""
    if example is not None:
        from aplomb.example import example as show

        with progress("comparing") as step:
            told = show(example, (25.0 if sigma is None else sigma) / 255, progress=step)
        _say(told)
        return
    if image is None or output is None:
        raise BadInput(
            "denoise takes a picture and a place for the result: aplomb denoise noisy.png -o clean.png (--example out/)"
        )
    from aplomb import denoise as run
    from aplomb import io
    from aplomb.restore.estimate import in_words

    picture = io.read(image)
    io.check_output(output, picture)
    if error_map is not None:
        from aplomb.restore.trust_map import check_map

        check_map(error_map, output, picture)
    _describe(picture)
    with progress("restoring") as step:
        result = run(
            picture, None if sigma is None else sigma / 255, model,
            engine=engine.value, precision=precision.value, memory=memory, threads=threads,
            error=error, error_map=error_map is not None, never_worse=never_worse, progress=step,
        )  # fmt: skip
    levels = result.sigma if isinstance(result.sigma, tuple) else (result.sigma,)
    shown = f"{255 * min(levels):.1f}" + (f" to {255 * max(levels):.1f}" if len(levels) > 1 else "")
    _say(f"noise: standard deviation {shown} of 255 ({'estimated' if result.estimated else 'as given'})")
    _say(f"network: {result.model}, run by {result.engine} in {result.precision}")
    if result.errors and (told := in_words(result.errors)):
        _say(f"estimated error: {told}, without a reference")
    for note in (*picture.notes, *result.notes):
        _warn(note)
    for note in io.write(output, result.image, like=picture):
        _warn(note)
    speed = picture.images * picture.size[0] * picture.size[1] / 1e6 / max(result.seconds, 1e-9)
    _say(f"wrote {output}: {result.seconds:.2f} s in the network, {speed:.1f} megapixels a second")
    if error_map is not None and result.error_map is not None:
        from aplomb.restore.trust_map import write_map

        _say(write_map(error_map, result.error_map))


@app.command()
def compare(
    pictures: Annotated[list[Path], typer.Argument(help="Clean pictures, or folders of them.")],
    sigma: Annotated[
        float, typer.Option(help="Standard deviation of the noise that is added, in 8-bit grey levels.")
    ] = 25.0,
    method: Annotated[
        list[str] | None, typer.Option(help="A method, model name or ONNX file; repeat for more. All unless given.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for table (CSV), figure (PNG) and report (HTML).")
    ] = Path("comparison"),
    without: Annotated[list[str] | None, typer.Option(help="A method to leave out; repeat for more.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Leave a method out on a picture that it would take longer for.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    engine: EngineChoice = EngineOption.auto,
    precision: PrecisionChoice = PrecisionOption.f32,
    threads: Threads = None,
) -> None:
    """Add noise to clean pictures and put classical methods and networks side by side: PSNR, SSIM, seconds."""
    from aplomb import compare as run

    if output.exists() and not output.is_dir():
        raise BadInput(f"output {output} is a file; give a folder")
    with progress("comparing") as step:
        result = run(
            [str(p) for p in pictures], sigma / 255, method, seed=seed, without=without or (), max_seconds=max_seconds,
            engine=engine.value, precision=precision.value, threads=threads, progress=step,
        )  # fmt: skip
    _say(str(result))
    output.mkdir(parents=True, exist_ok=True)
    result.to_csv(output / "comparison.csv")
    result.figure(output / "comparison.png")
    result.report(output / "comparison.html")
    _say(f"wrote comparison.csv, comparison.png and comparison.html into {output}")


@app.command()
def inspect(
    networks: Annotated[list[str], typer.Argument(help="Names of networks or shipped models, or ONNX files.")],
    size: Annotated[str | None, typer.Option(help="Size of the picture, as 512 or 640x480 (height x width).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    covariance: Annotated[
        bool, typer.Option("--covariance", help="Shift a picture instead, and measure whether the result only shifts.")
    ] = False,
) -> None:
    """Show a network layer by layer: shape, parameters, multiply-adds, receptive field, stability bound."""
    from aplomb.facts.table import table

    if covariance:
        _covariance(networks, json)
        return
    found = []
    for name in networks:
        operator, title = _network(name)
        found.append((name, table(operator, _shape(operator, size), name=title)))
    if json:
        import json as encoder

        _say(encoder.dumps([{"name": name, **t.to_dict()} for name, t in found], indent=1))
        return
    for _, t in found:
        if csv:
            _say(t.to_csv())
        else:
            from rich.console import Console

            Console(width=None if sys.stdout.isatty() else 160).print(t.rich())


@app.command()
def certify(
    model: Annotated[str, typer.Argument(help="A shipped model by name, or an ONNX file of anybody's.")],
    picture: Annotated[
        list[Path] | None, typer.Option(help="Picture around which to search for amplification; repeat for more.")
    ] = None,
    sigma: Annotated[
        float, typer.Option(help="Noise level, in 8-bit grey levels, that networks which take one are told.")
    ] = 25.0,
    json: Annotated[bool, typer.Option("--json", help="Print the certificate as JSON.")] = False,
) -> None:
    """Prove how much a network can amplify a change of its input, and search for the strongest amplification.

    The bound holds in l2 (root of the sum of squares over pixels and channels) for every two pictures of one size, any
    size, with the weights in the file and exact arithmetic; what float32 adds is told apart. What is found is attained
    by a change of a picture, and is no bound. "exact" is the smallest constant, "upper" is proved not to be exceeded,
    "unknown" means that nothing is proved.
    """
    from aplomb import certify as run

    with progress("certifying") as step:
        certificate = run(model, picture or None, sigma=sigma / 255, progress=step)
    if json:
        import json as encoder

        _say(encoder.dumps(certificate.to_dict(), indent=1))
        return
    _say(str(certificate))


@app.command()
def explain(
    picture: Annotated[Path, typer.Argument(help="Picture: PNG, TIFF, JPEG, ...")],
    at: Annotated[
        str | None, typer.Option(metavar="ROW,COLUMN", help="Pixel to explain; the middle unless given.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Shipped model by name, or an ONNX file; picked unless given.")
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Noise level in 8-bit grey levels (0..255); estimated unless given.")
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="Show the channels behind this layer; aplomb inspect has the numbers.")
    ] = None,
    filters: Annotated[bool, typer.Option("--filters", help="Show the filters of the first layer.")] = False,
    label: Annotated[
        int | None, typer.Option("--class", help="Class to explain, for a classifier; the most probable unless given.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for figures (PNG) and numbers (JSON).")] = Path(
        "explanation"
    ),
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain a pixel of a result: the filter that the network applies there, how far it sees, how linear it is."""
    from aplomb import io
    from aplomb.explanation.report import report

    pixel = None if at is None else _pixel(at)
    found = report(
        io.read(picture), output, model, at=pixel, sigma=None if sigma is None else sigma / 255, layer=layer,
        filters=filters, label=label,
    )  # fmt: skip
    if json:
        import json as encoder

        _say(encoder.dumps(found.values, indent=1))
        return
    if found.text:
        _say(found.text)
    _say(f"wrote {', '.join(path.name for path in found.files)} into {output}")


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe: a TOML file, see recipes/.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of pictures to train on; $APLOMB_DATA unless given.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the model goes (one ONNX file).")] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of checkpoint, log and curves; runs/NAME unless given.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew instead of going on from the last checkpoint.")
    ] = False,
) -> None:
    """Train a network as a recipe says, on your pictures; a run that was stopped goes on where it was."""
    try:
        from aplomb.train import train as run_training
    except ModuleNotFoundError as error:
        raise BadInput(f"training needs {error.name}, which is not installed; pip install 'aplomb[train]'") from None
    result = run_training(recipe, data, output, run=run, resume=not fresh)
    reached = ", ".join(f"{noise} {value:.2f} dB" for noise, value in result.psnr.items())
    _say(f"wrote {result.path}: best at step {result.step} of {result.steps}{', ' + reached if reached else ''}")
    _say(f"try it: aplomb denoise noisy.png -o clean.png --model {result.path}")


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="A model or an ONNX file, to show its card.")] = None,
) -> None:
    """List the models that come with the package, or show the card of one: data, recipe, what it reached."""
    from aplomb.model import load, shipped

    if name is not None:
        card = load(name).card
        if card is None:
            raise BadInput(f"{name} has no Aplomb card; aplomb inspect {name} shows what can be read from the network")
        _say(card.markdown())
        return
    from rich.console import Console
    from rich.table import Table

    titles = ("model", "task", "channels", "noise (of 255)", "parameters", "MACs/pixel")
    shown = Table(*titles, box=None, pad_edge=False)
    for each in shipped():
        card = load(each).card
        assert card is not None
        levels = sorted({f"{255 * v:.0f}" for v in card.noise_range or ()}, key=float)
        cost = f"{card.multiply_adds_per_pixel:,}"
        shown.add_row(each, card.task, str(card.channels), " to ".join(levels), f"{card.parameters:,}", cost)
    Console().print(shown)


def _pixel(text: str) -> tuple[int, int]:
    """Row and column, from "120,200"."""
    try:
        row, column = (int(n) for n in text.split(","))
    except ValueError:
        raise BadInput(f"--at {text!r} is no pixel; give row,column as 120,200") from None
    return row, column


def _covariance(networks: list[str], json: bool) -> None:
    """What `inspect --covariance` prints: networks that take a noise level are told 25 of 255."""
    import json as encoder

    from aplomb.facts.covariance import translation_covariance
    from aplomb.model import load, shipped

    found = []
    for name in networks:
        operator, title = _network(name)
        if Path(name).is_file() or name in shipped():
            operator = load(name).told(25 / 255)
        found.append(translation_covariance(operator, name=title))
    _say(encoder.dumps([each.to_dict() for each in found], indent=1) if json else "\n\n".join(map(str, found)))


def _network(name: str) -> tuple[Operator, str]:
    """A shipped model or a file by preference, else a fresh network of that name; and what to call it."""
    from aplomb.model import load, shipped
    from aplomb.nets import NETWORKS

    if Path(name).is_file() or name in shipped():
        return load(name).operator, name
    if name in NETWORKS:
        return NETWORKS[name](), f"{name}, untrained: random weights"
    raise BadInput(
        f"network {name!r} is neither a file nor a name; shipped: {', '.join(shipped())}; "
        f"untrained: {', '.join(n for n in NETWORKS if n not in shipped())}"
    )


def _shape(operator: Operator, size: str | None) -> tuple[int, ...] | None:
    if size is None:
        return None
    try:
        sides = [int(n) for n in size.lower().replace("×", "x").split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise BadInput(f"size {size!r} is not understood; give 512 or 640x480 (height x width)")
    return (1, operator.input_channels() or 1, sides[0], sides[-1])


def _describe(picture: Any) -> None:
    height, width = picture.size
    pages = f", {picture.images} images" if picture.images > 1 else ""
    _say(f"{picture.name}: {width} x {height} pixels, {picture.colour}, {picture.array.dtype}{pages}")


def _say(text: str) -> None:
    typer.echo(text)


def _warn(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


@contextmanager
def progress(what: str) -> Iterator[Callable[..., None] | None]:
    """A bar with the time left on standard error, if that is a terminal.

    It is called with the steps done, the steps in all and, if there is more to tell than `what`, what comes next.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, now="": bar.update(task, completed=done, total=total, description=now or what)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors become one line on standard error and an exit code, 2 for bad input, 1 for our failures."""
    try:
        app(arguments, standalone_mode=True)
    except AplombError as error:
        code = error.exit_code
        message = str(error)
    except MemoryError:
        code, message = 1, "out of memory; give less with --memory, or close other programs"
    except KeyboardInterrupt:
        code, message = 130, "stopped"
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader went away; nobody is there to be told
        raise SystemExit(1) from None
    except Exception as error:
        if os.environ.get("APLOMB_TRACEBACK"):
            raise
        code = 1
        message = f"{type(error).__name__}: {error} (a bug of ours; APLOMB_TRACEBACK=1 shows where, please report it)"
    typer.echo(f"error: {message}", err=True)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
