"""A network as a table: shape, parameters, cost, receptive field and Lipschitz bound, layer by layer."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aplomb.arrays import Shape
from aplomb.errors import ShapeError
from aplomb.facts.flow import steps
from aplomb.graph import Graph
from aplomb.operator import Bound, Interval, Linearity, Operator

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

__all__ = ["Row", "Table", "fitting_shape", "table"]


@dataclass(frozen=True)
class Row:
    """One layer. `span` is what one pixel of its output sees of the network's input.

    The spans are half-open intervals of rows and of columns, counted from the input pixel at the output
    pixel's own place; where the extent depends on the pixel (behind an up-sampling), that of the one that
    sees farthest.
    """

    number: int
    name: str
    inputs: tuple[int, ...]
    """Numbers of the rows that it takes its input from; empty for the input itself."""
    output: Shape
    parameters: int
    multiply_adds: int
    """For the whole picture."""
    span: tuple[Interval, Interval]
    linearity: Linearity | None
    """Of this layer alone; None for the input and for joints."""
    bound: Bound | None
    """Lipschitz bound of this layer alone; None for the input and for joints."""
    guide: str = ""
    """Lines in front of the name that show what runs beside it."""

    @property
    def depth(self) -> int:
        """Number of branches that run beside each other here, counted as lines of the guide."""
        return self.guide.count("│") + self.guide.count("├")

    @property
    def receptive_field(self) -> tuple[float, float]:
        """Height and width of the span, in input pixels; infinite where it is the whole picture."""
        (top, bottom), (left, right) = self.span
        return bottom - top, right - left


@dataclass(frozen=True)
class Table:
    """Facts of an operator, layer by layer and in all; `table` makes it.

    ``print(table)`` gives plain text, a rich console gives as many columns as it has room for.
    """

    name: str
    rows: tuple[Row, ...]
    parameters: int
    multiply_adds: int
    stride: tuple[int, int]
    """Total stride, of rows and columns: the smallest shifts of the input that only shift the output."""
    halo: tuple[float, float]
    """Input pixels around a tile that its result depends on."""
    linearity: Linearity
    bound: Bound

    @property
    def shape(self) -> Shape:
        """Shape of the input, (N, C, H, W) or (N, C)."""
        return self.rows[0].output

    @property
    def pixels(self) -> int:
        """Pixels of the input (vectors, for a dense operator): what costs are divided by."""
        return self.shape[0] * math.prod(self.shape[2:])

    @property
    def span(self) -> tuple[Interval, Interval]:
        """Span of an output pixel, as in the last row."""
        return self.rows[-1].span

    # -- forms ----------------------------------------------------------------------------------------------

    def to_csv(self) -> str:
        """The layers as comma-separated values with a header; plain numbers, empty where nothing is to say.

        >>> from aplomb.nets import residual
        >>> print(table(residual(2, 4), (1, 1, 8, 8)).to_csv().splitlines()[1])
        0,Input,,0,1,8,8,0,0,0.0,1,1,0,1,0,1,,,
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(
            "number name from depth channels height width parameters multiply_adds multiply_adds_per_pixel "
            "field_height field_width top bottom left right linearity lipschitz lipschitz_kind".split()
        )
        for row, layer in zip(self.rows, self.to_dict()["layers"], strict=True):
            bound = layer["lipschitz"] or {"value": None, "kind": None}
            field = layer["receptive_field"]
            cells = [row.number, row.name, " ".join(map(str, row.inputs)), row.depth]
            cells += [*row.output[1:], None, None][:3]
            cells += [layer[key] for key in ("parameters", "multiply_adds", "multiply_adds_per_pixel")]
            cells += [*field["size"], *field["rows"], *field["columns"]]
            writer.writerow([*cells, layer["linearity"], bound["value"], bound["kind"]])
        return out.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, strings, lists and dictionaries, for JSON; what is infinite becomes None.

        >>> from aplomb.nets import residual
        >>> facts = table(residual(), (1, 1, 384, 384)).to_dict()
        >>> facts["total"]["parameters"], facts["total"]["receptive_field"]["rows"]
        (37601, [-6, 7])
        """
        total = {
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "multiply_adds_per_pixel": self.multiply_adds / self.pixels,
            "receptive_field": _field(self.rows[-1]),
            "stride": list(self.stride),
            "halo": [_finite(n) for n in self.halo],
            "linearity": self.linearity.name.lower(),
            "lipschitz": _bound(self.bound),
        }
        layers = [
            {
                "number": row.number,
                "name": row.name,
                "from": list(row.inputs),
                "depth": row.depth,
                "output_shape": list(row.output),
                "parameters": row.parameters,
                "multiply_adds": row.multiply_adds,
                "multiply_adds_per_pixel": row.multiply_adds / self.pixels,
                "receptive_field": _field(row),
                "linearity": None if row.linearity is None else row.linearity.name.lower(),
                "lipschitz": None if row.bound is None else _bound(row.bound),
            }
            for row in self.rows
        ]
        return {"name": self.name, "input_shape": list(self.shape), "layers": layers, "total": total}

    def __str__(self) -> str:
        """Plain text, all columns."""
        from aplomb.facts.text import plain

        return plain(self)

    def rich(self) -> RenderableType:
        """What a rich console prints: as many columns as it has room for. The table itself serves as well."""
        return self

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from aplomb.facts.text import coloured

        yield from coloured(self, console, options)


def table(operator: Operator, shape: Shape | None = None, *, merge: bool = True, name: str = "") -> Table:
    """The layers of `operator` in order of application, with the facts of each, and those of the whole.

    Parameters
    ----------
    operator
        Any: an expression, a leaf, a `Graph` that was thawed from a file.
    shape
        Input shape, (N, C, H, W) or (N, C); by default the smallest square picture from 64 pixels that fits.
    merge
        Whether an activation shares the row of the layer before it; otherwise it has its own.
    name
        Title.

    Returns
    -------
    table
        Parameters are counts; costs are multiplications with an addition, biases and activations not counted;
        spans are in pixels of the input.

    Raises
    ------
    ShapeError
        `shape` does not fit, or none was given and none up to 1,024 pixels does.

    Examples
    --------
    >>> from aplomb.nets import residual
    >>> facts = table(residual(), (1, 1, 384, 384))
    >>> [row.parameters for row in facts.rows], facts.parameters
    ([0, 320, 9248, 9248, 9248, 9248, 289, 0], 37601)
    >>> facts.rows[2].name, facts.rows[2].receptive_field, facts.multiply_adds / facts.pixels
    ('Conv 3x3 + b, ReLU', (5, 5), 37440.0)
    """
    shape = fitting_shape(operator) if shape is None else tuple(int(n) for n in shape)
    operator.output_shape(shape)
    found, output = steps(operator, merge=merge)
    found, nodes = found[:output], tuple(step.node for step in found[:output])
    point: Interval = (0, 1)
    rows = [Row(0, "Input", (), shape, 0, 0, (point, point), None, None)]
    for number, step in enumerate(found, 1):
        before = rows[step.inputs[0]].output
        if step.join == "stack":
            before = (before[0], sum(rows[i].output[1] for i in step.inputs), *before[2:])
        prefix = Graph(nodes[:number], number)
        single = not step.join
        rows.append(
            Row(
                number,
                step.name,
                step.inputs,
                step.operator.output_shape(before),
                step.operator.parameters,
                step.operator.multiply_adds(before),
                (_widest(prefix, 0), _widest(prefix, 1)),
                step.operator.linearity if single else None,
                step.operator.lipschitz() if single else None,
                step.guide,
            )
        )
    return Table(
        name,
        tuple(rows),
        operator.parameters,
        operator.multiply_adds(shape),
        (operator.grid(0).stride, operator.grid(1).stride),
        (operator.halo(0), operator.halo(1)),
        operator.linearity,
        operator.lipschitz(),
    )


def fitting_shape(operator: Operator, channels: int | None = None) -> Shape:
    """The smallest square input shape from 64 pixels that `operator` takes, else the largest below.

    Raises ShapeError if none up to 1,024 pixels does.

    >>> from aplomb.layers import dense, max_pool
    >>> fitting_shape(max_pool(3)), fitting_shape(dense(10, 3))
    ((1, 1, 66, 66), (1, 10))
    """
    c = channels or operator.input_channels() or 1
    reason: Exception | None = None
    for shape in ((1, c), *((1, c, n, n) for n in (*range(64, 1025), *range(63, 0, -1)))):
        try:
            operator.output_shape(shape)
            if len(shape) == 4 or operator.multiply_adds(shape):
                return shape
        except (ShapeError, IndexError, ValueError) as error:
            reason = error
    raise ShapeError(f"no picture with {c} channels and up to 1,024 pixels a side fits ({reason}); give a shape")


def _widest(operator: Operator, axis: int) -> Interval:
    """Largest span of one output pixel over all phases, from the input pixel at its own place."""
    grid = operator.grid(axis)
    widest: Interval = (0, 0)
    for phase in range(max(1, math.ceil(grid.stride / grid.step))):
        lo, hi = operator.span((phase, phase + 1), axis)
        if hi - lo > widest[1] - widest[0]:
            here = math.floor(phase * grid.step)
            widest = (lo - here, hi - here)
    return widest


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def _field(row: Row) -> dict[str, Sequence[float | None]]:
    rows, columns = ([_finite(end) for end in span] for span in row.span)
    return {"size": [_finite(n) for n in row.receptive_field], "rows": rows, "columns": columns}


def _bound(bound: Bound) -> dict[str, Any]:
    return {"value": _finite(bound.value), "kind": bound.kind, "reason": bound.reason}
