"""Formulas: one number a picture, as an expression that is read, printed, computed and turned into an operator."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aplomb.arrays import Shape
from aplomb.classical.evolve.functions import FREEZABLE, FUNCTIONS, Feature, Function, Image, Stack
from aplomb.errors import BadInput
from aplomb.operator import Operator, identity

_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_RANK = {"+": 1, "-": 1, "*": 2}  # how tightly a sign binds; functions bind most


@dataclass(frozen=True)
class Formula:
    """A word of `FUNCTIONS` and what stands in its brackets; ``Formula("image")`` is the picture itself.

    Examples
    --------
    >>> edges = parse("mean(abs(sobel_x(image) - gaussian(image, 2)))")
    >>> print(edges, edges.size)
    mean(abs(sobel_x(image) - gaussian(image, 2))) 8
    """

    name: str
    parts: tuple[Formula | float, ...] = ()

    @property
    def size(self) -> int:
        """How many words and numbers it has."""
        return 1 + sum(part.size if isinstance(part, Formula) else 1 for part in self.parts)

    @property
    def gives(self) -> type:
        """The kind of its value."""
        return Image if self.name == "image" else FUNCTIONS[self.name].gives

    def shorter(self) -> Iterator[Formula]:
        """The formula with one word left out: what stood in its brackets takes its place."""
        for i, part in enumerate(self.parts):
            if isinstance(part, Formula):
                if issubclass(part.gives, self.gives):
                    yield part
                for less in part.shorter():
                    yield Formula(self.name, (*self.parts[:i], less, *self.parts[i + 1 :]))

    def __str__(self) -> str:
        if not self.parts:
            return self.name
        if self.name not in _RANK:
            shown = (str(p) if isinstance(p, Formula) else f"{p:g}" for p in self.parts)
            return f"{self.name}({', '.join(shown)})"
        left, right = self.parts
        return f"{self._bracketed(left, 0)} {self.name} {self._bracketed(right, 1)}"

    def _bracketed(self, part: Formula | float, right: int) -> str:
        rank = _RANK.get(part.name, 3) if isinstance(part, Formula) else 3
        return f"({part})" if rank < _RANK[self.name] + right else str(part)


def parse(text: str) -> Formula:
    """The formula that `text` writes down; it gives one number a picture.

    Raises
    ------
    BadInput
        An unknown word, a wrong number or kind of arguments, or no formula at all. Nothing is executed.

    Examples
    --------
    >>> parse("mean(top(image)) + 1")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    aplomb.errors.BadInput: formula mean(top(image)) + 1: + takes Image, Image, found Feature, number; ...
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadInput(f"formula {text!r} cannot be read; write it as mean(abs(sobel_x(image)))") from None
    found = _read(tree, text)
    if not isinstance(found, Formula) or found.gives is not Feature:
        raise BadInput(f"formula {text} gives a picture or a number; put a reduction around it, as in mean(...)")
    return found


def _read(tree: ast.expr, text: str) -> Formula | float:
    if isinstance(tree, ast.Constant) and type(tree.value) in (int, float):
        return tree.value  # type: ignore[return-value]
    if isinstance(tree, ast.Name) and tree.id == "image":
        return Formula("image")
    if isinstance(tree, ast.BinOp) and type(tree.op) in _SIGNS:
        return _checked(_SIGNS[type(tree.op)], (_read(tree.left, text), _read(tree.right, text)), text)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and not tree.keywords:
        return _checked(tree.func.id, tuple(_read(arg, text) for arg in tree.args), text)
    raise BadInput(f"formula {text}: {ast.unparse(tree)!r} is not known; the words are image, {', '.join(FUNCTIONS)}")


def _checked(name: str, parts: tuple[Formula | float, ...], text: str) -> Formula:
    function = FUNCTIONS.get(name)
    if function is None:
        raise BadInput(f"formula {text}: {name!r} is not known; the words are image, {', '.join(FUNCTIONS)}")
    fits = len(parts) == len(function.takes) and all(map(_fits, parts, function.takes))
    if not fits:
        takes = ", ".join(kind.__name__ for kind in function.takes)
        found = ", ".join(p.gives.__name__ if isinstance(p, Formula) else "number" for p in parts)
        raise BadInput(
            f"formula {text}: {name} takes {takes}, found {found or 'nothing'}; a Size is odd, a Sigma 0.3 to 20, "
            "a Percent 0 to 100"
        )
    return Formula(name, parts)


_ALLOWED: dict[str, Callable[[float], bool]] = {
    "Size": lambda v: isinstance(v, int) and v % 2 == 1 and 0 < v < 100,
    "Sigma": lambda v: 0.3 <= v <= 20,
    "Percent": lambda v: 0 <= v <= 100,
    "Level": lambda v: abs(v) < 1e6,
}


def _fits(part: Formula | float, kind: type) -> bool:
    if isinstance(part, Formula):
        return issubclass(part.gives, kind)
    return kind.__name__ in _ALLOWED and _ALLOWED[kind.__name__](part)


def evaluator(stack: Stack, kept: int = 2**28) -> Callable[[Formula], npt.NDArray[np.float64]]:
    """A function that gives a formula's value for every picture of `stack` (N, H, W).

    What formulas share is computed once: up to `kept` bytes of pictures behind filters are remembered. Safe to call
    from several threads.
    """

    @functools.lru_cache(maxsize=max(4, kept // max(1, stack.nbytes)))
    def value(formula: Formula) -> Stack:
        if formula.name == "image":
            return stack
        return FUNCTIONS[formula.name].compute(*(value(p) if isinstance(p, Formula) else p for p in formula.parts))

    def feature(formula: Formula) -> npt.NDArray[np.float64]:
        return np.asarray(value(formula), np.float64)

    return feature


def to_operator(formula: Formula, shape: Shape) -> Operator:
    """The formula as an operator on pictures of `shape` (N, 1, H, W), with an output (N, 1, 1, 1).

    Raises
    ------
    BadInput
        A word has no form in the algebra; the message says which.

    Examples
    --------
    >>> edges = to_operator(parse("max(abs(sobel_x(image)))"), (1, 1, 4, 4))
    >>> edges(np.tile([0.0, 0.0, 1.0, 1.0], (1, 1, 4, 1))).item()
    0.5
    """
    if formula.name == "image":
        return identity
    function: Function = FUNCTIONS[formula.name]
    if function.operator is None:
        raise BadInput(
            f"{formula} has no operator: {_word(formula.name)} has no form in the algebra; "
            f"evolve with functions=FREEZABLE, which are {', '.join(FREEZABLE)}"
        )
    return function.operator(shape, *(to_operator(p, shape) if isinstance(p, Formula) else p for p in formula.parts))


def _word(name: str) -> str:
    return {"*": "a product of pictures"}.get(name, name)
