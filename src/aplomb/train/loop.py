"""The training loop: plain, from top to bottom in `_train`.

Whatever is random comes from (seed, purpose, step), and a checkpoint holds all else, so a run that was killed
and resumed gives the same weights, bit for bit, as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
from torch import Tensor

from aplomb.errors import OutputError, RecipeError, RunError
from aplomb.facts.limits import within_limits
from aplomb.io import whole_file
from aplomb.operator import Operator
from aplomb.train.checkpoint import load_checkpoint, make_folder, save_checkpoint
from aplomb.train.classifying import Classifying
from aplomb.train.denoising import Denoising
from aplomb.train.guard import Stop, clear_lines, stop_signals
from aplomb.train.limits import Limits
from aplomb.train.optimise import learning_rate, make_optimisers
from aplomb.train.parameters import Trainable, array_of, remembers
from aplomb.train.pool import Mapper, side_by_side
from aplomb.train.progress import Progress, Record, say
from aplomb.train.recipe import Recipe, read_recipe
from aplomb.train.restoring import Restoring
from aplomb.train.segmenting import Segmenting
from aplomb.train.start import build_network, describe, freeze_result, precision_here
from aplomb.train.task import Judged, Task

__all__ = ["Result", "train"]

CHECK = 10
"""Steps between two looks at the loss: it is logged, and a NaN ends the run."""


TASKS: dict[str, type[Task[Any]]] = {
    "denoise": Denoising, "restore": Restoring, "segment": Segmenting, "classify": Classifying,
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What a run gave: the best network, where it was frozen to, and what it reached."""

    operator: Operator
    path: Path
    folder: Path
    figures: dict[str, float] = field(default_factory=dict)
    """What was reached on the validation pictures: PSNR in dB by noise, IoU by class, accuracy."""
    unit: str = ""
    command: str = ""
    """A line for the shell that applies the model."""
    step: int = 0
    """Step at which the best weights were found."""
    steps: int = 0
    """Steps done in all."""
    seconds: float = 0.0

    def __str__(self) -> str:
        reached = f" ({self.reached} on validation)" if self.figures else ""
        return f"{self.path}: best at step {self.step} of {self.steps}{reached}"

    @property
    def reached(self) -> str:
        """The figures in words."""
        digits = 2 if self.unit else 4
        return ", ".join(f"{name} {value:.{digits}f}{self.unit}" for name, value in self.figures.items())


def train(
    recipe: str | os.PathLike[str] | Recipe,
    data: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    run: str | os.PathLike[str] | None = None,
    resume: bool = True,
    network: Operator | None = None,
    accelerator: str = "auto",
    devices: int | str = 1,
    threads: int | None = None,
    quiet: bool = False,
) -> Result:
    """Train a network by a recipe, and freeze the best weights into one model file.

    Parameters
    ----------
    recipe
        Path of a TOML file, or a recipe that was read.
    data
        Folder in which the recipe's places are looked for; if it holds none of them it is itself the training
        set, and validation files are split off. By default the environment variable APLOMB_DATA, else the
        working folder.
    output
        Model file to write; by default ``model.onnx`` in the run's folder.
    run
        Folder of the run; by default ``runs/<name of the recipe>``. See `aplomb.train.checkpoint`.
    resume
        Go on from the checkpoint in that folder, if there is one.
    network
        Train this operator instead of the one that the recipe names.
    accelerator, devices
        As Lightning Fabric has them: "auto", "cpu", "cuda"; a number of devices or "auto".
    threads
        CPU threads. The same number gives the same bits.
    quiet
        No progress.

    Raises
    ------
    RecipeError
        The recipe is wrong, does not fit the network, or is not the one that the run was started with.
    ImageFileError
        Pictures that are missing or cannot be read; all are named.
    OutputError
        The folder cannot be written, or the disk is full; the last checkpoint is intact.
    RunError
        Out of memory, or a loss that is NaN; the last checkpoint is intact.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from aplomb.io import write
    >>> from aplomb.train import parse_recipe
    >>> recipe = parse_recipe('''
    ... network = {name = "residual-3x16"}
    ... data = {train = ["photos"], crop = 16}
    ... noise = {sigma = 25}
    ... schedule = {steps = 2}
    ... run = {batch = 2}''')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "photos").mkdir()
    ...     for name in "ab":
    ...         _ = write(f"{folder}/photos/{name}.png", np.full((20, 20), 99, np.uint8))
    ...     result = train(recipe, folder, run=folder + "/run", quiet=True, threads=1)
    >>> result.steps, result.operator.parameters
    (2, 2625)
    """
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    folder = make_folder(run or Path("runs") / Path(recipe.name).stem)
    path = Path(output) if output else folder / "model.onnx"
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    precision = precision_here(recipe.run.precision, accelerator)
    plugin: Any = {"f32": "32-true", "bf16": "bf16-mixed"}[precision]
    fabric = lightning_fabric.Fabric(accelerator=accelerator, devices=devices, precision=plugin)
    if devices != 1:
        fabric.launch()
    if fabric.device.type == "cuda":
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    threads = threads or torch.get_num_threads()
    with clear_lines(recipe, folder), stop_signals() as stop:
        task = TASKS[recipe.task](recipe, data)
        operator, notes = build_network(recipe, task, network)
        notes = (*notes, *task.notes, describe(recipe, operator, fabric, precision, threads))
        # Chunks side by side cannot share the statistics of a batch, nor dropout's generator.
        workers = 1 if fabric.device.type != "cpu" or remembers(operator) else threads
        with side_by_side(workers, threads) as pool:
            best, step, seconds = _train(
                recipe, task, operator, notes, folder, resume, fabric, pool, workers, stop, quiet
            )
    trained = within_limits(operator.with_weights({n: array_of(value) for n, value in best["weights"].items()}))
    result = task.finished(trained, fabric.device)
    if fabric.is_global_zero:
        freeze_result(result, path, recipe, task, best, step, seconds)
    return Result(
        result, path, folder, best["figures"], task.unit, task.command.format(path), best["step"], step, seconds
    )


