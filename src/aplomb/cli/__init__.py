"""The command line: every command reads its options, calls one public function and tells what came of it.

Heavy imports stay inside the commands, so that ``aplomb --help`` answers at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import typer

from aplomb.cli.burst import burst
from aplomb.cli.comparing import compare
from aplomb.cli.inverse import deblur, demosaic, inpaint, restore, simulate, upscale
from aplomb.cli.networks import certify, explain, inspect, models
from aplomb.cli.pictures import denoise
from aplomb.cli.recognition import classify, segment
from aplomb.cli.reconstruct import reconstruct
from aplomb.cli.training import train
from aplomb.errors import AplombError

app = typer.Typer(
    help="Restore, segment and classify pictures with networks that can be checked, compare with classical methods, "
    "train your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: tuple[Callable[..., None], ...] = (
    denoise, deblur, upscale, inpaint, demosaic, restore, simulate, burst, segment, classify, compare, inspect, certify,
    explain, train, models,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
app.add_typer(reconstruct, name="reconstruct")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors become one line on standard error and an exit code, 2 for bad input, 1 for our failures."""
    try:
        app(arguments, standalone_mode=True)
    except AplombError as error:
        code = error.exit_code
        message = str(error)
    except MemoryError:
        code, message = 1, "out of memory; give less with --memory, or close other programs"
    except KeyboardInterrupt:
        code, message = 130, "stopped"
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader went away; nobody is there to be told
        raise SystemExit(1) from None
    except Exception as error:
        if os.environ.get("APLOMB_TRACEBACK"):
            raise
        code = 1
        message = f"{type(error).__name__}: {error} (a bug of ours; APLOMB_TRACEBACK=1 shows where, please report it)"
    typer.echo(f"error: {message}", err=True)
    raise SystemExit(code)
