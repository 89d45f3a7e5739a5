from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# the same examples in every run, and no quarrel with a busy machine
settings.register_profile("aplomb", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("aplomb")


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Exit code, standard output and standard error of a command, run in an empty folder."""
    from aplomb.cli import main

    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call
