"""What a person sees of a run: a live bar or plain lines, TensorBoard's curves, and the curves as a PNG."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from aplomb.io import whole_file
from aplomb.train.checkpoint import Log
from aplomb.train.task import Judged

__all__ = ["Progress", "Record", "draw_curves", "say"]


def say(*lines: str) -> None:
    """Lines for whoever watches."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


class Progress:
    """A live bar with the time left on a terminal; elsewhere one line every `interval` seconds."""

    def __init__(self, total: int, done: int, unit: str = "", *, quiet: bool = False, interval: float = 30.0) -> None:
        self.total, self.first, self.interval, self.quiet, self.unit = total, done, interval, quiet, unit
        self.digits = 3 if unit else 4
        self.started = self.last = time.monotonic()
        self.bar: Any = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            columns = (
                BarColumn(20),
                MofNCompleteColumn(),
                TimeRemainingColumn(),  # before what a narrow terminal may cut off
                TextColumn("{task.description}"),
            )
            self.bar = RichProgress(*columns, console=Console(stderr=True), speed_estimate_period=120)
            self.task = self.bar.add_task("", total=total, completed=done)

    def __enter__(self) -> Progress:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False)
        elif not self.quiet:
            say(text)

    def update(self, step: int, loss: float, speed: float, judged: Judged) -> None:
        """Show `loss`, `speed` in megapixels a second, and what the last validation found."""
        shown = f"loss {loss:.5f}  {speed:.2f} MP/s"
        if judged.headline is not None:
            shown += f"  {judged.headline:.{self.digits - 1}f}{self.unit}"
        if self.bar:
            self.bar.update(self.task, completed=step, description=shown)
            return
        now = time.monotonic()
        if now - self.last >= self.interval or step == self.total:
            left = (now - self.started) / max(1, step - self.first) * (self.total - step)
            self.last = now
            self.say(f"step {step}/{self.total}  {shown}  {_duration(left)} left")

    def judged(self, step: int, found: Judged, better: bool, finished: bool) -> None:
        """Say what a validation found."""
        shown = "  ".join(f"{name}: {value:.{self.digits}f}{self.unit}" for name, value in found.figures.items())
        if found.loss is not None:
            shown = f"loss on validation {found.loss:.6f}  {shown}"
        self.say(f"step {step}  {shown}" + ("  (best)" if better else "") + ("; stopping early" if finished else ""))


class Record:
    """The run's log.csv, its curves for TensorBoard, and curves.png."""

    def __init__(self, folder: Path, step: int, label: str) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.folder, self.label = folder, label
        self.log = Log(folder / "log.csv", step)
        self.board = SummaryWriter(str(folder), purge_step=step or None)

    def loss(self, step: int, megapixels: float, loss: float, rate: float, seconds: float) -> None:
        """A row with the mean loss since the last one."""
        self.log.add(step=step, megapixels=megapixels, loss=loss, lr=rate, seconds=seconds)
        self.board.add_scalar("loss", loss, step)
        self.board.add_scalar("learning rate", rate, step)

    def judged(self, step: int, found: Judged) -> None:
        """A row with the headline, a curve for each figure; the picture is drawn anew."""
        if found.headline is not None:
            self.log.add(step=step, figure=found.headline)
        for name, value in found.figures.items():
            self.board.add_scalar(f"{self.label}/{name}", value, step)
        draw_curves(self.log, self.folder / "curves.png", self.label)

    def close(self) -> None:
        """Flush what TensorBoard's writer holds."""
        self.board.close()


def _duration(seconds: float) -> str:
    minutes, hours = int(seconds / 60 + 0.5), int(seconds / 3600)
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"


def draw_curves(log: Log, path: Path, label: str) -> None:
    """Loss (logarithmic) and the figure on validation over the steps, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    steps, losses = log.column("loss")
    left.plot(steps, losses, linewidth=0.6)
    left.set(xlabel="step", ylabel="loss")
    if losses and min(losses) > 0:
        left.set_yscale("log")
    right.plot(*log.column("figure"), marker=".")
    right.set(xlabel="step", ylabel=f"{label} on validation")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
