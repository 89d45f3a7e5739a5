"""Inverse problems: every trained system beside its classical baselines and plug-and-play, on the same measurements.

    APLOMB_DATA=... python benchmarks/inverse.py --family deblur upscale --csv

One table a family (see `inverse_families.py`): PSNR in dB of results clipped and rounded to 8 bit, mean over pictures,
a column for each kind of measurement, and SSIM, mean over the columns. Under it stands what was wanted and what was
found. Networks that are not there are left out; --model NAME=FILE takes one from a file. Results of all others are kept
in .benchmarks/, since some take minutes.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

import numpy as np
from inverse_families import Family, Method, Sample, Values, Wanted, families, shipped_denoiser
from report import CACHE, Report, folder, options

from aplomb import load
from aplomb.degrade.forward import ForwardModel
from aplomb.errors import ModelError
from aplomb.metrics import eight_bit, psnr, ssim
from aplomb.model import Model
from aplomb.restore.trained import apply

Figures = dict[str, dict[str, list[tuple[float, float]]]]
"""PSNR and SSIM of each picture, by row and case."""


def measure(
    family: Family,
    data: Path,
    quick: bool,
    models: dict[str, str],
    rows: Iterable[str] = (),
    cases: Iterable[str] = (),
) -> Figures:
    """All methods of a family, or those of `rows`, on its measurements, or those of `cases`."""
    chosen, asked, found = set(rows), set(cases), Figures()
    for sample in family.samples(data, quick):
        if asked and sample.case not in asked:
            continue
        for row, method in methods(family, sample, models).items():
            if not chosen or row in chosen:
                x = method(sample.y, sample.forward)
                found.setdefault(row, {}).setdefault(sample.case, []).append(score(x, sample.clean))
                print(f"   {sample.case}, {row}: {found[row][sample.case][-1][0]:.2f} dB", file=sys.stderr, flush=True)
    return found


def methods(family: Family, sample: Sample, models: dict[str, str]) -> dict[str, Method]:
    """What is run on a measurement, by row."""
    found: dict[str, Method] = {}
    if sample.y.shape == sample.clean.shape:
        found["measured"] = lambda y, forward: y
    for name, method in {**family.classical, **family.others}.items():
        if sample.case in family.only.get(name, (sample.case,)):
            found[name] = Kept(name, method)
    for row, names in family.networks.items():
        name = names.get(sample.case, names.get(""))
        if name and (model := model_of(models.get(name, name))):
            denoiser = model.card is not None and model.card.task == "denoise"
            found[row] = partial(shipped_denoiser if denoiser else by_network, model=model)
    return found


def by_network(y: Values, forward: ForwardModel, model: Model) -> Values:
    """A network that was trained for the forward model."""
    return apply(model, y, forward)


class Kept:
    """A method, or what it gave before for this measurement with the denoisers that are in the package."""

    def __init__(self, name: str, method: Method) -> None:
        self.name, self.method = name, method

    def __call__(self, y: Values, forward: ForwardModel) -> Values:
        """The picture."""
        text = f"{self.name} {forward!r} {denoisers()}"
        key = hashlib.sha256(text.encode() + np.ascontiguousarray(y).tobytes()).hexdigest()[:24]
        file = CACHE / "inverse" / f"{key}.npy"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, np.asarray(self.method(y, forward), np.float32))
        kept: Values = np.load(file)
        return kept


@cache
def denoisers() -> str:
    """Hashes of the networks that plug-and-play takes."""
    return " ".join(card.hash for name in ("denoise-grey", "denoise-colour") if (card := load(name).card))


def model_of(name: str) -> Model | None:
    """A shipped model or a file, if it is there."""
    try:
        return load(name)
    except ModelError as error:
        if "is neither a file nor a shipped model" in str(error):
            return None
        raise


def score(x: Values, clean: Values) -> tuple[float, float]:
    """PSNR and SSIM of a picture (1, C, H, W)."""
    a, b = (eight_bit(v[0, 0] if v.shape[1] == 1 else np.moveaxis(v[0], 0, -1)) for v in (x, clean))
    return float(psnr(a, b)), float(ssim(a, b))


def best(family: Family, found: Figures, case: str) -> str:
    """The classical method with the highest PSNR; "" if none was run."""
    there = [row for row in family.classical if case in found.get(row, {})]
    return max(there, key=lambda row: mean(found, row, case), default="")


def mean(found: Figures, row: str, case: str) -> float:
    """Mean PSNR."""
    return float(np.mean([value for value, _ in found[row][case]]))


def verdict(family: Family, found: Figures, wanted: Wanted) -> str:
    """What was wanted, what was found, and whether that is enough; empty if it was not measured."""
    if wanted.case not in found.get(wanted.row, {}):
        return ""
    other = best(family, found, wanted.case) if wanted.over == "" else wanted.over
    if other is not None and wanted.case not in found.get(other, {}):
        return ""
    reached = mean(found, wanted.row, wanted.case) - (mean(found, other, wanted.case) if other else 0)
    over = f" over {other}" if other else ""
    words = "" if reached >= wanted.by else ": NOT REACHED"
    return f"{wanted.case}: {wanted.row} {reached:+.2f} dB{over}, wanted {wanted.by:+g}{words}"


def table(family: Family, found: Figures) -> Report:
    """As it is printed."""
    cases = list(dict.fromkeys(case for values in found.values() for case in values))
    report = Report(family.title, ["method", *cases, "SSIM"])
    for row, values in found.items():
        numbers = [mean(found, row, case) if case in values else None for case in cases]
        whole = None if None in numbers else float(np.mean([s for case in cases for _, s in values[case]]))
        report.add(row, *numbers, whole)
    for row, figures in family.published.items():
        report.add(row, *(figures.get(case) for case in cases), None)
    report.notes += [words for wanted in family.wanted if (words := verdict(family, found, wanted))]
    return report


def main() -> None:
    given = options(
        family={"nargs": "+", "metavar": "NAME", "help": "tables to make, all unless given"},
        model={"action": "append", "default": [], "metavar": "NAME=FILE", "help": "a trained network from a file"},
        cases={"nargs": "+", "default": [], "metavar": "CASE", "help": "columns to make, all unless given"},
        rows={"nargs": "+", "default": [], "metavar": "ROW", "help": "rows to make, all unless given"},
        markdown={"action": "store_true", "help": "print the tables as docs/ has them, too"},
    )
    data = folder("APLOMB_DATA", "everything, since there are no pictures")
    if data is None:
        sys.exit(0)
    known = families(data)
    unknown = set(given.family or ()) - set(known)
    if unknown:
        sys.exit(f"no family {', '.join(sorted(unknown))}; known are: {', '.join(known)}")
    models = dict(entry.split("=", 1) for entry in given.model)
    if lost := [file for file in models.values() if not Path(file).is_file()]:
        sys.exit(f"no file {', '.join(lost)}")
    for name in given.family or known:
        found = measure(known[name], data, given.quick, models, given.rows, given.cases)
        report = table(known[name], found)
        named = {m for names in known[name].networks.values() for m in names.values()}
        absent = sorted(m for m in named if not model_of(models.get(m, m)))
        report.notes += [f"{m} is not in the package: left out" for m in absent]
        if given.quick:
            report.notes.append("--quick: one picture, 96 x 96 pixels of it; the figures mean nothing")
        report.finish(given.csv and given.csv.with_name(f"{given.csv.stem}-{name}.csv"))
        if given.markdown:
            print(f"\n{report.markdown()}")


if __name__ == "__main__":
    main()
