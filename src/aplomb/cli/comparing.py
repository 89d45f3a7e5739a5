"""The command compare: of denoisers, of recoveries, of segmentations, of classifications."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from aplomb.cli.measurements import write_comparison
from aplomb.cli.options import EngineChoice, EngineOption, PrecisionChoice, PrecisionOption, Threads
from aplomb.cli.terminal import progress
from aplomb.errors import BadInput

if TYPE_CHECKING:
    from aplomb.comparison import ClassificationComparison, Comparison, SegmentationComparison


class CompareTask(StrEnum):
    """What is compared."""

    denoise = "denoise"
    recover = "recover"
    segment = "segment"
    classify = "classify"


SEGMENTING = ("labels", "target", "class", "value", "mask", "membranes")
RECOGNISING = ("seeds", "train-share")
RECOVERING = ("forward",)
DENOISING = ("sigma", "without", "max-seconds", "engine", "precision", "threads")
REFUSED = {
    CompareTask.denoise: (*SEGMENTING, *RECOGNISING, *RECOVERING),
    CompareTask.recover: (*SEGMENTING, *RECOGNISING, "sigma", "max-seconds", "precision"),
    CompareTask.segment: (*DENOISING, *RECOVERING),
    CompareTask.classify: (*DENOISING, *SEGMENTING, *RECOVERING),
}
"""Options that mean nothing to a task."""


def compare(
    pictures: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures, or folders of them; to classify, one folder that holds a folder for each class."
        ),
    ],
    sigma: Annotated[
        float | None,
        typer.Option(help="Standard deviation of the noise that is added, in 8-bit grey levels; 25 unless given."),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="A method, model name or ONNX file; repeat for more. All unless given.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for table (CSV), figure (PNG) and report (HTML).")
    ] = Path("comparison"),
    without: Annotated[list[str] | None, typer.Option(help="A method to leave out; repeat for more.")] = None,
    forward: Annotated[
        Path | None, typer.Option(help="Recover: forward model (TOML) by which pictures are measured, with its noise.")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Leave a denoiser out on a picture that it would take longer for.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise, of splits and of methods.")] = 0,
    engine: EngineChoice = EngineOption.auto,
    precision: PrecisionChoice = PrecisionOption.f32,
    threads: Threads = None,
    task: Annotated[
        CompareTask | None,
        typer.Option(help="What is compared: denoise; segment with --labels, recover with --forward."),
    ] = None,
    labels: Annotated[
        list[Path] | None, typer.Option(help="Segment: folder of label files, one a picture, in the order of names.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Segment: regions (classes of pixels), or borders or distances (objects).")
    ] = None,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Segment: name of a class; repeat in the order of the values.")
    ] = None,
    values: Annotated[
        list[int] | None, typer.Option("--value", help="Segment: grey value of a class in the label files; repeat.")
    ] = None,
    mask: Annotated[
        list[Path] | None, typer.Option(help="Segment: folder of masks; what is black there does not count.")
    ] = None,
    membranes: Annotated[
        bool, typer.Option("--membranes", help="Segment: Rand and warping error of the class membrane, too.")
    ] = False,
    train_share: Annotated[
        float | None,
        typer.Option(help="Share of the pictures that learning methods learn from; the rest is the test."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many seeds; 1 to segment and 3 to classify unless given.")
    ] = None,
) -> None:
    """Put methods side by side on the same pictures: denoisers, recoveries, segmentations, classifications."""
    from aplomb.io import make_folder

    implied = CompareTask.segment if labels else CompareTask.recover if forward else CompareTask.denoise
    what = task or implied
    given: dict[str, Any] = {
        "sigma": sigma, "without": without, "max-seconds": max_seconds, "threads": threads, "labels": labels,
        "engine": engine is not EngineOption.auto, "precision": precision is not PrecisionOption.f32, "target": target,
        "class": classes, "value": values, "mask": mask, "membranes": membranes, "train-share": train_share,
        "seeds": seeds, "forward": forward,
    }  # fmt: skip
    for option in REFUSED[what]:
        if given[option] not in (None, False, []):
            raise BadInput(
                f"--{option} says nothing to compare methods that {what}; leave it out, or give another --task"
            )
    folder = make_folder(output)
    result: Comparison | SegmentationComparison | ClassificationComparison
    if what is CompareTask.denoise:
        options = {"engine": engine.value, "precision": precision.value, "threads": threads}
        level = 25.0 if sigma is None else sigma
        result = _denoisers(pictures, level, method, seed, without=without or (), max_seconds=max_seconds, **options)
    elif what is CompareTask.recover:
        if forward is None:
            raise BadInput("asked to compare recoveries, found no forward model; give a TOML file by --forward")
        result = _recoveries(
            pictures, forward, method, seed, without=without or (), engine=engine.value, threads=threads
        )
    elif what is CompareTask.segment:
        if not labels:
            raise BadInput(
                "asked to compare segmentations, found no labels; give the folder of label files by --labels"
            )
        asked = {"objects": (target or "regions") != "regions", "classes": classes or (), "values": values or ()}
        _check_target(target)
        result = _segmentations(
            pictures, labels, mask, method, range(seed, seed + (seeds or 1)), target or "regions", train_share,
            membranes, asked,
        )  # fmt: skip
    else:
        result = _classifications(pictures, method, range(seed, seed + (seeds or 3)), train_share)
    write_comparison(result, folder)


def _denoisers(pictures: list[Path], sigma: float, methods: list[str] | None, seed: int, **options: Any) -> Comparison:
    from aplomb import compare as run

    with progress("comparing") as step:
        return run([str(p) for p in pictures], sigma / 255, methods, seed=seed, progress=step, **options)


def _recoveries(
    pictures: list[Path], forward: Path, methods: list[str] | None, seed: int, **options: Any
) -> Comparison:
    from aplomb import compare_recovery

    with progress("comparing") as step:
        return compare_recovery([str(p) for p in pictures], forward, methods, seed=seed, progress=step, **options)


def _check_target(target: str | None) -> None:
    from aplomb.recognise.targets import Target

    if target is not None and target not in get_args(Target):
        raise BadInput(f"--target {target} is not known; give {', '.join(get_args(Target))}")


def _segmentations(
    pictures: list[Path],
    labels: list[Path],
    masks: list[Path] | None,
    methods: list[str] | None,
    seeds: range,
    target: Any,
    share: float | None,
    membranes: bool,
    asked: dict[str, Any],
) -> SegmentationComparison:
    from aplomb import compare_segmentation
    from aplomb.comparison.folders import label_folders, split

    found = label_folders(pictures, labels, masks or None, **asked)
    train = None
    if share is not None:
        inside, outside = split(len(found.pictures), share, seeds[0])
        known, found = found.only(inside), found.only(outside)
        train = (known.pictures, known.labels)
    with progress("comparing") as step:
        return compare_segmentation(
            found.pictures, found.labels, methods, target=target, classes=found.classes or None, masks=found.masks,
            train=train, seeds=seeds, membranes=membranes, progress=step,
        )  # fmt: skip


def _classifications(
    pictures: list[Path], methods: list[str] | None, seeds: range, share: float | None
) -> ClassificationComparison:
    from aplomb import compare_classification
    from aplomb.comparison.folders import class_folders

    if len(pictures) != 1:
        raise BadInput(f"asked to classify {len(pictures)} folders; give one, that holds one folder for each class")
    files, names = class_folders(pictures[0])
    with progress("comparing") as step:
        return compare_classification(
            files, names, methods, test_fraction=0.25 if share is None else 1 - share, seeds=seeds, progress=step
        )  # fmt: skip
