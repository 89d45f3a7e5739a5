"""Shapes of the lean denoiser, and settings of its recipe, after one short training each: PSNR on Set12.

Every row is recipes/denoise-grey.toml with what the row says changed, trained for 80 megapixels on one thread; the mean
is over sigma 15, 25 and 50. Short runs show what learns fast, so they choose between shapes of like cost and no more.
APLOMB_DATA names the folder with the recipe's pictures. About three minutes a row.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from typing import Any

from report import ROOT, Report, folder, options

from aplomb.train import train
from aplomb.train.recipe import Recipe

OLD: dict[str, Any] = {"widths": [32, 64, 128], "batch": 16}
ROWS: list[dict[str, Any]] = [
    OLD | {"blocks": [1, 2, 4]},
    OLD | {"blocks": [1, 2, 4], "bias": True},
    OLD | {"blocks": [1, 2, 4], "crop": 128, "batch": 9},
    OLD | {"blocks": [2, 2, 2]},
    OLD | {"blocks": [3, 2, 1]},
    OLD | {"blocks": [4, 1, 1]},
    OLD | {"blocks": [1, 2, 2], "widths": [48, 64, 96]},
    OLD | {"blocks": [2, 1, 1], "widths": [48, 64, 96]},
    OLD | {"blocks": [3, 2, 1], "lr": 0.006, "lr_ends": 0.003},
    OLD | {"blocks": [3, 2, 1], "batch": 8},
    OLD | {"blocks": [3, 2, 1], "batch": 8, "scales": [1.0, 0.5]},
    OLD | {"blocks": [3, 1, 1], "batch": 8},
    OLD | {"blocks": [3, 1, 1], "batch": 4},
    {},
]
"""What each row changes; the last is the recipe as it is."""
PART = {"widths": "network", "blocks": "network", "bias": "network", "crop": "data", "scales": "data", "batch": "run",
        "lr": "optimiser", "lr_ends": "optimiser"}  # fmt: skip


def main() -> None:
    chosen = options(
        rows={"nargs": "+", "type": int, "help": f"numbers of rows, 1 to {len(ROWS)}; all unless given"},
        megapixels={"type": float, "default": 80.0, "help": "length of each training"},
    )
    if folder("APLOMB_DATA", "everything, since there are no pictures") is None:
        sys.exit(0)
    megapixels = 0.5 if chosen.quick else chosen.megapixels
    numbers = chosen.rows or ([len(ROWS)] if chosen.quick else range(1, len(ROWS) + 1))
    text = (ROOT / "recipes" / "denoise-grey.toml").read_text(encoding="utf-8")
    report = Report(
        f"The lean denoiser after {megapixels:g} megapixels: PSNR in dB on Set12",
        ["widths", "blocks", "else", "parameters", "multiply-adds a pixel", "sigma 15", "25", "50", "mean"],
    )
    for number in numbers:
        values = tomllib.loads(text)
        values["schedule"]["megapixels"] = megapixels
        for key, value in ROWS[number - 1].items():
            values[PART[key]][key] = value
        with tempfile.TemporaryDirectory() as run:
            result = train(Recipe.model_validate(values), run=run, threads=1, quiet=True)
        shape, network, psnr = values["network"], result.operator, result.figures
        other = [f"{key} {value}" for key, value in ROWS[number - 1].items() if key not in ("widths", "blocks")]
        report.add(
            "-".join(map(str, shape["widths"])),
            ", ".join(map(str, shape["blocks"])),
            ", ".join(other) or None,
            network.parameters,
            round(network.multiply_adds((1, 2, 96, 96)) / 96**2),
            *psnr.values(),
            sum(psnr.values()) / len(psnr),
        )
    report.finish(chosen.csv)


if __name__ == "__main__":
    main()
