"""The command that trains."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aplomb.cli.terminal import say
from aplomb.errors import BadInput


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe: a TOML file, see recipes/.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder that the recipe's places are looked for in; $APLOMB_DATA unless given.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the model goes (one ONNX file).")] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of checkpoint, log and curves; runs/NAME unless given.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew instead of going on from the last checkpoint.")
    ] = False,
    folds: Annotated[
        int | None, typer.Option(help="Segmentation: train so many times, each time judged on other pictures.")
    ] = None,
) -> None:
    """Train a network as a recipe says, on your pictures; a run that was stopped goes on where it was.

    Recipes restore, segment or classify.
    """
    try:
        from aplomb.train import cross_validate
        from aplomb.train import train as run_training
    except ModuleNotFoundError as error:
        raise BadInput(f"training needs {error.name}, which is not installed; pip install 'aplomb[train]'") from None
    if folds is not None:
        if output is not None:
            raise BadInput("folds give a model each, in the folder of the run; leave --output out")
        found = cross_validate(recipe, folds, data, run=run, resume=not fresh)
        say(str(found))
        say(f"wrote {found.path}")
        return
    result = run_training(recipe, data, output, run=run, resume=not fresh)
    reached = f", {result.reached} on validation" if result.figures else ""
    say(f"wrote {result.path}: best at step {result.step} of {result.steps}{reached}")
    say(f"try it: {result.command}")
