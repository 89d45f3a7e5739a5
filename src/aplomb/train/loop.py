"""The training loop: plain, from top to bottom in `train`.

Whatever is random comes from (seed, purpose, step), and a checkpoint holds all else, so a run that was killed and
resumed gives the same weights, bit for bit, as one that was not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
from torch import Tensor

from aplomb.errors import OutputError, RecipeError, RunError, ShapeError
from aplomb.io import whole_file
from aplomb.operator import Operator
from aplomb.train.checkpoint import Log, load_checkpoint, make_folder, save_checkpoint
from aplomb.train.feed import Feed
from aplomb.train.losses import loss as loss_of
from aplomb.train.optimise import learning_rate, make_optimisers
from aplomb.train.parameters import Trainable
from aplomb.train.progress import Progress, draw_curves
from aplomb.train.recipe import Recipe, read_recipe
from aplomb.train.start import Pictures, build_network, describe, gather_pictures
from aplomb.train.validate import Here, Mapper, noise_levels, psnr_on

__all__ = ["Result", "train"]

CHECK = 10
"""Steps between two looks at the loss: it is logged, and a NaN ends the run."""


@dataclass(frozen=True)
class Result:
    """What a run gave: the best network, where it was frozen to, and what it reached."""

    operator: Operator
    path: Path
    folder: Path
    psnr: dict[str, float] = field(default_factory=dict)
    """dB on the validation pictures, by noise."""
    step: int = 0
    """Step at which the best weights were found."""
    steps: int = 0
    """Steps done in all."""
    seconds: float = 0.0


def train(
    recipe: str | os.PathLike[str] | Recipe,
    data: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
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
        Folder in which the recipe's places are looked for; if it holds none of them it is itself the training set,
        and validation files are split off. By default the environment variable APLOMB_DATA, else the working folder.
    output
        Model file to write; by default ``model.onnx`` in the run's folder.
    folder
        Folder of the run; by default ``runs/<name of the recipe>``. See `aplomb.train.checkpoint`.
    resume
        Go on from the checkpoint in that folder, if there is one.
    network
        Train this operator instead of the one that the recipe names.
    accelerator, devices
        As Lightning Fabric has them: "auto", "cpu", "cuda"; a number of devices or "auto".
    threads
        CPU threads of torch.
    quiet
        No progress.

    Raises
    ------
    RecipeError
        The recipe is wrong, does not fit the network, or is not the one that the folder's run was started with.
    ImageFileError
        Pictures that are missing or cannot be read; all are named.
    OutputError
        The folder cannot be written, or the disk is full; the last checkpoint is intact.
    RunError
        Out of memory, or a loss that is NaN; the last checkpoint is intact.
    """
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    folder = make_folder(folder or Path("runs") / Path(recipe.name).stem)
    path = Path(output) if output else folder / "model.onnx"
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
    precision: Any = {"f32": "32-true", "bf16": "bf16-mixed"}[recipe.run.precision]
    fabric = lightning_fabric.Fabric(accelerator=accelerator, devices=devices, precision=precision)
    if fabric.world_size > 1 or devices != 1:
        fabric.launch()
    with _memory(recipe):
        return _train(recipe, gather_pictures(recipe, data), path, folder, resume, network, fabric, threads or torch.get_num_threads(), quiet)


