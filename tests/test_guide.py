"""The guide and the README say what is true: their Python runs, their commands and recipes are read.

A page is run from top to bottom in one namespace and in an empty folder that holds the files of `FILES`. In a block

- ``python``: a comment behind an expression is its value, or the error that it raises, if it looks like one; what
  is printed stands right behind the block, as it is (in a ``text`` block, or as Markdown);
- ``console``: lines that begin with ``$ aplomb`` are run, and answer with the lines below them, numbers aside;
- ``toml``: a recipe, or parts of one, or a forward model;
- ``sh``, and indented in the README: commands are parsed, not run.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib.util
import io
import re
import shlex
import tokenize
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser

import aplomb.cli
from aplomb.degrade.forward import parse_forward

ROOT = Path(__file__).resolve().parents[1]
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))
PAGES = [ROOT / "README.md", *GUIDE]
VALUE = re.compile(r"[-(\[{'\"\d]|True|False|None|<|[A-Z]\w+\(")
ERROR = re.compile(r"(\w*Error|BadInput): (.*)")
NUMBER = re.compile(r"\d[\d.,]*")
NEEDS_TORCH = {"train.md", "train-restore.md"}

BASE = """
network = {name = "residual-3x16"}
data = {train = ["photos"]}
noise = {sigma = 25}
schedule = {steps = 2}
"""


def files(folder: Path) -> dict[str, Any]:
    """Files that the pages speak of, and names that the README takes for granted."""
    from skimage.data import astronaut, camera

    from aplomb.degrade.shake import shaken
    from aplomb.io import write

    rng = np.random.default_rng(0)
    clean, colour = camera()[100:228, 150:278], astronaut()[40:136, 170:266]

    def noisy(image: np.ndarray, level: float) -> np.ndarray:
        return np.clip(np.rint(image + rng.normal(0, level, image.shape)), 0, 255).astype(np.uint8)

    write(folder / "noisy.png", noisy(clean, 25))
    write(folder / "photo.tif", noisy(colour, 12))
    write(folder / "photo.png", clean)
    write(folder / "stack.tif", np.stack([noisy(clean[:96, :96], level) for level in (10, 20, 30)]))
    write(folder / "cmos.tif", noisy(clean, 25).astype(np.uint16) * 16)
    write(folder / "wide.tif", clean.astype(np.float32))
    (folder / "holiday.jpg").write_bytes((folder / "noisy.png").read_bytes()[:1000])
    _theirs(folder / "theirs.onnx")
    _recognisers(folder)
    for number, frame in enumerate(shaken(clean / 255, 4, (8, 20), sigma=0.02, seed=2).frames, 1):
        write(folder / f"frame{number}.png", np.clip(np.rint(frame * 255), 0, 255).astype(np.uint8))
    (folder / "my-photos").mkdir()
    for number in range(6):
        top, left = 60 * (number % 3), 100 * (number // 3)
        write(folder / "my-photos" / f"{number}.png", camera()[top : top + 64, left : left + 64])
    return {"image": noisy(clean, 25), "clean": clean, "x": np.zeros((1, 1, 16, 16), np.float32)}


def _recognisers(folder: Path) -> None:
    """A segmenter and a classifier that go by brightness, and pictures for them."""
    from aplomb.io import write
    from recognisers import frozen, mean_brightness, thresholds

    frozen(thresholds(), folder / "cells.onnx", target="borders", classes=("background", "cell"))
    frozen(mean_brightness(28), folder / "digits.onnx", task="classify", target="", size=(28, 28))
    write(folder / "digit.png", np.full((28, 28), 170, np.uint8))
    cells = np.full((40, 60), 20, np.uint8)
    for row, column in ((4, 5), (4, 30), (24, 12)):
        cells[row : row + 12, column : column + 12] = 120
        cells[row + 2 : row + 10, column + 2 : column + 10] = 230
    write(folder / "cells.png", cells)
    objects = np.zeros(cells.shape, np.uint8)
    for number, (row, column) in enumerate(((4, 5), (4, 30), (24, 12)), 1):
        objects[row : row + 12, column : column + 12] = number
    for place, picture in (("my-cells", cells), ("my-labels", objects)):
        (folder / place).mkdir()
        for name in ("a", "b"):
            write(folder / place / f"{name}.png", picture)


def _theirs(path: Path) -> None:
    """A network that was not written by Aplomb."""
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    shapes = {"first.weight": (8, 1, 3, 3), "last.weight": (1, 8, 1, 1)}
    weights = [numpy_helper.from_array(rng.normal(size=s).astype(np.float32), name) for name, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["image", "first.weight"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.1),
        helper.make_node("Conv", ["b", "last.weight"], ["noise"]),
        helper.make_node("Sub", ["image", "noise"], ["clean"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 1, "H", "W"]) for name in ("image", "clean")
    ]
    graph = helper.make_graph(nodes, "theirs", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


# -- the page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_page_is_true(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if path.name in NEEDS_TORCH:
        pytest.importorskip("torch")
        pytest.importorskip("lightning_fabric")
    names = files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    # the pages show the base installation
    monkeypatch.setattr("aplomb.runtime.engines.has_openvino", lambda: False)
    parsers = [CodeBlockParser(kind, evaluate) for kind, evaluate in EVALUATORS.items()]
    document = Document.parse(str(path), *parsers)
    document.namespace.update(names)
    for example in document.examples():
        example.evaluate()


def python(example: Example) -> None:
    """Run a block statement by statement, compare values, errors and what is printed."""
    if "import torch" in example.parsed and importlib.util.find_spec("torch") is None:
        return
    # empty lines in front, so that errors name the line of the page
    source = "\n" * (example.line + example.parsed.line_offset) + str(example.parsed)
    remarks = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    space = example.document.namespace
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for node in ast.parse(source, example.path).body:
            remark = remarks.get(node.end_lineno or 0, "")
            if isinstance(node, ast.Expr) and (error := ERROR.match(remark)):
                with pytest.raises(Exception, match=re.escape(error[2].rstrip(" ."))) as caught:
                    eval(compile(ast.Expression(node.value), example.path, "eval"), space)
                expect(type(caught.value).__name__ == error[1], example, node.lineno, f"raises {caught.value!r}")
            elif isinstance(node, ast.Expr):
                value = eval(compile(ast.Expression(node.value), example.path, "eval"), space)
                fits = remark.startswith(repr(value)) or not VALUE.match(remark)
                expect(fits, example, node.lineno, f"is {value!r}")
            else:
                exec(compile(ast.Module([node], []), example.path, "exec"), space)
    told = printed.getvalue().strip()
    behind = example.document.text[example.region.end :].lstrip().removeprefix("```text\n")
    expect(behind.startswith(told), example, example.line, f"prints\n{told}\nbut the page goes on with\n{behind[:500]}")


def expect(truth: bool, example: Example, line: int, what: str) -> None:
    if not truth:
        pytest.fail(f"{example.path}:{line} {what}", pytrace=False)


def console(example: Example) -> None:
    """Run the commands of a session and compare their answers, numbers aside."""
    for part in re.split(r"^\$ ", str(example.parsed), flags=re.M)[1:]:
        command, _, answer = part.partition("\n")
        words = shlex.split(command, comments=True)
        if words[0] == "aplomb":
            told = answered(words[1:])
            expect(masked(told) == masked(answer), example, example.line, f"{command}: answers\n{told}")


def answered(words: list[str]) -> str:
    """What a command writes on either stream."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.suppress(SystemExit):
        aplomb.cli.main(words)
    return out.getvalue()


