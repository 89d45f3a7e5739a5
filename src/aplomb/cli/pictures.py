"""The command denoise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aplomb.cli.options import EngineChoice, EngineOption, Memory, PrecisionChoice, PrecisionOption, Threads
from aplomb.cli.terminal import progress, say, warn
from aplomb.errors import BadInput


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
        say(told)
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
    say(f"noise: standard deviation {shown} of 255 ({'estimated' if result.estimated else 'as given'})")
    say(f"network: {result.model}, run by {result.engine} in {result.precision}")
    if result.errors and (told := in_words(result.errors)):
        say(f"estimated error: {told}, without a reference")
    for note in (*picture.notes, *result.notes):
        warn(note)
    for note in io.write(output, result.image, like=picture):
        warn(note)
    speed = picture.images * picture.size[0] * picture.size[1] / 1e6 / max(result.seconds, 1e-9)
    say(f"wrote {output}: {result.seconds:.2f} s in the network, {speed:.1f} megapixels a second")
    if error_map is not None and result.error_map is not None:
        from aplomb.restore.trust_map import write_map

        say(write_map(error_map, result.error_map))


def _describe(picture: Any) -> None:
    height, width = picture.size
    pages = f", {picture.images} images" if picture.images > 1 else ""
    say(f"{picture.name}: {width} x {height} pixels, {picture.colour}, {picture.array.dtype}{pages}")
