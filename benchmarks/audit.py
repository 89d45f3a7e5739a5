"""Audit of published networks, and of those that ship: what is claimed, what is proved, what was found.

    python benchmarks/audit.py --peers /path/to/weights

Each network is read as an operator and certified as `aplomb certify` does it: bounds from the weights, layer by layer
and composed, and the strongest amplification that a search finds around a photograph and around noise, by small changes
and by changes as large as noise. The table is printed as Markdown; it stands in docs/audit.md. The weights are those of
the authors' repositories (see the table of sources there) and are not part of this project.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from pathlib import Path

from peers import dncnn_17, ffdnet, simple_cnn
from report import Report, options

from aplomb.certificate import SLACK, USEFUL, Certificate, certify
from aplomb.model import Model, load, shipped
from aplomb.operator import Operator, identity


@dataclass(frozen=True)
class Entry:
    """A network, and the constant that its authors, or a proof that uses it, assume."""

    name: str
    load: Callable[[], Operator | Model]
    claim: str
    constant: float | None = None


def entries(peers: Path | None) -> Iterator[Entry]:
    """Published networks whose weights are there, then what ships."""
    if peers is not None:
        for title, file in (
            ("RealSN-SimpleCNN", "RealSN_SimpleCNN_noise15.pth"),
            ("SimpleCNN", "SimpleCNN_noise15.pth"),
        ):
            real = title.startswith("RealSN")
            claim = "layers, and so the residual, of norm 1" if real else "none"
            residual = simple_cnn(peers, file)
            yield Entry(f"{title}, residual", lambda r=residual: r, claim, 1.0 if real else None)  # type: ignore[misc]
            yield Entry(f"{title}, denoiser", lambda r=residual: identity - r, "none")  # type: ignore[misc]
        yield Entry("DnCNN-17, sigma 25", lambda: dncnn_17(peers), "none")
        yield Entry("FFDNet, grey", lambda: ffdnet(peers, 1), "none")
        yield Entry("FFDNet, colour", lambda: ffdnet(peers, 3), "none")
    for name in shipped():
        stable = name.startswith("stable")
        claim = "non-expansive in the picture" if stable else "none"
        yield Entry(f"Aplomb, {name}", lambda n=name: load(n), claim, 1.0 if stable else None)  # type: ignore[misc]


def verdict(entry: Entry, made: Certificate) -> str:
    """What bound and search say of the claim."""
    bound, gain, claim = made.bound.value, made.gain, entry.constant
    if claim is not None:
        if gain > claim * (1 + SLACK):
            return f"broken: a gain of {down(gain)} was found"
        if bound <= claim * (1 + 1e-6):
            return "proved"
        return f"not proved: {up(bound)} is, and nothing above {up(gain)} was found"
    if math.isinf(bound):
        return f"nothing is proved: {made.bound.reason}"
    if bound > USEFUL * gain:
        return "the bound says nothing about the network in use"
    return f"never more than {up(bound)} times as much"


def up(value: float) -> str:
    """Four digits of a bound, rounded up."""
    return f"{float(Decimal(value).normalize(Context(prec=4, rounding=ROUND_CEILING))):.4g}"


def down(value: float) -> str:
    """Four digits of a gain that was found, rounded down."""
    return f"{float(Decimal(value).normalize(Context(prec=4, rounding=ROUND_FLOOR))):.4g}"


def main() -> None:
    chosen = options(
        peers={"type": Path, "help": "folder with the published weights; without it, what ships is audited"},
        only={"nargs": "+", "help": "networks whose name has one of these in it"},
        iterations={"type": int, "default": 10, "help": "steps of each search"},
    )
    report = Report(
        "Audit of networks: claims, bounds and what was found",
        ["network", "claimed", "layers' bounds", "bound", "strongest gain found", "seconds", "verdict"],
    )
    for entry in entries(chosen.peers):
        if chosen.only and not any(word.lower() in entry.name.lower() for word in chosen.only):
            continue
        network = entry.load()
        made = certify(network, iterations=2 if chosen.quick else chosen.iterations)
        own = [layer.bound.value for layer in made.layers]
        within = f"{up(min(own))} .. {up(max(own))}"
        report.add(entry.name, entry.claim, within, up(made.bound.value), down(made.gain), made.seconds,
                   verdict(entry, made))  # fmt: skip
    report.finish(chosen.csv)
    print("\n" + report.markdown())


if __name__ == "__main__":
    main()
