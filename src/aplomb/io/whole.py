"""Output files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from aplomb.errors import OutputError

__all__ = ["make_folder", "whole_file"]


def make_folder(path: str | os.PathLike[str]) -> Path:
    """A folder to write into, made if it is not there. Raises OutputError."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder {folder} cannot be made: {error.strerror}; give another") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"folder {folder} cannot be written to; give another")
    return folder


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends well, and vanishes when it does not.

    The temporary file lies in the same folder and has the same suffix. At the end it is flushed to the disk
    and renamed over `path`, so that a reader sees the old file or the new one, never a part. A file that
    exists keeps its permissions; a symbolic link is followed and stays.

    Parameters
    ----------
    path
        Where the file shall be. Its folder must exist.

    Yields
    ------
    temporary
        Path of an empty file to write to.

    Raises
    ------
    OutputError
        The folder is missing, `path` is a folder or is write-protected, the disk is full, or any other
        ``OSError`` within the block. Other exceptions pass through. The old file is intact in every case.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(folder + "/table.csv") as temporary:
    ...         _ = temporary.write_text("psnr,ssim")
    ...     [entry.name for entry in Path(folder).iterdir()]
    ['table.csv']
    """
    target = Path(os.path.realpath(path))
    _check_target(target, Path(path))
    temporary = target.with_name(f".{target.stem[:100]}.{secrets.token_hex(4)}{target.suffix}")
    try:
        # created with the permissions that the process gives to new files, which tempfile would not do
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise OutputError(f"{path}: cannot write in the folder {target.parent}: {error.strerror}") from error
    try:
        yield temporary
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        _flush(temporary, os.O_RDWR)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"{path}: could not be written ({error.strerror or error}); nothing was changed") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # the rename itself; not every file system can flush a folder
        _flush(target.parent, os.O_RDONLY)


def _check_target(target: Path, asked: Path) -> None:
    if target.is_dir():
        raise OutputError(f"{asked}: is a folder; give the name of a file")
    if not target.parent.exists():
        raise OutputError(f"{asked}: the folder {target.parent} does not exist; create it first")
    if not target.parent.is_dir():
        raise OutputError(f"{asked}: {target.parent} is a file, not a folder; choose another place")
    if target.exists() and not os.access(target, os.W_OK):
        raise OutputError(f"{asked}: the file exists and is write-protected; choose another name")


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
