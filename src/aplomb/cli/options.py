"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer


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
