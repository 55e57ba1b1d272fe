"""What the user sees: one line per stage, tables, and one sentence when something is wrong.

Everything else that libraries print (on any stream, from Python or from C++) goes to a log file.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tidegate.workspace.paths import LOGS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

# Rich is imported where it is used: --help prints without it.

logger = logging.getLogger("tidegate")
logger.setLevel(logging.INFO)  # Prefect gives it a handler, and no level

KEPT_LOGS = 50
WIDTH = 132  # columns, where the output is no terminal


class Terminal:
    """The two streams that reach the user, even while the process's own streams go to the log."""

    def __init__(self) -> None:
        """Start with the process's own streams."""
        self.log: Path | None = None
        self.errors_alone = False
        self.seconds_left: Callable[[], float | None] = lambda: None  # of the whole run
        self.use(sys.stdout, sys.stderr)

    def use(self, out: TextIO, err: TextIO) -> None:
        """Print to these streams from now on."""
        self.streams = out, err
        self.forget()

    def forget(self) -> None:
        """Make the consoles anew when they are needed."""
        for name in ("out", "err"):
            self.__dict__.pop(name, None)

    @cached_property
    def out(self) -> "Console":
        """Where lines and tables go."""
        return _console(self.streams[0], quiet=self.errors_alone)

    @cached_property
    def err(self) -> "Console":
        """Where errors go."""
        return _console(self.streams[1])


def _console(stream: TextIO, quiet: bool = False) -> "Console":
    """Print to a stream; into a pipe or a file without colours, whatever the environment says of them."""
    from rich.console import Console

    terminal = stream.isatty()
    width = None if terminal else WIDTH
    return Console(
        file=stream, highlight=False, markup=False, soft_wrap=True, width=width, quiet=quiet, force_terminal=terminal
    )


terminal = Terminal()


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Send everything that is printed within the block to a log file, except the lines of this module.

    The file descriptors are redirected, not sys.stdout, because C++ libraries and child processes write to them.
    """
    LOGS.mkdir(exist_ok=True)
    _drop_old_logs()
    terminal.log = LOGS / f"{datetime.now():%Y%m%d-%H%M%S}-{name}-{os.getpid()}.log"
    with os.fdopen(os.dup(1), "w") as out, os.fdopen(os.dup(2), "w") as err:
        terminal.use(out, err)
        _redirect_to(terminal.log)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            terminal.use(sys.stdout, sys.stderr)


@contextmanager
def errors_alone() -> Iterator[None]:
    """Print no line, no table and no progress within the block: only errors, questions and `print_result`."""
    terminal.errors_alone = True
    terminal.forget()
    try:
        yield
    finally:
        terminal.errors_alone = False
        terminal.forget()


@contextmanager
def time_left(seconds: Callable[[], float | None]) -> Iterator[None]:
    """Show beside each progress bar within the block how long the whole run will still take, if that is known."""
    before, terminal.seconds_left = terminal.seconds_left, seconds
    try:
        yield
    finally:
        terminal.seconds_left = before


def silence_until_exit() -> None:
    """Send to the log what libraries print while the process exits."""
    if terminal.log is not None:
        with suppress(OSError):
            _redirect_to(terminal.log)


def _redirect_to(log: Path) -> None:
    """Let the process's own streams write to a log file."""
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def in_words(seconds: float) -> str:
    """Say a duration: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def say(text: str) -> None:
    """Print one line to the user."""
    if "out" in vars(terminal):  # above a progress bar, if there is one
        terminal.out.print(text)
    elif not terminal.errors_alone:
        print_result(text)


def print_error(text: str) -> None:
    """Print one line to the user's error stream."""
    terminal.err.print(text, style="red")


def print_result(text: str) -> None:
    """Print what other programs read, whatever else is silent."""
    stream = terminal.streams[0]
    stream.write(f"{text}\n")
    stream.flush()


def show(table: "Table") -> None:
    """Print a table to the user."""
    terminal.out.print(table)


def confirm(question: str) -> bool:
    """Ask the user a yes/no question; without a terminal the answer is no."""
    if not sys.stdin.isatty():
        say(f"{question} There is nobody to ask: give --yes.")
        return False
    _console(terminal.streams[0]).print(f"{question} [y/N] ", end="")  # asked even where lines are silent
    return input().strip().lower() in ("y", "yes")


def choose(question: str, choices: Sequence[str], default: str) -> str:
    """Ask the user for one of several names; without a terminal, or an answer, it is the default."""
    if not sys.stdin.isatty():
        return default
    from rich.prompt import Prompt

    console = _console(terminal.streams[0])  # as above
    return Prompt.ask(question, console=console, choices=list(choices), default=default)


class StageLine:
    """The line of one stage: a progress bar while it runs, its result when it is done. It is the stage's `progress`."""

    def __init__(self, progress: "Progress", name: str) -> None:
        """Start the line."""
        self.result = ""
        self._name, self._progress = name, progress
        self._task = progress.add_task(name, total=None, note="")

    def __call__(self, done: float, total: float, note: str = "", loss: float | None = None) -> None:
        """Move the bar to `done` of `total`, with a note beside it."""
        self._progress.update(self._task, completed=done, total=total, note=note)
        if loss is not None:  # once an epoch: the log of a flow run shows how far a training is
            logger.info("%s: %s", self._name, note)


@contextmanager
def progress_bar(name: str) -> Iterator[StageLine]:
    """Show a progress bar within the block, on a terminal."""
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
    from rich.text import Text

    class TimeLeft(ProgressColumn):
        def render(self, task: Task) -> Text:
            """Give the time left of this line, and of the whole run."""
            of_line, of_run = task.time_remaining, terminal.seconds_left()
            parts = [f"{in_words(of_line)} left" if of_line else "", f"run: {in_words(of_run)} left" if of_run else ""]
            return Text(" · ".join(filter(None, parts)))

    progress = Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeLeft(),
        console=terminal.out,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not terminal.out.is_terminal or terminal.out.quiet,
    )
    with progress:
        yield StageLine(progress, name)


@contextmanager
def stage_line(name: str) -> Iterator[StageLine]:
    """Show a progress bar while a stage runs, then print one line with its result."""
    began = time.monotonic()
    with progress_bar(name) as line:
        yield line
    logger.info("%s: %s", name, line.result)
    say(f"{name:<22} {line.result}  ({time.monotonic() - began:.1f} s)")


def _drop_old_logs() -> None:
    for old in sorted(LOGS.glob("*.log"))[:-KEPT_LOGS]:
        old.unlink(missing_ok=True)
