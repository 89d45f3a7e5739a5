"""Runs that are killed, stopped, starved: what is left is whole, and going on gives the same weights."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from aplomb.errors import ImageFileError, OutputError, RecipeError, RunError
from aplomb.train import train
from aplomb.train.checkpoint import Log, load_checkpoint

RUN = """
import sys
from aplomb.train import train
train(sys.argv[1], sys.argv[2], run=sys.argv[3], threads=2)
"""
CHANGES = (
    ('name = "residual-3x16"', 'name = "lean-grey"\nwidths = [8, 16]\nblocks = [1, 1]'),
    ('kind = "adam"', 'kind = "muon"'),
    ("sigma = 25", "sigma = [0, 55]"),
    ("every = 150", "every = 30"),
    ("steps = 150", "steps = 80"),
    ("batch = 8", 'batch = 8\nchunk = 4\naverage = 0.9\nprecision = "bf16"\ncheckpoint = 1'),
)


def _start(recipe: Path, photos: Path, run: Path) -> subprocess.Popen[str]:
    source = Path(__file__).parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", RUN, str(recipe), str(photos), str(run)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def _wait_for_step(process: subprocess.Popen[str], run: Path, step: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = load_checkpoint(run / "checkpoint.pt")
        if state and state["step"] >= step:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    pytest.fail("no checkpoint within a minute")


def test_killed_twice_it_gives_the_same_weights_as_an_unbroken_run(photos, recipe_of, tmp_path) -> None:
    """A checkpoint every step, so that a kill is likely to fall into the writing of one."""
    recipe = recipe_of(*CHANGES)
    (tmp_path / "r.toml").write_text(recipe.text)
    whole = train(tmp_path / "r.toml", photos, run=tmp_path / "whole", threads=2, quiet=True)
    broken = tmp_path / "broken"
    for step in (3, 20):
        process = _start(tmp_path / "r.toml", photos, broken)
        _wait_for_step(process, broken, step)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        state = load_checkpoint(broken / "checkpoint.pt")
        assert state is not None
        assert state["step"] < 80
    resumed = train(tmp_path / "r.toml", photos, run=broken, threads=2, quiet=True)
    assert resumed.operator == whole.operator
    assert resumed.figures == whole.figures
    states = [load_checkpoint(f / "checkpoint.pt") for f in (tmp_path / "whole", broken)]
    for part in ("weights", "average"):
        assert all(torch.equal(states[0][part][k], states[1][part][k]) for k in states[0][part])
    assert not list(broken.glob(".checkpoint*"))
    logs = [[r.rsplit(",", 1)[0] for r in (f / "log.csv").read_text().split()] for f in (tmp_path / "whole", broken)]
    assert logs[0] == logs[1]


def test_the_log_forgets_what_a_killed_run_wrote_after_its_checkpoint(tmp_path) -> None:
    log = Log(tmp_path / "log.csv", 0)
    for step in (10, 20, 30):
        log.add(step=step, loss=1 / step)
    with (tmp_path / "log.csv").open("a") as stream:
        stream.write("4")  # cut off in the middle of a row
    assert Log(tmp_path / "log.csv", 20).column("loss") == ([10, 20], [0.1, 0.05])
    assert len((tmp_path / "log.csv").read_text().split()) == 3
    assert Log(tmp_path / "log.csv", 0).rows == []


def test_stopped_by_sigterm_it_saves_the_step_and_says_so(photos, recipe_of, tmp_path) -> None:
    text = recipe_of(*CHANGES, ("steps = 80", "steps = 100000")).text.replace("checkpoint = 1", "checkpoint = 5")
    (tmp_path / "r.toml").write_text(text)
    process = _start(tmp_path / "r.toml", photos, tmp_path / "run")
    _wait_for_step(process, tmp_path / "run", 5)
    process.terminate()
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + signal.SIGTERM
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state is not None
    assert f"stopped at step {state['step']}; run the same command again" in said


def test_another_recipe_or_other_pictures_do_not_go_on(photos, recipe_of, tmp_path) -> None:
    short = ("steps = 150", "steps = 4")
    train(recipe_of(short), photos, run=tmp_path, threads=1, quiet=True)
    train(
        recipe_of(short, ("batch = 8", "batch = 8\ncheckpoint = 3")),
        photos,
        run=tmp_path,
        threads=1,
        quiet=True,
    )
    for change in (("lr = 0.01", "lr = 0.02"), ('train = ["train"]', 'train = ["train/00[0-3].png"]')):
        with pytest.raises(RecipeError, match="another recipe, other pictures or another network"):
            train(recipe_of(short, change), photos, run=tmp_path, threads=1, quiet=True)
    train(recipe_of(short, change), photos, run=tmp_path, threads=1, quiet=True, resume=False)


def test_a_loss_that_becomes_nan_ends_in_one_line_with_the_checkpoint_intact(photos, recipe_of, tmp_path) -> None:
    recipe = recipe_of(
        ('kind = "adam"', 'kind = "sgd"'),
        ("lr = 0.01", "lr = 1e12"),
        ("batch = 8", "batch = 8\ncheckpoint = 1"),
    )
    with pytest.raises(RunError, match=r"NaN or infinite in steps \d+ to \d+; lower \[optimiser\] lr \(1e\+12\)"):
        train(recipe, photos, run=tmp_path, threads=1, quiet=True)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state is not None
    assert all(bool(torch.isfinite(w).all()) for w in state["weights"].values())


def test_out_of_memory_ends_in_one_line(photos, recipe_of, tmp_path, monkeypatch) -> None:
    def greedy(*arguments: object) -> torch.Tensor:
        return torch.empty(2**52)  # more than any address space holds: the allocator's own error

    monkeypatch.setattr("aplomb.train.denoising.loss_of", greedy)
    with pytest.raises(RunError, match=r"out of memory with \[run\] batch 8 and pieces of 32 pixels; set"):
        train(recipe_of(), photos, run=tmp_path, threads=2, quiet=True)


def test_a_full_disk_ends_in_one_line_with_the_old_checkpoint_intact(photos, recipe_of, tmp_path) -> None:
    resource = pytest.importorskip("resource")
    recipe = recipe_of(("steps = 150", "steps = 20"), ("batch = 8", "batch = 8\ncheckpoint = 5"))
    run = tmp_path / "run"
    train(recipe, photos, run=run, threads=1, quiet=True)
    before = (run / "checkpoint.pt").read_bytes()
    longer = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"steps": 40})})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))  # no file may grow beyond: a disk that is full
    try:
        with pytest.raises(OutputError) as caught:
            train(longer, photos, run=run, threads=1, quiet=True, resume=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "checkpoint.pt" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (run / "checkpoint.pt").read_bytes() == before
    assert not list(run.glob(".checkpoint*"))


def test_a_checkpoint_that_is_damaged_is_refused(photos, recipe_of, tmp_path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(RunError, match=r"checkpoint cannot be read .* remove it to start anew"):
        train(recipe_of(), photos, run=tmp_path, threads=1, quiet=True)


def test_unreadable_pictures_and_unwritable_folders_end_in_one_line(photos, recipe_of, tmp_path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageFileError, match=r"1 of 1 pictures cannot be used: .*broken.png"):
        train(recipe_of(('validation = ["held"]', "")), tmp_path, run=tmp_path / "run", quiet=True)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make this folder"):
        train(recipe_of(), photos, run=tmp_path / "file" / "run", quiet=True)
    with pytest.raises(OutputError, match="does not exist"):
        train(recipe_of(), photos, tmp_path / "none" / "x.onnx", run=tmp_path / "run", quiet=True)
