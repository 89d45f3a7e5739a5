"""What a measurement was made on: command, date, machine and versions."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

__all__ = ["about"]

_PACKAGES = "numpy scipy scikit-image PyWavelets bm3d onnxruntime openvino".split()


def about(call: str = "", command: str | None = None) -> dict[str, str]:
    """Command, date, machine and versions, by name.

    `command` is what was typed; if it is None, it is the line that started the program ``aplomb``, and
    `call` in any other program.

    >>> list(about("aplomb.compare(...)"))
    ['command', 'date', 'machine', 'software']
    """
    from aplomb import __version__

    if command is None:
        program = Path(sys.argv[0]).name if sys.argv else ""
        command = shlex.join(["aplomb", *sys.argv[1:]]) if program in ("aplomb", "aplomb.exe") else call
    versions = [f"aplomb {__version__}", f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return {
        "command": command,
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "machine": f"{_processor()}, {_cores()}, {platform.system()} {platform.release()}",
        "software": ", ".join(versions),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    except OSError:
        names = []
    return next(iter(names), platform.processor() or platform.machine() or "unknown processor")


def _cores() -> str:
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{here} core{'s' * (here != 1)} for this process"