def _train(
    recipe: Recipe, task: Task[Any], operator: Operator, notes: tuple[str, ...], folder: Path,
    resume: bool, fabric: lightning_fabric.Fabric, pool: Mapper, workers: int, stop: Stop, quiet: bool,
) -> tuple[dict[str, Any], int, float]:  # fmt: skip
    """The best weights with their score, steps done, seconds."""
    device, first = fabric.device, fabric.is_global_zero
    model = Trainable(operator).to(device)
    parameters = list(model.parameters())
    average = {k: v.detach().clone() for k, v in model.tensors().items()} if recipe.run.average else {}
    optimisers = make_optimisers(model, recipe.optimiser, pool)
    rank, world = fabric.global_rank, fabric.world_size
    limits = Limits(model)
    if first and not quiet:
        say(*notes)  # before what may take minutes
    feed = task.feed(device, rank, world, workers)
    judge = task.judge(operator, device, pool)

    def gradient(step: int, number: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(loss, gradient) of one chunk, as shares of the batch's."""
        batch = feed.chunk(step, number)
        with fabric.autocast():
            draw = feed.loss_generator(step, number)
            part = task.loss(model, batch, draw, step / feed.total) * feed.weight(number)
        return part.detach(), torch.autograd.grad(part, parameters, materialize_grads=True)

    # -- where to start: from the checkpoint, if there is one ---------------------------------------------
    step, stale, spent, finished = 0, 0, 0.0, False
    best: dict[str, Any] = {"score": -math.inf, "step": 0, "figures": {}, "weights": {}}
    identity = _fingerprint(recipe, task, operator)
    if resume and (state := load_checkpoint(folder / "checkpoint.pt")):
        if state["identity"] != identity:
            raise RecipeError(
                f"{recipe.name}: the run in {folder} was started with another recipe, other pictures or "
                "another network; choose another folder, or do not resume"
            )
        model.copy_weights(state["weights"])
        for name, mine in average.items():
            mine.copy_(state["average"][name])
        for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        step, stale, spent = state["step"], state["stale"], state["seconds"]
        finished, best = state["finished"], state["best"]

    def checkpoint() -> None:
        save_checkpoint(folder / "checkpoint.pt", {
            "identity": identity, "step": step, "stale": stale, "seconds": spent + time.monotonic() - started,
            "finished": finished, "best": best, "weights": model.tensors(), "average": average,
            "optimisers": [o.state_dict() for o in optimisers],
        })  # fmt: skip

    record = Record(folder, step, task.figure) if first else None
    if first:
        with whole_file(folder / "recipe.toml") as temporary:
            temporary.write_text(recipe.text, encoding="utf-8")
    started = seen = time.monotonic()
    losses: list[Tensor] = []
    healthy = torch.ones((), dtype=torch.bool, device=device)
    judged = Judged(-math.inf, {})
    model.train()
    with Progress(feed.total, step, task.unit, quiet=quiet or not first) as progress:
        resumed = f"; resumed at step {step}" if step else ""
        progress.say(f"{feed.total:,} steps of {feed.megapixels:.3f} MP{resumed}")

        # -- the loop ---------------------------------------------------------------------------------------
        while step < feed.total and not finished:
            factor = learning_rate(step, feed.total, recipe.schedule)
            for optimiser in optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = group["peak"] * factor

            model.dropout.reseed(recipe.run.seed * 2**31 + step)
            total = torch.zeros((), device=device)
            for number, (part, gradients) in enumerate(pool.map(gradient, [step] * feed.parts, range(feed.parts))):
                total += part  # in the order of the chunks, whichever was first
                _gather(parameters, gradients, fresh=number == 0)
            if world > 1:
                _share_gradients(fabric, parameters)
            norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.optimiser.clip or math.inf)
            healthy &= torch.isfinite(norm) & torch.isfinite(total)
            for optimiser in optimisers:
                optimiser.step()
            limits.keep()
            if average:
                _follow(average, model.tensors(), min(recipe.run.average, (1 + step) / (10 + step)))
            losses.append(total)
            step += 1

            # -- now and then -------------------------------------------------------------------------------
            ended = step == feed.total
            validate = ended or step % recipe.validation.every == 0
            save = validate or bool(stop.asked) or step % recipe.run.checkpoint == 0
            if save or step % CHECK == 0:
                if not bool(healthy):
                    raise RunError(
                        f"loss or gradient became NaN or infinite in steps {step - len(losses)} to {step}; "
                        f"lower [optimiser] lr ({recipe.optimiser.lr:g}) or set [optimiser] clip; "
                        f"{folder / 'checkpoint.pt'}, if there, holds the run before that"
                    )
                mean, now = float(torch.stack(losses).mean()), time.monotonic()
                speed = len(losses) * feed.megapixels / max(1e-9, now - seen)
                progress.update(step, mean, speed, judged)
                if record:
                    rate, seconds = recipe.optimiser.lr * factor, spent + now - started
                    record.loss(step, step * feed.megapixels, mean, rate, seconds)
                losses, seen = [], now
            if validate:
                own = {k: v.detach().clone() for k, v in model.tensors().items()}
                if average:
                    model.copy_weights(average)
                model.eval()
                judged = judge(model, step)
                if better := judged.score > best["score"]:
                    weights = {k: v.detach().clone() for k, v in model.tensors().items()}
                    best = {"score": judged.score, "step": step, "figures": judged.figures, "weights": weights}
                model.copy_weights(own)
                model.train()
                stale = 0 if better else stale + 1
                patience = recipe.validation.patience
                finished = bool(fabric.broadcast(patience is not None and stale >= patience))
                progress.judged(step, judged, better, finished)
                if record:
                    record.judged(step, judged)
                seen = time.monotonic()
            if save and first:
                checkpoint()
            if stop.asked and not ended:
                progress.say(f"stopped at step {step}; run the same command again to go on")
                stop.leave()
    if record:
        record.close()
    return best, step, spent + time.monotonic() - started


