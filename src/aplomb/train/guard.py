"""What can end a run from outside: signals, memory, disk. Each becomes one clear line."""

from __future__ import annotations

import contextlib
import errno
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from aplomb.errors import OutputError, RunError
from aplomb.train.recipe import Recipe

__all__ = ["Stop", "clear_lines", "stop_signals"]


class Stop:
    """Whether somebody asked the run to end; the step in progress is finished and saved first."""

    asked = 0

    def leave(self) -> None:
        """Raise what the signal would have raised."""
        raise KeyboardInterrupt if self.asked == signal.SIGINT else SystemExit(128 + self.asked)


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """SIGINT and SIGTERM are noted; a second one ends at once, as it would have without this."""
    stop = Stop()
    before: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        stop.asked = number
        for each, handler in before.items():
            signal.signal(each, handler)

    with contextlib.suppress(ValueError):  # signals belong to the main thread; elsewhere there is nothing to do
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def clear_lines(recipe: Recipe, folder: Path) -> Iterator[None]:
    """Turn a lack of memory into RunError and of disk space into OutputError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if known or "not enough memory" in text or "can't allocate" in text or "out of memory" in text:
            raise RunError(
                f"out of memory with [run] batch {recipe.run.batch} and pieces of {recipe.data.side} pixels; "
                "set [run] chunk to fewer pieces at a time, or lower them; the last checkpoint is intact"
            ) from None
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OutputError(f"{folder}: {error.strerror}; the last checkpoint is intact, make room and resume") from None
