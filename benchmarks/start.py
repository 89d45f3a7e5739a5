"""Seconds from a cold start, and the size of what is installed.

``aplomb --help``; ``aplomb denoise`` of a 512 x 512 PNG with the noise level estimated, in a fresh process each time,
by each engine; and with --install a fresh virtual environment in which ``pip install .`` is measured on disk and
started from, without torch and without openvino. "Cold" means a fresh process: files that were read before are in
the system's cache, as they are for a user's second picture.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from peers import noisy
from report import ROOT, Report, options

from aplomb import io
from aplomb.metrics import eight_bit
from aplomb.runtime.engines import has_openvino

LIMITS = {"--help": 0.3, "denoise": 2.0, "size": 600.0}
"""Seconds, seconds and MB: what is wanted."""


def timed(command: list[str], repeats: int) -> float:
    """Median seconds of a command; it has to succeed."""
    found = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found.append(time.perf_counter() - start)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return median(found[1:])  # the first reads the disk


def picture(folder: Path) -> Path:
    """A PNG of 512 x 512 grey pixels: a photograph of scikit-image with noise of 25."""
    from skimage import data

    clean = data.camera().astype(np.float32)[None, None] / 255
    path = folder / "noisy.png"
    io.write(path, eight_bit(noisy(clean, 25 / 255, 0))[0, 0])
    return path


def installed(folder: Path) -> tuple[list[str], float, set[str]]:
    """A fresh environment with the package in it: the command, the megabytes added, the packages."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    site = next((folder / "venv").glob("lib/python*/site-packages"), folder / "venv" / "Lib" / "site-packages")
    before = size(site)
    python = next(str(p) for p in (folder / "venv").glob("*/python*") if p.stem == "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)], check=True)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "freeze"], capture_output=True, text=True, check=True
    )
    names = {line.split("==")[0].lower() for line in listed.stdout.splitlines()}
    return [str(Path(python).with_name("aplomb"))], (size(site) - before) / 1e6, names


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())


def main() -> None:
    chosen = options(
        install={"action": "store_true", "help": "also pip install . into a fresh environment (downloads packages)"},
        repeats={"type": int, "default": 7, "help": "runs of each command"},
    )
    repeats = 1 if chosen.quick else chosen.repeats
    report = Report("From a cold start", ["what", "where", "found", "unit", "wanted below"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        noisy_png = picture(folder)
        places = {"this environment": [sys.executable, "-m", "aplomb.cli"]}
        if chosen.install:
            command, megabytes, names = installed(folder)
            places["fresh environment"] = command
            report.add("pip install .", "fresh environment", megabytes, "MB on disk", LIMITS["size"])
            heavy = sorted(names & {"torch", "openvino", "tensorflow", "jax"})
            report.add("frameworks", "fresh environment", ", ".join(heavy) or "none", None, None)
        for place, command in places.items():
            report.add("aplomb --help", place, timed([*command, "--help"], repeats), "s", LIMITS["--help"])
            engines = ["onnxruntime"] + ["openvino"] * (has_openvino() and place == "this environment")
            for engine in engines:
                run = [*command, "denoise", str(noisy_png), "-o", str(folder / "clean.png"), "--engine", engine]
                report.add(f"aplomb denoise, 512 x 512, {engine}", place, timed(run, repeats), "s", LIMITS["denoise"])
    report.finish(chosen.csv)


if __name__ == "__main__":
    main()
