"""Whether a model fits what it is asked for: its task, and the channels of the picture."""

from __future__ import annotations

from aplomb.errors import ModelError
from aplomb.model import Model, load, shipped

__all__ = ["channels_of", "check_channels", "check_task"]

_DOES = {"denoise": "denoises", "segment": "segments", "classify": "classifies"}


def check_task(model: Model, task: str) -> None:
    """Raise ModelError for a model whose card names another task; one without a card, or without a task, may do it.

    >>> check_task(load("denoise-grey"), "segment")
    Traceback (most recent call last):
    aplomb.errors.ModelError: model denoise-grey denoises, it does not segment; use it with aplomb denoise, or give \
a model of the task "segment"
    """
    found = model.card.task if model.card else ""
    if found in ("", task):
        return
    does = _DOES.get(found, f"is made for the task {found!r}")
    here = f"use it with aplomb {found}, or " if found in _DOES else ""
    raise ModelError(f'model {model.name} {does}, it does not {task}; {here}give a model of the task "{task}"')


def channels_of(model: Model) -> int | None:
    """Channels of the pictures that it takes, by its card, else by its graph; None if neither says."""
    return model.card.channels if model.card else model.channels_in


def check_channels(model: Model, channels: int) -> None:
    """Raise ModelError if it takes pictures with other channels, with the shipped models that would do."""
    wanted = channels_of(model)
    if wanted in (None, channels):
        return
    task = model.card.task if model.card else ""
    cards = {name: load(name).card for name in shipped()}
    others = [name for name, card in cards.items() if card and card.channels == channels and task in ("", card.task)]
    raise ModelError(
        f"model {model.name} takes pictures with {wanted} channel(s), this one has {channels}; "
        f"for it there is {' or '.join(others) or 'no shipped model'}, or convert the picture"
    )
