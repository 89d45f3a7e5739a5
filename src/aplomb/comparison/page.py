"""What every page of a comparison is made of: HTML that needs nothing else, no script, no style from outside."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["address", "bullets", "document", "machine", "maps", "picture", "section"]

Bytes = NDArray[np.uint8]

STYLE = Path(__file__).with_name("style.css")


def document(title: str, subject: str, lead: str, sections: Iterable[str], style: str = "") -> str:
    """The whole page; `sections` are HTML, empty ones are left out, the rest is text.

    >>> "<title>Compared: &lt;a&gt;.png</title>" in document("Compared", "<a>.png", "", [])
    True
    """
    heading = f"<h1>{escape(title)}</h1>\n<p class=lead>{escape(lead)}</p>"
    body = "\n".join(part for part in (heading, *sections) if part)
    return (
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        '<meta name=viewport content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: {escape(subject)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}{style}"
        f"</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def section(title: str, content: str) -> str:
    """A heading and what is beneath it, HTML; nothing if that is nothing."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>" if content else ""


def bullets(lines: Iterable[str]) -> str:
    """A list of sentences; nothing for none.

    >>> bullets(["a < b"])
    '<ul>\\n<li>a &lt; b</li>\\n</ul>'
    """
    items = "\n".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>\n{items}\n</ul>" if items else ""


def maps(title: str, panels: Iterable[tuple[str, str, Bytes]]) -> str:
    """Pictures side by side beneath a title, each with its name and a word on it."""
    figures = [
        f"<figure>{picture(image, name)}<figcaption><b>{escape(name)}</b><br><span>{escape(words)}</span>"
        "</figcaption></figure>"
        for name, words, image in panels
    ]
    return f"<h3>{escape(title)}</h3>\n<div class=maps>\n" + "\n".join(figures) + "\n</div>"


def machine(about: Mapping[str, str]) -> str:
    """Command, date, machine and versions, see `aplomb.comparison.machine.about`."""
    if not about:
        return ""
    entries = []
    for key, text in about.items():
        shown = f"<code>{escape(text)}</code>" if key == "command" else escape(text)
        entries.append(f"<dt>{escape(key)}</dt><dd>{shown}</dd>")
    return "<dl>\n" + "\n".join(entries) + "\n</dl>"


def picture(image: Bytes, words: str) -> str:
    """An element with the picture (H, W) or (H, W, 3) in it; `words` are for those who cannot see it."""
    height, width = image.shape[:2]
    return f'<img src="{address(image)}" width={width} height={height} style="height:auto" alt="{escape(words)}">'


def address(image: Bytes) -> str:
    """The picture as a PNG inside the address."""
    from matplotlib.image import imsave

    out = io.BytesIO()
    colours = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    imsave(out, colours[..., :3], format="png")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