def _train(
    recipe: Recipe, pictures: Pictures, path: Path, folder: Path, resume: bool, network: Operator | None,
    fabric: lightning_fabric.Fabric, threads: int, quiet: bool,
) -> Result:  # fmt: skip
    device, first = fabric.device, fabric.is_global_zero
    if device.type == "cuda":
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    operator, taken = build_network(recipe, network)
    model = Trainable(operator).to(device)
    average = {k: v.detach().clone() for k, v in model.tensors().items()} if recipe.run.average else {}
    optimisers = make_optimisers(model, recipe.optimiser)
    # On a CPU several chunks are computed side by side, each by one thread: less waiting than many threads on one
    # operation, above all on a busy machine. Statistics of batches and dropout's generator cannot be shared so.
    alone = device.type != "cpu" or model.has_memory
    workers = 1 if alone else threads
    torch.set_num_threads(threads if alone else 1)
    feed = Feed(recipe, pictures.train, pictures.pairs, device, fabric.global_rank, fabric.world_size, workers)
    judges = noise_levels(recipe.noise, recipe.validation.sigma)
    multiple = math.lcm(*(operator.grid(axis).stride for axis in (0, 1)))
    takes_level = operator.input_channels() == recipe.data.channels + 1

    def restore(y: Tensor, level: Tensor) -> Tensor:
        x = torch.cat([y, level.expand(-1, 1, *y.shape[2:])], dim=1) if takes_level else y
        result: Tensor = model(x)
        return result

    # -- where to start: from the checkpoint, if there is one ----------------------------------------------------
    step, stale, spent, finished = 0, 0, 0.0, False
    best: dict[str, Any] = {"score": -math.inf, "step": 0, "psnr": {}, "weights": {}}
    identity = _fingerprint(recipe, pictures, operator)
    if resume and (state := load_checkpoint(folder / "checkpoint.pt")):
        if state["identity"] != identity:
            raise RecipeError(
                f"{recipe.name}: the run in {folder} was started with another recipe, other pictures or another network; "
                "choose another folder, or do not resume"
            )
        model.copy_weights(state["weights"])
        for k, mine in average.items():
            mine.copy_(state["average"][k])
        for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        step, stale, spent, finished, best = (state[k] for k in ("step", "stale", "seconds", "finished", "best"))

    parameters = list(model.parameters())

    def gradient(step: int, number: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(loss, gradient) of one chunk, as shares of the batch's."""
        batch = feed.chunk(step, number)
        with fabric.autocast():
            part = loss_of(recipe.loss, restore, batch, feed.loss_generator(step, number))
            part = part * (len(batch.noisy) / feed.share)
        return part.detach(), torch.autograd.grad(part, parameters, materialize_grads=True)

    def checkpoint() -> None:
        state = {
            "identity": identity, "step": step, "stale": stale, "seconds": spent + time.monotonic() - started,
            "finished": finished, "weights": model.tensors(), "average": average, "best": best,
            "optimisers": [o.state_dict() for o in optimisers],
        }  # fmt: skip
        save_checkpoint(folder / "checkpoint.pt", state)

    def validate() -> tuple[float, dict[str, float]]:
        """(score, PSNR by noise) of the average, or of the weights themselves where there is none."""
        own = {k: v.detach().clone() for k, v in model.tensors().items()}
        if average:
            model.copy_weights(average)
        model.eval()
        with torch.no_grad():
            psnr = psnr_on(restore, pictures.validation, judges, multiple, device, pool) if pictures.validation else {}
            if recipe.loss.kind in ("mse", "l1", "charbonnier"):
                score = sum(psnr.values()) / len(psnr) if psnr else 0.0
            else:  # nobody who trains without clean pictures has any to choose the weights by
                held = Feed(recipe, pictures.validation or pictures.train, pictures.validation_pairs or pictures.pairs, device)
                parts = [loss_of(recipe.loss, restore, held.chunk(s, 0), held.loss_generator(s, 0)) for s in range(8)]
                score = -float(torch.stack(parts).mean())
        model.train()
        model.copy_weights(own)
        return score, psnr

    log = Log(folder / "log.csv", step) if first else None
    board = _tensorboard(folder, step) if first else None
    if first:
        with whole_file(folder / "recipe.toml") as temporary:
            temporary.write_text(recipe.text, encoding="utf-8")
    started = seen = time.monotonic()
    losses: list[Tensor] = []
    healthy = torch.ones((), dtype=torch.bool, device=device)
    last_psnr: float | None = None
    model.train()
    with Progress(feed.total, step, quiet=quiet or not first) as progress, _signals() as stop, _pool(workers) as pool:
        for line in (*taken, *pictures.notes, describe(recipe, operator, feed.total, feed.megapixels, fabric, threads), *([f"resumed at step {step}"] if step else [])):
            progress.say(line)

        # -- the loop ----------------------------------------------------------------------------------------------
        while step < feed.total and not finished:
            factor = learning_rate(step, feed.total, recipe.schedule)
            for optimiser in optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = group["peak"] * factor
                optimiser.zero_grad(set_to_none=True)

            model.dropout.reseed(recipe.run.seed * 2**31 + step)
            total = torch.zeros((), device=device)
            for part, gradients in pool.map(gradient, [step] * feed.parts, range(feed.parts)):
                total += part  # in the order of the chunks, whoever was first
                for p, g in zip(parameters, gradients, strict=True):
                    p.grad = g if p.grad is None else p.grad.add_(g)
            if fabric.world_size > 1:
                _share_gradients(fabric, parameters)
            norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.optimiser.clip or math.inf)
            healthy &= torch.isfinite(norm) & torch.isfinite(total)
            for optimiser in optimisers:
                optimiser.step()
            if average:
                _follow(average, model.tensors(), min(recipe.run.average, (1 + step) / (10 + step)))
            losses.append(total)
            step += 1

            # -- now and then ----------------------------------------------------------------------------------------
            ended = step == feed.total
            judge = ended or step % recipe.validation.every == 0
            save = ended or judge or stop.asked or step % recipe.run.checkpoint == 0
            if save or step % CHECK == 0:
                if not bool(healthy):
                    raise RunError(
                        f"the loss or its gradient became NaN or infinite between steps {step - len(losses)} and {step}; "
                        f"lower [optimiser] lr ({recipe.optimiser.lr:g}) or set [optimiser] clip; "
                        f"{folder / 'checkpoint.pt'} holds the run before that"
                    )
                mean, now = float(torch.stack(losses).mean()), time.monotonic()
                speed = len(losses) * feed.megapixels / max(1e-9, now - seen)
                losses, seen = [], now
                progress.update(step, mean, speed, last_psnr)
                if log and board:
                    seconds = spent + now - started
                    log.add(step=step, megapixels=step * feed.megapixels, loss=mean, lr=recipe.optimiser.lr * factor, seconds=seconds)
                    board.add_scalar("loss", mean, step)
                    board.add_scalar("learning rate", recipe.optimiser.lr * factor, step)
            if judge:
                score, psnr = validate()
                if psnr:
                    last_psnr = sum(psnr.values()) / len(psnr)
                if score > best["score"]:
                    kept = {k: v.detach().clone() for k, v in (average or model.tensors()).items()}
                    best, stale = {"score": score, "step": step, "psnr": psnr, "weights": kept}, 0
                else:
                    stale += 1
                finished = bool(recipe.validation.patience) and stale >= (recipe.validation.patience or 0)
                shown = "  ".join(f"{k}: {v:.3f} dB" for k, v in psnr.items()) or f"loss on validation {-score:.6f}"
                progress.say(f"step {step}  {shown}" + ("  (best)" if stale == 0 else ""))
                if log and board:
                    log.add(step=step, psnr=last_psnr if last_psnr is not None else "")
                    for k, v in psnr.items():
                        board.add_scalar(f"PSNR/{k}", v, step)
                    draw_curves(log, folder / "curves.png")
                seen = time.monotonic()
            if save and first:
                checkpoint()
            if stop.asked and not ended:
                progress.say(f"stopped at step {step}; run the same command again to go on")
                raise KeyboardInterrupt if stop.asked == signal.SIGINT else SystemExit(128 + stop.asked)

    if board:
        board.close()
    # -- freeze the best ---------------------------------------------------------------------------------------------
    seconds = spent + time.monotonic() - started
    result = model.operator(best["weights"])
    if first:
        from aplomb.train.start import freeze_result

        freeze_result(result, path, recipe, pictures, best, step, seconds)
    return Result(result, path, folder, best["psnr"], best["step"], step, seconds)


