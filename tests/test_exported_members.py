"""The public names: listed one by one, in order, each there and with a docstring."""

import ast
import inspect
from pathlib import Path

import pytest

import aplomb

SOURCE = Path(aplomb.__file__)


def test_the_list_is_written_out():
    """A literal list of strings, so that a reader and a type checker see it."""
    lists = [
        node.value
        for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    ]
    assert len(lists) == 1
    assert isinstance(lists[0], ast.List | ast.Tuple)
    assert all(isinstance(item, ast.Constant) and isinstance(item.value, str) for item in lists[0].elts)


def test_the_list_is_sorted_and_without_doubles():
    """In ruff's order (RUF022): constants, then classes, then the rest, each sorted."""

    def rank(name):
        return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)

    assert sorted(set(aplomb.__all__), key=rank) == list(aplomb.__all__)


@pytest.mark.parametrize("name", aplomb.__all__)
def test_every_name_is_there_and_documented(name):
    value = getattr(aplomb, name)
    if inspect.ismodule(value) or inspect.isclass(value) or inspect.isroutine(value):
        assert (inspect.getdoc(value) or "").strip(), f"aplomb.{name} has no docstring"
    assert name in dir(aplomb)


def test_no_name_is_public_by_accident():
    """What Aplomb defines and one can import from it without an underscore is in the list."""
    extra = {
        name
        for name, value in vars(aplomb).items()
        if not name.startswith("_") and str(getattr(value, "__module__", "")).startswith("aplomb")
    } - set(aplomb.__all__)
    assert extra == set()
