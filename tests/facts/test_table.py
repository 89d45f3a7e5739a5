"""Tables of layers: the figures of the source documents, the drawing of branches, and the forms."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from aplomb.errors import ShapeError
from aplomb.facts import fitting_shape, table
from aplomb.graph import Graph, Node
from aplomb.layers import batch_norm, conv, dense, flatten, max_pool, pixel_shuffle, pixel_unshuffle, relu
from aplomb.model import freeze, thaw
from aplomb.nets import NETWORKS, residual, unet
from aplomb.operator import Linearity, Operator, Scaling, chain, identity, stack

A5 = [
    ("Input", "384 x 384 x 1", 0),
    ("Conv 3x3 + b, ReLU", "384 x 384 x 32", 320),
    ("Conv 3x3 + b, ReLU", "384 x 384 x 32", 9_248),
    ("Conv 3x3 + b, ReLU", "384 x 384 x 32", 9_248),
    ("Conv 3x3 + b, ReLU", "384 x 384 x 32", 9_248),
    ("Conv 3x3 + b, ReLU", "384 x 384 x 32", 9_248),
    ("Conv 3x3 + b", "384 x 384 x 1", 289),
    ("Subtract", "384 x 384 x 1", 0),
]

A7 = [
    ("Input", "512 x 512 x 1", 0),
    ("Conv 3x3 + b, ReLU", "512 x 512 x 32", 320),
    ("Conv 3x3 + b, ReLU", "512 x 512 x 32", 9_248),
    ("Max pool 2x2", "256 x 256 x 32", 0),
    ("Conv 3x3 + b, ReLU", "256 x 256 x 64", 18_496),
    ("Conv 3x3 + b, ReLU", "256 x 256 x 64", 36_928),
    ("Max pool 2x2", "128 x 128 x 64", 0),
    ("Conv 3x3 + b, ReLU", "128 x 128 x 128", 73_856),
    ("Conv 3x3 + b, ReLU", "128 x 128 x 128", 147_584),
    ("Max pool 2x2", "64 x 64 x 128", 0),
    ("Conv 3x3 + b, ReLU", "64 x 64 x 256", 295_168),
    ("Conv 3x3 + b, ReLU", "64 x 64 x 256", 590_080),
    ("Up-conv 2x2 + b, stride 2", "128 x 128 x 128", 131_200),
    ("Concatenate", "128 x 128 x 256", 0),
    ("Conv 3x3 + b, ReLU", "128 x 128 x 128", 295_040),
    ("Conv 3x3 + b, ReLU", "128 x 128 x 128", 147_584),
    ("Up-conv 2x2 + b, stride 2", "256 x 256 x 64", 32_832),
    ("Concatenate", "256 x 256 x 128", 0),
    ("Conv 3x3 + b, ReLU", "256 x 256 x 64", 73_792),
    ("Conv 3x3 + b, ReLU", "256 x 256 x 64", 36_928),
    ("Up-conv 2x2 + b, stride 2", "512 x 512 x 32", 8_224),
    ("Concatenate", "512 x 512 x 64", 0),
    ("Conv 3x3 + b, ReLU", "512 x 512 x 32", 18_464),
    ("Conv 3x3 + b, ReLU", "512 x 512 x 32", 9_248),
    ("Conv 1x1 + b", "512 x 512 x 2", 66),
]


def rows(facts) -> list[tuple[str, str, int]]:
    return [(row.name, " x ".join(map(str, (*row.output[2:], row.output[1]))), row.parameters) for row in facts.rows]


def not_series_parallel() -> Operator:
    """Two values that cross over between two branches."""
    return Graph(
        (
            Node((0,), conv(1, 4)),
            Node((1,), conv(4, 4)),
            Node((1,), conv(4, 4)),
            Node((2, 3)),
            Node((2, 4), join="stack"),
            Node((5,), conv(8, 4)),
            Node((3,), Scaling(-1.0)),
            Node((6, 7)),
        ),
        8,
    )


def test_residual_denoiser_as_in_the_document() -> None:
    facts = table(residual(), (1, 1, 384, 384))
    assert rows(facts) == A5
    assert facts.parameters == 37_601
    assert facts.multiply_adds == 37_440 * 384 * 384
    assert facts.rows[-1].inputs == (0, 6)
    assert (facts.stride, facts.halo) == ((1, 1), (6, 6))


def test_unet_as_in_the_document() -> None:
    facts = table(unet(), (1, 1, 512, 512))
    assert rows(facts) == A7
    assert facts.parameters == 1_925_058
    assert [row.inputs for row in facts.rows if row.name == "Concatenate"] == [(8, 12), (5, 16), (2, 20)]
    assert facts.stride == (8, 8)


@pytest.mark.parametrize(("layers", "size"), [(2, 5), (3, 7)])
def test_receptive_field_of_stacked_convolutions(layers: int, size: int) -> None:
    facts = table(chain(*[conv(1, 1)] * layers))
    assert facts.rows[-1].receptive_field == (size, size)
    assert facts.span == ((-(size // 2), size // 2 + 1),) * 2


def test_activations_have_rows_of_their_own_if_asked() -> None:
    facts = table(residual(), (1, 1, 64, 64), merge=False)
    assert [row.name for row in facts.rows][1:4] == ["Conv 3x3 + b", "ReLU", "Conv 3x3 + b"]
    assert len(facts.rows) == len(A5) + 5
    assert facts.rows[1].linearity is Linearity.AFFINE
    assert table(residual(), (1, 1, 64, 64)).rows[1].linearity is Linearity.NONLINEAR


def test_sums_of_the_rows_are_those_of_the_operator() -> None:
    for name in ("unet-denoiser", "dncnn-17", "red-10", "lean-colour"):
        operator = NETWORKS[name]()
        facts = table(operator)
        assert sum(row.parameters for row in facts.rows) == operator.parameters, name
        assert sum(row.multiply_adds for row in facts.rows) == operator.multiply_adds(facts.shape), name
        assert facts.rows[-1].output == operator.output_shape(facts.shape), name
        for axis in (0, 1):  # the widest span of the last row is one that the operator has
            grid = operator.grid(axis)
            here = [math.floor(n * grid.step) for n in range(grid.stride)]
            spans = [operator.span((n, n + 1), axis) for n in range(grid.stride)]
            moved = [(lo - at, hi - at) for (lo, hi), at in zip(spans, here, strict=True)]
            assert facts.span[axis] == max(moved, key=lambda s: s[1] - s[0]), name


def test_branches_are_drawn() -> None:
    facts = table(chain(conv(1, 2), conv(2, 2) + conv(2, 2, 1), stack(identity, relu, conv(2, 2))))
    assert [row.guide + row.name for row in facts.rows] == [
        "Input",
        "Conv 3x3 + b",
        "│ Conv 3x3 + b",
        "├ Conv 1x1 + b",
        "╰ Add",
        "│ ReLU",
        "├ Conv 3x3 + b",
        "╰ Concatenate",
    ]
    assert [row.depth for row in facts.rows] == [0, 0, 1, 1, 0, 1, 1, 0]
    assert facts.rows[-1].inputs == (4, 5, 6)


def test_subtraction_of_several_terms_and_of_the_input() -> None:
    names = [row.name for row in table(identity - conv(1, 1) - identity).rows]
    assert names == ["Input", "Conv 3x3 + b", "Subtract"]
    # -f + g is g - f; nothing is left of a sum of negatives
    assert [row.inputs for row in table(-conv(1, 1) + identity).rows][-1] == (0, 1)
    assert [row.name for row in table(-conv(1, 1) - identity).rows][-1] == "Add"


def test_graph_that_is_no_expression() -> None:
    operator = not_series_parallel()
    facts = table(operator, (1, 1, 16, 16))
    assert [row.name for row in facts.rows][-1] == "Subtract"
    assert all(row.guide == "" for row in facts.rows)
    assert facts.rows[-1].inputs == (6, 3)
    assert facts.rows[-1].receptive_field == (7, 7)
    assert facts.parameters == sum(row.parameters for row in facts.rows)
    assert facts.bound.kind == "upper"


@pytest.mark.parametrize("name", ["residual-32", "unet-epfl", "lean-grey"])
def test_thawed_file_has_the_same_table(name: str, tmp_path) -> None:
    operator = NETWORKS[name]()
    freeze(operator, tmp_path / "net.onnx")
    shape = fitting_shape(operator)
    thawed = table(thaw(tmp_path / "net.onnx"), shape)
    assert thawed == table(operator, shape)


def test_graph_from_a_file(tmp_path) -> None:
    operator = not_series_parallel()
    freeze(operator, tmp_path / "net.onnx")
    assert rows(table(thaw(tmp_path / "net.onnx"))) == rows(table(operator))


def test_strides_scales_and_vectors() -> None:
    facts = table(chain(pixel_unshuffle(2), conv(4, 4), pixel_shuffle(2)), (1, 1, 8, 10))
    assert [row.output[2:] for row in facts.rows] == [(8, 10), (4, 5), (4, 5), (8, 10)]
    assert facts.rows[-1].receptive_field == (6, 6)
    assert facts.multiply_adds / facts.pixels == 36
    vectors = table(chain(flatten, dense(16, 3)), (1, 1, 4, 4))
    assert vectors.rows[-1].output == (1, 3)
    assert vectors.to_dict()["total"]["receptive_field"]["size"] == [None, None]
    assert "all" in str(vectors).splitlines()[3]


def test_forms_agree() -> None:
    facts = table(chain(conv(1, 4, bias=False), batch_norm(4), relu, max_pool(2)), (1, 1, 16, 16), name="small")
    read = list(csv.DictReader(io.StringIO(facts.to_csv())))
    assert [line["name"] for line in read] == ["Input", "Conv 3x3", "Batch norm, ReLU", "Max pool 2x2"]
    assert [int(line["parameters"]) for line in read] == [row.parameters for row in facts.rows]
    assert (read[-1]["top"], read[-1]["bottom"], read[-1]["field_height"]) == ("-1", "3", "4")
    again = json.loads(json.dumps(facts.to_dict(), allow_nan=False))
    assert again["total"]["parameters"] == facts.parameters
    assert [layer["name"] for layer in again["layers"]] == [line["name"] for line in read]
    text = str(facts)
    assert text.splitlines()[0] == "small"
    assert max(map(len, text.splitlines())) < 160


@pytest.mark.parametrize("width", [80, 120, 200])
def test_rich_form_keeps_to_the_console(width: int) -> None:
    from rich.console import Console

    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table(unet(), (1, 1, 512, 512)).rich())
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "1,925,058" in text
    assert ("Reach" in text.splitlines()[1]) == (width == 200)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="fit"):
        table(unet(), (1, 1, 100, 100))
    with pytest.raises(ShapeError, match="give a shape"):
        table(chain(max_pool(2), flatten, dense(7, 3)))