@torch.no_grad()
def _follow(average: dict[str, Tensor], weights: dict[str, Tensor], decay: float) -> None:
    """average <- decay average + (1 - decay) weights; running statistics are themselves averages and follow alike."""
    torch._foreach_lerp_(list(average.values()), [w.detach() for w in weights.values()], 1 - decay)


def _share_gradients(fabric: lightning_fabric.Fabric, parameters: list[torch.nn.Parameter]) -> None:
    """The mean of all processes' gradients, in one message."""
    grads = [p.grad for p in parameters if p.grad is not None]
    flat = fabric.all_reduce(torch.cat([g.reshape(-1) for g in grads]), reduce_op="mean")
    for g, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):  # type: ignore[union-attr]
        g.copy_(part.view_as(g))


def _fingerprint(recipe: Recipe, pictures: Pictures, operator: Operator) -> str:
    """What has to be the same for a checkpoint to be this run's: what the recipe says, pictures, shapes of weights."""
    settings = recipe.model_dump(exclude_unset=True)
    settings.get("run", {}).pop("checkpoint", None)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in (*pictures.train, *pictures.pairs):
        digest.update(str(array.shape).encode() + array.tobytes()[:4096])
    digest.update(str([(name, tuple(array.shape)) for name, array in operator.weights().items()]).encode())
    return digest.hexdigest()


def _tensorboard(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard.writer import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step or None)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[Mapper]:
    """Threads that compute chunks, with one thread for each operation; none for one worker."""
    if workers == 1:
        yield Here()
        return
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield pool


class _Stop:
    asked = 0


@contextlib.contextmanager
def _signals() -> Iterator[_Stop]:
    """SIGINT and SIGTERM are noted, and the step in progress is finished; a second one ends at once."""
    stop = _Stop()
    before: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        stop.asked = number
        for n, handler in before.items():
            signal.signal(n, handler)

    with contextlib.suppress(ValueError):  # not in the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    try:
        yield stop
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


@contextlib.contextmanager
def _memory(recipe: Recipe) -> Iterator[None]:
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        text = str(error)
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "not enough memory" in text or "can't allocate" in text:
            raise RunError(
                f"out of memory with [run] batch {recipe.run.batch} and [data] crop {recipe.data.crop}; set [run] chunk to a "
                "smaller number of pieces at a time, or lower them; the last checkpoint is intact"
            ) from None
        raise
