"""Stages that run beside the walk, each in a process of its own, while the walk itself runs another one.

`meta.beside` in dvc.yaml marks stages that are worth it: they need no others of their kind, and take long.
DVC lets several processes reproduce stages of one workspace at a time: its locks keep their files apart, and the bytes
are those of one stage after another.

The walk takes the stages from the front and this from the end, one to a core. A stage that the walk reaches before it
has begun here runs in the walk; one whose process fails runs there again, where its error is raised.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from types import TracebackType

import psutil

from tidegate.errors import UserError
from tidegate.pipeline import console
from tidegate.pipeline.timing import Timing
from tidegate.workspace.processes import machines

AT_ONCE = "TIDEGATE_AT_ONCE"  # environment variable: how many stages run at once, the walk's own included
MEMORY_OF_ONE = 2 * 2**30  # bytes, more than a process that trains the default takes: fewer run where there is less
GPU = Path("/dev/nvidiactl")  # a GPU is used by one training at a time
SECONDS_TO_STOP = 5
WORTH_A_PROCESS = 5.0  # seconds, about as long as a process takes to load what a training needs


def stages_at_once() -> int:
    """Give how many stages may run at once: what the environment says, or else one to a core that has memory for it.

    Raises:
        UserError: the environment does not say a whole number.
    """
    if given := os.environ.get(AT_ONCE):
        if not given.isdecimal() or int(given) < 1:
            raise UserError(f"{AT_ONCE} is {given!r}: give the number of stages that may run at once, 1 or more.")
        return int(given)
    if GPU.exists() or machines().several:
        return 1
    return max(1, min(len(os.sched_getaffinity(0)), psutil.virtual_memory().available // MEMORY_OF_ONE))


class Beside:
    """The stages that run beside a walk; leaving it stops those that still run."""

    def __init__(self, timing: Timing) -> None:
        """Start with none; those that were short last time are left to the walk."""
        self.timing = timing
        self._others = timing.at_once - 1
        self._threads = ThreadPoolExecutor(max(1, self._others), thread_name_prefix="beside")
        self._begun: dict[str, Future[int]] = {}
        self._printed: dict[str, SimpleQueue[str | None]] = {}  # lines; None at the end
        self._seconds: dict[str, float] = {}
        self._processes: list[subprocess.Popen[str]] = []
        self._starting, self._stopped = Lock(), False

    def __enter__(self) -> "Beside":
        """Give this."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop what still runs: what a training has learnt so far is kept, and it resumes there."""
        with self._starting:
            self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_STOP)
            process.kill()
        self._threads.shutdown()

    def has_begun(self, name: str) -> bool:
        """Say whether a stage runs here, or waits to."""
        return name in self._begun

    def begin(self, stages: Sequence[str]) -> None:
        """Begin the stages, from the last one on, as cores become free."""
        worth = [name for name in stages if (self.timing.last(name) or WORTH_A_PROCESS) >= WORTH_A_PROCESS]
        for name in reversed(worth) if self._others else ():
            self._printed[name] = SimpleQueue()
            self._begun[name] = self._threads.submit(self._run, name)

    def finish(self, name: str) -> float | None:
        """Show how a stage runs here until it has ended; give its seconds. None if it has not begun, or has failed."""
        future = self._begun.pop(name, None)
        if future is None or future.cancel():
            return None
        with console.progress_bar(name) as line:
            while (printed := self._printed[name].get()) is not None:
                if printed.startswith("["):
                    line(*json.loads(printed))
                else:
                    console.say(printed)
        if code := future.result():
            console.say(f"{name:<22} ended in its own process with exit code {code}: it runs again in this one")
            return None
        return self._seconds[name]

    def _run(self, name: str) -> int:
        command = [sys.executable, "-m", "tidegate.pipeline.stage_process", name, str(os.getpid())]
        began = time.monotonic()
        try:
            with self._starting:
                if self._stopped:
                    return 1
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
                self._processes.append(process)
            for line in process.stdout or ():
                self._printed[name].put(line.rstrip("\n"))
            return process.wait()
        finally:
            self._seconds[name] = time.monotonic() - began
            self._printed[name].put(None)
