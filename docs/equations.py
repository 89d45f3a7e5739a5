"""Equations and references of docstrings, which are reStructuredText for scientists' eyes, as Markdown.

An extension of griffe, with which mkdocstrings reads the sources. It turns ``.. math::`` blocks into ``$$``
blocks, and the roles ``:DOI:`` and ``:math:`` into a link and an inline equation.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

_BLOCK = re.compile(
    r"^(?P<indent>[ ]*)\.\. math::(?P<first>[^\n]*)(?P<rest>(?:\n(?:(?P=indent)[ ]+[^\n]*|[ ]*))*)", re.M
)
_MATH = re.compile(r":math:`([^`]*)`")
_DOI = re.compile(r":DOI:`([^`]*)`", re.I)
_LITERAL = re.compile(r"^([ ]*)::[ ]*$|(?<=\S)::[ ]*$", re.M)
_REFERENCE = re.compile(r"^(\s*)\.\. (\[\d+\])", re.M)


def _block(match: re.Match[str]) -> str:
    rest = textwrap.dedent(match["rest"].strip("\n"))
    lines = [line for line in (match["first"].strip(), *rest.strip().splitlines()) if line.strip()]
    indent = match["indent"]
    return "\n".join([f"{indent}$$", *(indent + line for line in lines), f"{indent}$$", "", ""])


def to_markdown(text: str) -> str:
    """The text of one docstring, equations and references rewritten."""
    text = _BLOCK.sub(_block, text)
    text = _LITERAL.sub(lambda match: "" if match[1] is not None else ":", text)
    text = _MATH.sub(r"$\1$", text)
    text = _DOI.sub(r"[doi:\1](https://doi.org/\1)", text)
    return _REFERENCE.sub(r"\1\2", text)


class Equations(griffe.Extension):
    """Rewrites every docstring as it is collected."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
