"""Every error that Aplomb raises on purpose.

::

    AplombError                    catch this to catch all of them
    ├── BadInput (ValueError)      the user can mend it; the command line exits with 2
    │   ├── ShapeError             sizes or layouts that do not fit
    │   ├── ImageFileError         missing, empty, truncated, not an image, of a kind not read
    │   ├── ModelError             unknown name, broken file, wrong hash, wrong channels
    │   ├── RecipeError            a recipe that is malformed or contradicts itself
    │   └── OutputError            folder missing, not writable, disk full, format that cannot hold it
    └── RunError                   a failure of ours; the command line exits with 1

A message is one line that says what was asked, what was found and what to do. Errors of other kinds
(``TypeError`` for a wrong call, ``KeyboardInterrupt``) pass through as they are.
"""

from __future__ import annotations

__all__ = [
    "AplombError",
    "BadInput",
    "ImageFileError",
    "ModelError",
    "OutputError",
    "RecipeError",
    "RunError",
    "ShapeError",
]


class AplombError(Exception):
    """The root of the tree; raised only as one of the kinds below it.

    Parameters
    ----------
    message
        Text for a person. White space, line ends included, is folded into single spaces, so that the
        message stays one line on a terminal even where it quotes another library.

    Examples
    --------
    >>> print(AplombError("asked for 3 channels,\\n   found 4"))
    asked for 3 channels, found 4
    """

    exit_code: int = 1
    """Status with which the command line ends when it meets this error."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class BadInput(AplombError, ValueError):
    """Something the user gave and can mend: a file, an array, an option.

    Examples
    --------
    >>> issubclass(BadInput, ValueError), BadInput.exit_code
    (True, 2)
    """

    exit_code = 2


class ShapeError(BadInput):
    """Sizes, layouts or channel counts that do not fit each other.

    Examples
    --------
    >>> raise ShapeError("asked to add (1, 3, 8, 8) and (1, 1, 8, 8): the channels differ")
    Traceback (most recent call last):
        ...
    aplomb.errors.ShapeError: asked to add (1, 3, 8, 8) and (1, 1, 8, 8): the channels differ
    """


class ImageFileError(BadInput):
    """An image file that is missing, empty, truncated, not an image, or of a kind that is not read.

    Examples
    --------
    >>> raise ImageFileError("cell.png: no such file")
    Traceback (most recent call last):
        ...
    aplomb.errors.ImageFileError: cell.png: no such file
    """


class ModelError(BadInput):
    """A model that is unknown, broken, altered (wrong hash), or made for other channels.

    Examples
    --------
    >>> raise ModelError("asked for model 'grya', known are: color, gray")
    Traceback (most recent call last):
        ...
    aplomb.errors.ModelError: asked for model 'grya', known are: color, gray
    """


class RecipeError(BadInput):
    """A training recipe with an unknown key, a missing one, or values that contradict each other.

    Examples
    --------
    >>> raise RecipeError("recipe gray.toml: 'crop' is 30, not a multiple of 4")
    Traceback (most recent call last):
        ...
    aplomb.errors.RecipeError: recipe gray.toml: 'crop' is 30, not a multiple of 4
    """


class OutputError(BadInput):
    """A result that cannot be written: no such folder, no permission, disk full, unfit format.

    Examples
    --------
    >>> raise OutputError("out/cell.png: the folder 'out' does not exist; create it first")
    Traceback (most recent call last):
        ...
    aplomb.errors.OutputError: out/cell.png: the folder 'out' does not exist; create it first
    """


class RunError(AplombError):
    """A failure of ours or of the machine: out of memory, a loss that became NaN, a broken engine.

    Examples
    --------
    >>> RunError.exit_code, issubclass(RunError, ValueError)
    (1, False)
    """
