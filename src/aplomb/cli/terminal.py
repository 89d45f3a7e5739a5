"""What commands say: results on standard output, notes and progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer


def say(text: str) -> None:
    """Print on standard output."""
    typer.echo(text)


def say_json(values: Any) -> None:
    """Print as JSON."""
    import json

    say(json.dumps(values, indent=1))


def warn(text: str) -> None:
    """Print a note on standard error."""
    typer.echo(f"note: {text}", err=True)


@contextmanager
def progress(what: str) -> Iterator[Callable[..., None] | None]:
    """A bar with the time left on standard error, if that is a terminal.

    It is called with the steps done, the steps in all and, if there is more to tell than `what`, what comes next.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, now="": bar.update(task, completed=done, total=total, description=now or what)
