"""Commands on networks: inspect, certify, explain and models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aplomb.cli.terminal import progress, say, say_json
from aplomb.errors import BadInput

if TYPE_CHECKING:
    from aplomb.model import Card, Model
    from aplomb.operator import Operator


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
        say_json([{"name": name, **t.to_dict()} for name, t in found])
        return
    for _, t in found:
        if csv:
            say(t.to_csv())
        else:
            from rich.console import Console

            Console(width=None if sys.stdout.isatty() else 160).print(t.rich())


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
        say_json(certificate.to_dict())
        return
    say(str(certificate))


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
        say_json(found.values)
        return
    if found.text:
        say(found.text)
    say(f"wrote {', '.join(path.name for path in found.files)} into {output}")


def models(
    name: Annotated[str | None, typer.Argument(help="A model or an ONNX file, to show its card.")] = None,
) -> None:
    """List the models that come with the package, or show the card of one: data, recipe, what it reached."""
    from aplomb.model import load, shipped

    if name is not None:
        card = load(name).card
        if card is None:
            raise BadInput(f"{name} has no Aplomb card; aplomb inspect {name} shows what can be read from the network")
        say(card.markdown())
        return
    from rich.console import Console
    from rich.table import Table

    titles = ("model", "task", "channels", "noise", "gives", "parameters", "MACs/px")
    shown = Table(*titles, box=None, pad_edge=False)
    shown.columns[0].no_wrap, shown.columns[0].min_width = True, max(map(len, shipped()), default=1)
    for each in shipped():
        card = load(each).card
        assert card is not None
        levels = sorted({f"{255 * v:.0f}" for v in card.noise_range or ()}, key=float)
        cost = f"{card.multiply_adds_per_pixel:,}"
        noise = " to ".join(levels)
        shown.add_row(each, card.task, str(card.channels), noise, _gives(card), f"{card.parameters:,}", cost)
    Console().print(shown)


def _gives(card: Card) -> str:
    """What comes out of a model, in a word or two."""
    if card.task == "segment" and card.target in ("borders", "distances"):
        return "objects"
    return f"{len(card.classes)} classes" if card.classes else "picture" if card.task == "denoise" else ""


def _pixel(text: str) -> tuple[int, int]:
    """Row and column, from "120,200"."""
    try:
        row, column = (int(n) for n in text.split(","))
    except ValueError:
        raise BadInput(f"--at {text!r} is no pixel; give row,column as 120,200") from None
    return row, column


def _covariance(networks: list[str], json: bool) -> None:
    """What `inspect --covariance` prints: networks that take a noise level are told 25 of 255."""
    from aplomb.facts.covariance import translation_covariance

    found = []
    for name in networks:
        model = _stored(name)
        operator, title = _network(name) if model is None else (model.told(25 / 255), name)
        found.append(translation_covariance(operator, name=title))
    if json:
        say_json([each.to_dict() for each in found])
    else:
        say("\n\n".join(map(str, found)))


def _stored(name: str) -> Model | None:
    """The file or the shipped model of that name, if there is one."""
    from aplomb.model import load, shipped

    return load(name) if Path(name).is_file() or name in shipped() else None


def _network(name: str) -> tuple[Operator, str]:
    """A shipped model or a file by preference, else a fresh network of that name; and what to call it."""
    from aplomb.model import shipped
    from aplomb.nets import NETWORKS

    if (model := _stored(name)) is not None:
        return model.operator, name
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
