"""The command line itself: library output goes to a log file; an error is one sentence and an exit code."""

import contextlib
import functools
import gc
import inspect
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer

from tidegate.cli.json_results import as_json
from tidegate.errors import DISK_FULL, TidegateError, UserError
from tidegate.pipeline import console
from tidegate.workspace.paths import PARAMS

INTERRUPTED = 130
R = TypeVar("R")
Result = Any  # what a command returns that has --json: see json_results.py

# Of a flag without a default Typer imports pydantic to find that it is absent: longer than all else that --help takes.
ABSENT = {"help": False, "install_completion": False, "show_completion": False}

app = typer.Typer(
    help="Forecasts for networks of stations, through gates that are closed by default.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "default_map": {**ABSENT, "quarantine": ABSENT, "status": ABSENT},  # of a group, and of a command that is quick
    },
)


def main() -> None:
    """Run the command line: the entry point of the process.

    What imports make lives until the end: to look through it for garbage, and once more at the exit, would take a fifth
    of a short command's time.
    """
    gc.set_threshold(200_000)
    try:
        app(prog_name="tidegate")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done or said: a Ctrl-C now would only print a traceback
        console.silence_until_exit()
        gc.freeze()


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"tidegate {metadata.version('tidegate')}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options of the program itself."""


def _flag(name: str, *declarations: str, says: str) -> inspect.Parameter:
    annotation = Annotated[bool, typer.Option(f"--{name}", *declarations, help=says)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)


_QUIET = _flag("quiet", "-q", says="Print nothing but errors and questions.")
_JSON = _flag("json", says="Print the result as JSON, and nothing else.")


def guarded(command: Callable[..., R]) -> Callable[..., R]:
    """Decorate a command: library output goes to a log file; an error becomes one sentence and an exit code.

    Every command takes --quiet. One that returns a result takes --json too, which prints that and nothing else.
    """

    @functools.wraps(command)
    def run(*args: Any, quiet: bool = False, json: bool = False, **kwargs: Any) -> R:
        if not PARAMS.exists():  # before a log folder is created outside a workspace
            console.print_error(f"{PARAMS} is not here: run tidegate in the root of a workspace.")
            sys.exit(UserError.exit_code)
        name = "-".join(filter(None, (command.__name__, str(kwargs.get("name") or ""))))
        with _interruptible(), console.quiet(re.sub(r"\W+", "-", name)), _errors_as_sentences(name):
            with console.errors_alone() if quiet or json else contextlib.nullcontext():
                result = command(*args, **kwargs)
            if json:
                console.print_result(as_json(result))
            return result

    signature = inspect.signature(command)
    options = [_QUIET] if signature.return_annotation is None else [_QUIET, _JSON]
    parameters = [*signature.parameters.values(), *options]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


@contextmanager
def _errors_as_sentences(name: str) -> Iterator[None]:
    """Print an error as a sentence, write its traceback to the log, and exit with its code."""
    try:
        yield
    except TidegateError as error:
        _log_traceback(error)
        console.print_error(str(error))
        if error.exit_code == TidegateError.exit_code:
            console.print_error(f"The log is {console.terminal.log}.")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.say("Stopped.")
        sys.exit(INTERRUPTED)
    except Exception as error:
        _log_traceback(error)
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            where = f" ({error.filename})" if error.filename else ""
            console.print_error(
                f"The disk is full{where}: make room and run the command again; it continues from there."
            )
            os._exit(TidegateError.exit_code)  # a normal exit would flush the log, on the same full disk
        reason = " ".join(str(error).split())
        console.print_error(f"A fault in {name}: {type(error).__name__}: {reason}.")
        console.print_error(f"The log is {console.terminal.log}.")
        sys.exit(TidegateError.exit_code)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Handle SIGTERM, which service managers send, like Ctrl-C."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _log_traceback(error: Exception) -> None:
    """Write an error's traceback to the log, if the log can be written."""
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
        sys.stderr.flush()
