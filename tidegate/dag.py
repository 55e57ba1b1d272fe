"""The graph, as DVC sees it; the only file that imports DVC.

dvc.yaml is its only description. DVC itself walks it here, as in `dvc repro`: the order, what is stale, the run cache,
the locks and dvc.lock are all DVC's. Two things are different: what a stage's work is put into (a Prefect task, say),
and that one of Tidegate's own verbs runs in this process, where the libraries are loaded already.
"""

import fcntl
import json
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from dvc.exceptions import DvcException, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import _reproduce_stage, get_active_graph, plan_repro
from dvc.stage import PipelineStage, Stage
from dvc.stage.exceptions import StageCmdFailedError
from dvc.stage.run import cmd_run

from tidegate.artifacts import DATA, DVC_LOCKS, PIPELINE
from tidegate.console import say, stage_line
from tidegate.errors import ServiceError, StageFailed, TidegateError, UserError

OWN_COMMAND = ["python", "-m", "tidegate"]
PLAIN_WORD = re.compile(r"[\w.@=-]+")

Verb = Callable[[list[str]], None]
Work = Callable[[], None]


@dataclass(frozen=True)
class Step:
    """A stale stage, as a driver sees it."""

    name: str
    retries: int  # from the stage's `meta`: how often to try again where the world is touched


def wait_for_others() -> None:
    """Wait while a DVC command of another process is at work in this workspace, and say for which."""
    told = None
    while other := _other():
        if other != told:
            say(f"Waiting for {_command(other)} (process {other}) to end …")
        told = other
        time.sleep(0.5)


def _other() -> int | None:
    """Find a living process, not this one, that holds DVC's lock or is running a stage."""
    holders = []
    with suppress(OSError, ValueError):  # a run of stages: who reads and who writes what
        running = json.loads((DVC_LOCKS / "rwlock").read_text())
        holders += [one["pid"] for many in running.get("read", {}).values() for one in many]
        holders += [one["pid"] for one in running.get("write", {}).values()]
    with suppress(OSError, ValueError):
        with (DVC_LOCKS / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holders.append(int(lock.read()))
    return next((pid for pid in holders if pid != os.getpid() and psutil.pid_exists(pid)), None)


def _command(pid: int) -> str:
    """Name what a process is: "dvc repro", say."""
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return "another process"
    named = [Path(word.partition("\n")[0]).name for word in words if not word.startswith("-")]
    return " ".join(named[1:3]) if len(named) > 1 and named[0].startswith("python") else " ".join(named[:2])


def stale() -> list[str]:
    """Name the stages that would run now, in order; those after them may have to run too."""
    with _repository() as repo, lock_repo(repo):
        plan = plan_repro(get_active_graph(repo.index.graph))
        return [stage.addressing for stage in plan if stage.changed()]


def track_data(update: Work) -> None:
    """Update data/ and let DVC take note of it (cache its files, write data.dvc), alone in the workspace."""
    with _repository() as repo, lock_repo(repo):
        update()
        repo.add(str(DATA))


def reproduce(verb: Verb, around: Callable[[Step, Work], None]) -> None:
    """Bring all stages up to date, as `dvc repro` does, each stale one's work through `around`.

    Raises:
        StageFailed: a stage's shell command failed; a verb's own error comes through as it is.
    """

    def each(stage: Stage, **options: Any) -> Stage | None:
        if not stage.changed(upstream=options.get("upstream")):
            return None
        done: list[Stage] = []

        def work() -> None:
            with _commands(verb) as ran:
                done.append(_reproduce_stage(stage, **options))
            if isinstance(stage, PipelineStage) and not ran:
                say(f"{stage.addressing:<22} restored: DVC's cache holds this very run")

        around(Step(stage.addressing, _retries(stage)), work)
        return done[-1]

    with _repository() as repo:
        repo.reproduce(repro_fn=each)


@contextmanager
def _commands(verb: Verb) -> Iterator[list[str]]:
    """Have DVC run Tidegate's own verbs in this process; give the stages whose commands have been run."""
    ran: list[str] = []

    def run(stage: Stage, dry: bool = False, run_env: Any = None) -> None:
        ran.append(stage.addressing)
        words = _own_words(stage)
        if words is not None:
            verb(words)
            return
        with stage_line(stage.addressing) as line:
            cmd_run(stage, dry=dry, run_env=run_env)
            line.result = "done"

    # DVC offers no hook at this place; a test holds both drivers to the same dvc.lock.
    with patch("dvc.stage.run.cmd_run", run):
        yield ran


def _own_words(stage: Stage) -> list[str] | None:
    """Give what follows `python -m tidegate` if that is all that a stage's command is."""
    if not isinstance(stage.cmd, str) or stage.wdir != stage.repo.root_dir:
        return None
    words = shlex.split(stage.cmd)
    plain = all(PLAIN_WORD.fullmatch(word) for word in words)
    return words[3:] if plain and words[:3] == OWN_COMMAND else None


def _retries(stage: Stage) -> int:
    retries = (getattr(stage, "meta", None) or {}).get("retries", 0)
    if not isinstance(retries, int) or retries < 0:
        raise UserError(f"{PIPELINE}: meta.retries of stage {stage.addressing} is {retries!r}: give a whole number.")
    return retries


@contextmanager
def _repository() -> Iterator[Repo]:
    """Open the DVC repository, and say DVC's errors in this project's terms."""
    try:
        with Repo(_wait_for_lock=True) as repo:  # its own lock: held for moments, between stages
            yield repo
    except LockError:
        raise ServiceError(
            "Another DVC command has begun on the same stage meanwhile: wait for it to end, then run this again."
        ) from None
    except ReproductionError as error:
        raise _cause_of(error) from error
    except DvcException as error:
        raise _refusal(error) from error


def _cause_of(error: BaseException) -> BaseException:
    """Find what made a stage fail, in the chain of DVC's errors."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TidegateError):
            return cause
        if isinstance(cause, StageCmdFailedError):
            return StageFailed(f"A stage's command failed ({cause}): its output is in the log.")
        if not isinstance(cause, DvcException):
            return cause
        cause = cause.__cause__
    return _refusal(error)


def _refusal(error: BaseException) -> UserError:
    return UserError(f"DVC refuses: {' '.join(str(error).split()).rstrip('.')}.")
