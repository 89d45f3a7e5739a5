"""Threads that work side by side, each with one thread for every operation.

Many threads on one operation meet at its end, and on a busy machine the slowest is waited for a hundred times
a step. Chunks of a batch side by side meet once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import torch

__all__ = ["Here", "Mapper", "side_by_side"]


class Mapper(Protocol):
    """What maps a function over arguments, results in order: a pool of threads, or `Here`."""

    def map(self, function: Callable[..., Any], /, *arguments: Iterable[Any]) -> Iterable[Any]:
        """Results in the order of the arguments."""
        ...


class Here:
    """A pool without threads.

    >>> list(Here().map(abs, [-1, 2]))
    [1, 2]
    """

    def map(self, function: Callable[..., Any], /, *arguments: Iterable[Any]) -> Iterable[Any]:
        """As the built-in."""
        return map(function, *arguments)


@contextlib.contextmanager
def side_by_side(workers: int, threads: int) -> Iterator[Mapper]:
    """A pool of `workers`; for one worker, `Here`, with `threads` for each operation. Undone at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads if workers == 1 else 1)
    try:
        if workers == 1:
            yield Here()
        else:
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                yield pool
    finally:
        torch.set_num_threads(before)