def _gather(parameters: list[torch.nn.Parameter], gradients: tuple[Tensor, ...], *, fresh: bool) -> None:
    """Add `gradients` to those of `parameters`, in the parameters' own memory layout.

    Fused optimisers run through memory from end to end and take the layout for granted, which
    `torch.autograd.grad`, unlike ``backward``, does not keep.
    """
    for p, g in zip(parameters, gradients, strict=True):
        if fresh:
            p.grad = g if g.stride() == p.stride() else torch.empty_like(p).copy_(g)
        else:
            assert p.grad is not None
            p.grad.add_(g)


@torch.no_grad()
def _follow(average: dict[str, Tensor], weights: dict[str, Tensor], decay: float) -> None:
    """Move the average: a <- decay a + (1 - decay) w; running statistics follow like weights."""
    torch._foreach_lerp_(list(average.values()), [w.detach() for w in weights.values()], 1 - decay)


def _share_gradients(fabric: lightning_fabric.Fabric, parameters: list[torch.nn.Parameter]) -> None:
    """The mean of all processes' gradients, in one message."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = fabric.all_reduce(torch.cat([g.reshape(-1) for g in gradients]), reduce_op="mean")
    for g, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        g.copy_(part.view(g.shape))


def _fingerprint(recipe: Recipe, task: Task[Any], operator: Operator) -> str:
    """What has to be the same for a checkpoint to be this run's: recipe, pictures, shapes of the weights."""
    settings = recipe.model_dump(exclude_unset=True)
    settings.get("run", {}).pop("checkpoint", None)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(task.fingerprint())
    digest.update(str([(name, tuple(array.shape)) for name, array in operator.weights().items()]).encode())
    return digest.hexdigest()
