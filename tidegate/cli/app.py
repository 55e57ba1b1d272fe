"""The command line itself: chatter goes to a log, an error is one sentence and an exit code."""

import contextlib
import functools
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import typer

from tidegate.errors import FULL, TidegateError, UserError
from tidegate.pipeline import console
from tidegate.workspace.paths import PARAMS

INTERRUPTED = 130
P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    help="Forecasts for networks of stations, through gates that are closed by default.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """Run the command line as a process of its own."""
    try:
        app(prog_name="tidegate")
    finally:
        console.silence_until_exit()


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Have a command write its chatter to a log file, and end with one sentence and an exit code if it fails."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if not PARAMS.exists():  # before a log folder is made where it does not belong
            console.complain(f"{PARAMS} is not here: run tidegate in the root of a workspace.")
            sys.exit(UserError.exit_code)
        name = "-".join(filter(None, (command.__name__, str(kwargs.get("name") or ""))))
        with _interruptible(), console.quiet(re.sub(r"\W+", "-", name)), _errors_as_sentences(name):
            return command(*args, **kwargs)

    return run


@contextmanager
def _errors_as_sentences(name: str) -> Iterator[None]:
    """Print an error as a sentence, log where it came from, and exit with its code."""
    try:
        yield
    except TidegateError as error:
        _log(error)
        console.complain(str(error))
        if error.exit_code == TidegateError.exit_code:
            console.complain(f"The log is {console.terminal.log}.")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.say("Stopped.")
        sys.exit(INTERRUPTED)
    except Exception as error:
        _log(error)
        if isinstance(error, OSError) and error.errno in FULL:
            where = f" ({error.filename})" if error.filename else ""
            console.complain(f"The disk is full{where}: make room and give the command again; it goes on from there.")
            os._exit(TidegateError.exit_code)  # an orderly exit would flush into the log, which is full too
        reason = " ".join(str(error).split())
        console.complain(f"A fault in {name}: {type(error).__name__}: {reason}.")
        console.complain(f"The log is {console.terminal.log}.")
        sys.exit(TidegateError.exit_code)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat a service manager's stop like Ctrl-C: an orderly end."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, signal.default_int_handler) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def _log(error: Exception) -> None:
    """Write where an error came from into the log, if that can be written."""
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
        sys.stderr.flush()