def masked(text: str) -> list[str]:
    lines = [NUMBER.sub("#", line).replace("< #", "#") for line in text.strip().splitlines()]
    # how often a long run tells its progress depends on the machine
    return [re.sub("-{3,}", "---", " ".join(line.split())) for line in lines if not line.startswith("step #/#")]


def recipe(example: Example) -> None:
    """Read a recipe, or a forward model; what a part of a recipe leaves out is filled in.

    Written to the file that its first line names.
    """
    text = str(example.parsed)
    if name := re.match(r"# (\w+\.toml)\n", text):
        Path(name[1]).write_text(text, encoding="utf-8")
    if re.search(r"^\[\[step\]\]", text, re.M):
        parse_forward(tomllib.loads(text), shape=(1, 3, 128, 128))
        return
    pytest.importorskip("torch")
    from aplomb.train import parse_recipe

    whole = re.search(r"^task = ", text, re.M)
    rest = [] if whole else [line for line in BASE.splitlines() if line and f"[{line.split()[0]}]" not in text]
    parse_recipe("\n".join([*rest, text]), f"{example.path}:{example.line}")


EVALUATORS = {"python": python, "console": console, "toml": recipe}


# -- commands ------------------------------------------------------------------------------------------------


def commands(path: Path) -> list[str]:
    """Command lines of fenced and of indented blocks."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(r"^(?:\$ | {4})?(aplomb [a-z-].*)$", text, flags=re.M)


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(p, c, id=f"{p.name}: {c}") for p in PAGES for c in commands(p)]
)
def test_command_can_be_given(path: Path, command: str) -> None:
    """The command exists and takes these options and values."""
    group: Any = typer.main.get_command(aplomb.cli.app)
    words = shlex.split(command, comments=True)[1:]
    if words[0].startswith("-"):
        assert words[0] in ("-h", "--help")
        return
    assert words[0] in group.commands, f"{path.name}: no command {words[0]}"
    parser = group.commands[words[0]]
    if not set(words) & {"-h", "--help"}:
        parser.make_context(words[0], words[1:])


# -- complete ------------------------------------------------------------------------------------------------


def page(name: str) -> str:
    return (ROOT / "docs" / "guide" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("recipe", "pages"),
    [
        ("DenoiseRecipe", ("train.md",)),
        ("SegmentRecipe", ("train-recognise.md", "train.md")),
        ("ClassifyRecipe", ("train-recognise.md", "train.md")),
    ],
)
def test_every_key_of_a_recipe_is_explained(recipe: str, pages: tuple[str, ...]) -> None:
    pytest.importorskip("torch")
    import aplomb.train.recipe as recipes

    for section, field in getattr(recipes, recipe).model_fields.items():
        if section in ("text", "name", "title", "task"):
            continue
        chapters = [re.search(rf"^### \[{section}\]\n(.*?)(?=^##|\Z)", page(name), re.M | re.S) for name in pages]
        chapter = next(filter(None, chapters), None)
        assert chapter, f"{pages[0]} says nothing of [{section}]"
        for key in field.annotation.model_fields:
            assert f"`{key}`" in chapter[1], f"{pages[0]} does not explain [{section}] {key}"


def test_every_field_of_the_card_is_explained() -> None:
    for field in dataclasses.fields(aplomb.Card):
        assert f"| `{field.name}` |" in page("models.md"), field.name


OF_RECOVERY = ("deblur", "upscale", "inpaint", "demosaic", "reconstruct", "restore", "simulate")


@pytest.mark.parametrize("command", ["denoise", "burst", "segment", "classify", *OF_RECOVERY])
def test_every_option_is_explained(command: str) -> None:
    group: Any = typer.main.get_command(aplomb.cli.app)
    found = group.commands[command]
    told = page("recover.md" if command in OF_RECOVERY else f"{command}.md")
    for leaf in getattr(found, "commands", {command: found}).values():
        for option in leaf.params:
            if option.param_type_name == "option":
                assert any(name in told for name in option.opts), option.opts


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in GUIDE:
        assert f"guide/{path.name}" in navigation
