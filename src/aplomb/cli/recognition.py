"""Commands that say what is in pictures: segment and classify."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aplomb.cli.options import EngineChoice, EngineOption, Memory, PrecisionChoice, PrecisionOption, Threads
from aplomb.cli.terminal import progress, say, warn
from aplomb.errors import BadInput, OutputError

if TYPE_CHECKING:
    from aplomb.io import Picture
    from aplomb.recognise.measure import Objects
    from aplomb.recognise.segment import Segmentation

Models = Annotated[
    list[str] | None, typer.Option("--model", "-m", help="A model file; repeat to take the mean of several.")
]
Slices = Annotated[bool, typer.Option("--slices", help="Take each slice of a volume as a picture by itself.")]

_LABELS = (".png", ".tif", ".tiff")


class Augmentation(StrEnum):
    """What `classify` asks the network about besides the picture as it is."""

    shifts = "shifts"
    flips = "flips"


def segment(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to segment, or folders of them.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Label file (PNG, TIFF); of several pictures, the folder for these."),
    ],
    model: Models = None,
    method: Annotated[
        str | None, typer.Option(help="A classical method by name instead of a model: otsu, watershed, ...")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Where the labels go drawn over the picture; of several pictures, a folder.")
    ] = None,
    objects: Annotated[
        Path | None, typer.Option(help="Where the table of objects goes (CSV): area, place, shape, brightness.")
    ] = None,
    probabilities: Annotated[
        Path | None, typer.Option(help="Where the probabilities of all classes go (TIFF); of several, a folder.")
    ] = None,
    uncertainty: Annotated[
        Path | None,
        typer.Option(
            help="Where a map goes of how unsure the answer is: over 8 flips and rotations, or over several models."
        ),
    ] = None,
    smallest: Annotated[int, typer.Option(min=0, help="Objects of fewer pixels are left out.")] = 10,
    pixel_size: Annotated[
        float | None, typer.Option(help="Side of a pixel in micrometres, where the file does not tell it.")
    ] = None,
    slices: Slices = False,
    engine: EngineChoice = EngineOption.auto,
    precision: PrecisionChoice = PrecisionOption.f32,
    memory: Memory = None,
    threads: Threads = None,
) -> None:
    """Tell the class of each pixel, or find the objects in a picture, and count and measure them."""
    from aplomb import io
    from aplomb.recognise.measure import joined, measure
    from aplomb.recognise.overlay import check_overlay, write_overlay

    if pixel_size is not None and not pixel_size > 0:
        raise BadInput(f"--pixel-size {pixel_size} is no size; give micrometres above 0")
    find = _segmenter(
        model, method, probabilities is not None or uncertainty is not None,
        uncertainty=None if uncertainty is None else ("ensemble" if len(model or ()) > 1 else "flips"),
        smallest=smallest, slices=slices, engine=engine.value, precision=precision.value, memory=memory,
        threads=threads,
    )  # fmt: skip
    wanted = {"labels": output, "overlay": overlay, "probabilities": probabilities, "uncertainty": uncertainty}
    jobs = _jobs(pictures, {what: place for what, place in wanted.items() if place is not None})
    if objects is not None:
        _check_table(objects)
    tables: dict[str, Objects] = {}
    with progress("segmenting") as step:
        for index, (file, places) in enumerate(jobs):
            picture = io.read(file)
            _check_labels(places["labels"], picture)
            for what, place in places.items():
                if what == "overlay":
                    check_overlay(place)
                    _check_folder(place)
                elif what != "labels":
                    _check_map(place, picture, floats=what == "probabilities")
            found = find(picture, _counted(step, index, len(jobs), file.name))
            for note in (*picture.notes, *found.notes):
                warn(note if len(jobs) == 1 else f"{file.name}: {note}")
            _write_labels(places["labels"], found.labels)
            say(f"wrote {places['labels']}: {_shares(found)}")
            if objects is not None or found.instances:
                pixel = None if pixel_size is None else (pixel_size, pixel_size, "um")
                table = measure(
                    found.labels, picture, classes=found.classes, instances=found.instances, pixel=pixel
                )  # fmt: skip
                tables[str(file)] = table
                say(str(table))
            if "overlay" in places:
                styled = found.instances or found.labels.max(initial=0) >= max(8, len(found.classes))
                write_overlay(places["overlay"], picture, found.labels, classes=found.classes, instances=styled)
                say(f"wrote {places['overlay']}")
            if "probabilities" in places:
                _write_floats(places["probabilities"], found.probabilities, "C")
                say(f"wrote {places['probabilities']}: one page each for {', '.join(_channels(found))}")
            if "uncertainty" in places:
                _write_grey(places["uncertainty"], found.uncertainty)
                say(f"wrote {places['uncertainty']}: 0 (black) is certain, 1 (white) is no idea")
    if objects is not None:
        table = joined(tables) if len(jobs) > 1 else next(iter(tables.values()))
        table.to_csv(objects)
        say(f"wrote {objects}: {len(table)} objects")


def classify(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to classify, or folders of them.")],
    model: Models = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Where the probabilities of all classes go (CSV).")] = None,
    top: Annotated[int, typer.Option(min=1, help="So many of the most probable classes are shown.")] = 3,
    uncertainty: Annotated[
        Augmentation | None,
        typer.Option(help="Take the mean over small shifts, or over flips where up and down mean nothing."),
    ] = None,
    slices: Slices = False,
    engine: EngineChoice = EngineOption.auto,
    precision: PrecisionChoice = PrecisionOption.f32,
    memory: Memory = None,
    threads: Threads = None,
) -> None:
    """Tell the class of each picture, with probabilities."""
    from aplomb import classify as run
    from aplomb.data import find_pictures

    if not model:
        raise BadInput("classify takes a model: aplomb classify picture.png --model digits.onnx")
    if csv is not None:
        _check_table(csv)
    files = find_pictures(pictures)
    with progress("classifying") as step:
        result = run(
            [str(file) for file in files], model, uncertainty=None if uncertainty is None else uncertainty.value,
            slices=slices, engine=engine.value, precision=precision.value, memory=memory, threads=threads,
            progress=step,
        )  # fmt: skip
    for note in result.notes:
        warn(note)
    for name, best in zip(result.pictures, result.top(top), strict=True):
        say(f"{name}: " + ", ".join(f"{each} {100 * p:.1f} %" for each, p in best))
    if csv is not None:
        result.to_csv(csv)
        say(f"wrote {csv}: {len(result.pictures)} pictures, {len(result.classes)} classes")


# -- what finds labels ---------------------------------------------------------------------------------------


def _segmenter(
    models: list[str] | None, method: str | None, asks_network: bool, **options: Any
) -> Callable[[Picture, Any], Any]:
    """A function of a picture and a progress that gives a `Segmentation`."""
    if bool(models) == bool(method):
        raise BadInput(
            "segment takes a model or a method: aplomb segment cells.tif -o labels.png --model cells.onnx "
            "(or --method otsu)"
        )
    if method is None:
        from aplomb.recognise.ensemble import members
        from aplomb.recognise.segment import segment as run

        loaded = members(list(models or ()), "segment")
        return lambda picture, step: run(picture, loaded, progress=step, **options)
    if asks_network:
        raise BadInput(f"--probabilities and --uncertainty are of networks; {method} has none, give --model")
    from aplomb.recognise.classical import by_method

    return by_method(method, slices=options["slices"])


def _counted(step: Callable[..., None] | None, index: int, count: int, name: str) -> Callable[[int, int], None] | None:
    """Progress within one of several pictures as progress over all."""
    if step is None:
        return None
    return lambda done, total: step(index * total + done, count * total, name)


def _shares(found: Any) -> str:
    """What a map holds, in words."""
    import numpy as np

    if found.instances:
        return "numbers of objects"
    values, counts = np.unique(found.labels, return_counts=True)
    if len(values) > 12:
        return f"{len(values)} regions"
    named = [found.classes[k] if k < len(found.classes) else f"class {k}" for k in values]
    return ", ".join(f"{name} {100 * n / counts.sum():.1f} %" for name, n in zip(named, counts, strict=True))


def _channels(found: Segmentation) -> tuple[str, ...]:
    """What the pages of the probabilities are."""
    from aplomb.recognise.segment import CHANNELS

    return CHANNELS.get(found.target, found.classes)


# -- places to write to --------------------------------------------------------------------------------------


def _jobs(pictures: list[Path], places: dict[str, Path]) -> list[tuple[Path, dict[str, Path]]]:
    """Each picture with the files that it becomes. Of several pictures, or of a folder, places are folders."""
    from aplomb.data import find_pictures
    from aplomb.io import make_folder

    files = find_pictures(pictures)
    for file in files:
        if any(file.resolve() == place.resolve() for place in places.values()):
            raise OutputError(f"{file} would be written over; give the result another place")
    if len(files) == 1 and not pictures[0].is_dir() and not places["labels"].is_dir():
        _check_different(list(places.values()))
        return [(files[0], places)]
    stems = [file.stem for file in files]
    if twice := {stem for stem in stems if stems.count(stem) > 1}:
        raise BadInput(f"several pictures are called {min(twice)}; their results would be one file: rename them")
    for what, place in places.items():
        if place.suffix and not place.is_dir():
            raise OutputError(f"{len(files)} pictures are given, {place} is one file for {what}; give a folder")
    _check_different(list(places.values()))
    for place in places.values():
        make_folder(place)
    suffixes = {"probabilities": ".tif"}
    jobs = [(file, {w: place / (file.stem + suffixes.get(w, ".png")) for w, place in places.items()}) for file in files]
    inputs = {file.resolve() for file in files}
    for file, made in jobs:
        if any(place.resolve() in inputs for place in made.values()):
            raise OutputError(f"{file} would be written over; give the results another folder")
    return jobs


def _check_different(places: list[Path]) -> None:
    if len({place.resolve() for place in places}) < len(places):
        raise OutputError(f"two results would both go to {places[0]}; give each its own place")


def _check_labels(path: Path, picture: Picture) -> None:
    """Raise OutputError for a place that labels cannot go to, before the work is done."""
    import numpy as np

    from aplomb import io

    if path.suffix.lower() not in _LABELS:
        raise OutputError(f"{path}: labels are written as {', '.join(_LABELS)}; others would change their numbers")
    shape = ((picture.images,) if picture.images > 1 else ()) + picture.size
    io.check_output(path, io.Picture(np.broadcast_to(np.uint8(0), shape), axes="NYX"[-len(shape) :]))


def _check_map(path: Path, picture: Picture, *, floats: bool) -> None:
    import numpy as np

    from aplomb import io

    if floats and path.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(f"{path}: probabilities are numbers between 0 and 1, which TIFF holds; give a .tif")
    kind = np.float32 if path.suffix.lower() in (".tif", ".tiff") else np.uint8
    shape = ((picture.images,) if picture.images > 1 else ()) + picture.size
    io.check_output(path, io.Picture(np.broadcast_to(kind(0), shape), axes="NYX"[-len(shape) :]))


def _check_table(path: Path) -> None:
    if path.suffix.lower() != ".csv":
        raise OutputError(f"{path}: tables are written as .csv")
    _check_folder(path)


def _check_folder(path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        what = "is a folder; give the name of a file" if path.is_dir() else "lies in a folder that does not exist"
        raise OutputError(f"{path} {what}")


def _write_labels(path: Path, labels: Any) -> None:
    """Labels in the smallest of uint8, uint16 and uint32 that holds them; a stack has a page a picture."""
    import numpy as np

    from aplomb import io

    if labels.ndim == 2:
        io.write_labels(path, labels)
        return
    flat = labels.reshape(-1, *labels.shape[-2:])
    kind = np.min_scalar_type(int(labels.max(initial=0)))
    io.write(path, flat.astype(kind), like=io.Picture(flat, axes="NYX"))


def _write_floats(path: Path, values: Any, axis: str) -> None:
    from aplomb import io

    flat = values.reshape(-1, *values.shape[-3:]) if values.ndim > 3 else values
    io.write(path, flat, like=io.Picture(flat, axes=f"N{axis}YX"[-flat.ndim :]))


def _write_grey(path: Path, values: Any) -> None:
    """Numbers in 0..1: as they are into a TIFF, of 8 bits elsewhere."""
    import numpy as np

    from aplomb import io

    flat = values.reshape(-1, *values.shape[-2:]) if values.ndim > 2 else values
    if path.suffix.lower() not in (".tif", ".tiff"):
        flat = np.rint(255 * flat).astype(np.uint8)
    io.write(path, flat, like=io.Picture(flat, axes="NYX"[-flat.ndim :]))
