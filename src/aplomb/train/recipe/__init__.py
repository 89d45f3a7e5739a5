"""A recipe: one TOML file that says what is trained, on what, and how. Read strictly.

    task         denoise (unless given), restore, segment or classify
    [network]    which network, with its keyword arguments
    [data]       which pictures, in which pieces
    [noise]      denoise: what is added to them
    [forward]    restore: what is measured of them
    [start]      restore: what the network sees of a measurement
    [unrolled]   restore: data steps between passes of the network
    [labels]     segment: what the label files mean
    [augment]    segment, classify: how pictures are varied
    [loss]       what is minimised
    [optimiser]  by which rule
    [schedule]   for how long
    [validation] how it is judged meanwhile
    [run]        batch, seed, precision, averaging, checkpoints

A key that is not known, or a value that is not allowed, ends in one line with the file, the line and what is
allowed there.
"""

from __future__ import annotations

import inspect
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aplomb.errors import RecipeError
from aplomb.train.recipe.classify import ClassifyRecipe
from aplomb.train.recipe.denoise import SUPERVISED, DenoiseRecipe, LossPart, NoisePart
from aplomb.train.recipe.parts import NetworkPart, OptimiserPart, Recipe, SchedulePart
from aplomb.train.recipe.restore import RestoreRecipe
from aplomb.train.recipe.segment import SegmentRecipe

__all__ = [
    "SUPERVISED", "ClassifyRecipe", "DenoiseRecipe", "LossPart", "NetworkPart", "NoisePart", "OptimiserPart", "Recipe",
    "RestoreRecipe", "SchedulePart", "SegmentRecipe", "parse_recipe", "read_recipe",
]  # fmt: skip

TASKS: dict[str, type[Recipe]] = {
    "denoise": DenoiseRecipe, "restore": RestoreRecipe, "segment": SegmentRecipe, "classify": ClassifyRecipe,
}  # fmt: skip


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read and check a recipe file.

    Raises
    ------
    RecipeError
        The file is missing or not TOML, a key is unknown or missing, a value is not allowed; with the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text ({error})") from None
    return parse_recipe(text, os.fspath(path))


def parse_recipe(text: str, name: str = "recipe") -> Recipe:
    """Check a recipe given as text; `name` stands for the file in messages.

    Raises
    ------
    RecipeError
        As `read_recipe`.

    Examples
    --------
    >>> parse_recipe('[network]\\nname = "residual-32"\\n[data]\\ntrane = ["x"]', "r.toml")
    Traceback (most recent call last):
        ...
    aplomb.errors.RecipeError: r.toml, line 4: [data] has no key 'trane'; its keys are train, validation, \
test, validation_fraction, test_fraction, limit, colour, repeat, pair, crop, random_crop, augment, scales, saturation
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{name}: not valid TOML: {error}") from None
    task = values.get("task", "denoise")
    if task not in TASKS:
        where = _line(text, ("task",))
        raise RecipeError(f"{name}, line {where}: no task {task!r}; there are {', '.join(TASKS)}")
    kind = TASKS[task]
    try:
        recipe = kind.model_validate(values)
    except ValidationError as error:
        found = error.errors()
        # an unknown key explains a missing one, so it is told first
        raise RecipeError(
            _explain(kind, next((e for e in found if e["type"] == "extra_forbidden"), found[0]), text, name)
        ) from None
    recipe = recipe.model_copy(update={"text": text, "name": name})
    _check_network(recipe.network, text, name)
    return recipe


def _check_network(part: NetworkPart, text: str, name: str) -> None:
    from aplomb.nets import NETWORKS

    if part.name not in NETWORKS:
        where = _line(text, ("network", "name"))
        raise RecipeError(f"{name}, line {where}: no network {part.name!r}; known are {', '.join(sorted(NETWORKS))}")
    allowed = inspect.signature(NETWORKS[part.name]).parameters
    for key in part.arguments:
        if key not in allowed:
            where = _line(text, ("network", key))
            keys = ", ".join(["name", "init", "gain", *allowed])
            raise RecipeError(f"{name}, line {where}: network {part.name!r} has no {key!r}; its keys are {keys}")


def _explain(kind: type[Recipe], error: Any, text: str, name: str) -> str:
    loc = tuple(str(p) for p in error["loc"] if not isinstance(p, int))
    section, key = (loc[0] if loc else ""), (loc[1] if len(loc) > 1 else "")
    where = f"{name}, line {_line(text, loc[:2])}"
    fields = kind.model_fields
    if error["type"] == "extra_forbidden":
        if len(loc) == 1:
            sections = ", ".join(k for k in fields if k not in ("text", "name"))
            return f"{where}: no section or key {section!r} in a recipe; there are {sections}"
        keys = ", ".join(fields[section].annotation.model_fields)  # type: ignore[union-attr]
        return f"{where}: [{section}] has no key {key!r}; its keys are {keys}"
    if error["type"] == "missing":
        return f"{where}: [{section}] is missing" if len(loc) == 1 else f"{where}: [{section}] needs the key {key!r}"
    message = str(error["msg"]).removeprefix("Value error, ")
    place = f"[{section}] {key}".strip() if section else "the recipe"
    found = f", found {error['input']!r}" if error["type"] != "value_error" else ""
    return f"{where}: {place}: {message[:1].lower()}{message[1:]}{found}"


def _line(text: str, loc: tuple[str, ...]) -> int:
    """Line of the key loc[1] in the table loc[0]; of the table if the key is not there; else 1."""
    table, best = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            table = head[1].strip("\"'")
            if loc[:1] == (table,):
                best = number
        elif found := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line):
            if (table, found[1]) == loc or (not table and loc == (found[1],)):
                return number
    return best
