"""The command burst."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aplomb.cli.terminal import say, warn
from aplomb.errors import BadInput


def burst(
    frames: Annotated[
        list[Path], typer.Argument(help="Two or more pictures of one scene, of one size; or one TIFF with all of them.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the result goes; the suffix says the format.")],
    power: Annotated[
        float | None, typer.Option(help="Power of the weights, 11 unless given: 0 is the mean, 30 nearly the largest.")
    ] = None,
    align: Annotated[bool, typer.Option(help="Register the frames first, on the sharpest one.")] = True,
    weights: Annotated[
        str, typer.Option(help="power, learned, or a model (ONNX file) of python -m aplomb.train.burst.")
    ] = "power",
) -> None:
    """Make one sharp picture of several that are blurred by camera shake, each in another way."""
    from aplomb import io
    from aplomb.restore.burst import burst as run

    if power is not None and weights != "power":
        raise BadInput(f"burst: asked for the power {power:g} and for {weights} weights; leave one of the two out")
    pictures = [io.read(frame) for frame in frames]
    first = pictures[0]
    if first.images == 1:
        io.check_output(output, first)
    result = run(pictures, 11 if power is None else power, align, weights)
    count = len(result.weights)
    say(f"{count} frames, {first.size[1]} x {first.size[0]} pixels, {first.colour}, {first.array.dtype}")
    for number, ((down, right), share) in enumerate(zip(result.shifts, result.shares, strict=True), 1):
        sharpest = ", the sharpest" if number == result.reference + 1 else ""
        moved = f"moved by {down:+.2f} rows, {right:+.2f} columns, " if align else ""
        say(f"frame {number}: {moved}{100 * share:.0f} % of the frequencies{sharpest}")
    for note in (*(note for picture in pictures for note in picture.notes), *result.notes):
        warn(note)
    for note in io.write(output, result.image, like=first if first.images == 1 else None):
        warn(note)
    say(f"wrote {output}")
