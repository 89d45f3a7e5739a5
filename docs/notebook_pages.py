"""Notebooks as pages of the site: a hook of MkDocs.

Each ``notebooks/NAME.ipynb`` becomes the page ``notebooks/NAME``: Markdown cells as they are, code cells as code, and
the outputs that are kept in the file, text and PNG, below them. The notebook stays the only source, and nothing is run:
``tests/test_notebooks.py`` does that.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_TO_NOTEBOOK = re.compile(r"(\]\((?:\.\./notebooks/)?[\w-]+)\.ipynb\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put a page, and its pictures, in the place of each notebook; the notebook itself can be downloaded."""
    for path in sorted(Path(config.docs_dir, "notebooks").glob("*.ipynb")):
        text, pictures = page(path.name, json.loads(path.read_text(encoding="utf-8")))
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to notebooks, which hold on GitHub, lead to their pages on the site; the one to the file itself stays."""
    return _TO_NOTEBOOK.sub(r"\1.md)", markdown)


def page(name: str, notebook: dict[str, Any]) -> tuple[str, dict[str, bytes]]:
    """The notebook as Markdown, and its pictures by the names that the Markdown gives them."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for data in outputs(cell):
            if "image/png" in data:
                picture = f"{Path(name).stem}-{len(pictures) + 1}.png"
                pictures[picture] = base64.b64decode("".join(data["image/png"]))
                told = re.sub(r"\s+", " ", parts[0].partition("\n")[0].lstrip("# "))
                parts.append(f"![{told}: pictures side by side, with PSNR]({picture})")
            else:
                parts.append(f"```text\n{''.join(data['text/plain']).rstrip()}\n```")
    parts.insert(1, f"This page is [a notebook](./{name}); all of it is run by the tests.")
    return "\n\n".join(parts) + "\n", pictures


def outputs(cell: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a code cell showed, by MIME type."""
    for output in cell["outputs"]:
        yield {"text/plain": output["text"]} if output["output_type"] == "stream" else output["data"]
