"""One at a time in a workspace: who comes second waits, says for whom, and then finds the work done.

DVC's own commands know nothing of this, and refuse instead; `python -m tidegate.pipeline.lock dvc repro` waits.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from tidegate.errors import DataError
from tidegate.pipeline.console import say
from tidegate.workspace.paths import DVC_LOCKS, read_json, write_json

LOCK = Path(".tidegate") / "lock"  # held by the operating system: it is free as soon as its holder is gone
HOLDER = LOCK.with_name("holder.json")


@contextmanager
def workspace_lock(what: str) -> Iterator[None]:
    """Hold the workspace, after waiting for a run or a DVC command at work; who holds it already goes on at once."""
    LOCK.parent.mkdir(exist_ok=True)
    # One lock a process, whichever of its threads asks: a flow within a command is no second holder.
    lock = FileLock(LOCK.absolute(), is_singleton=True, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say(f"Waiting for {_holder()} to end …")
        lock.acquire()
    try:
        if lock.lock_counter == 1:
            write_json(HOLDER, {"what": what, "pid": os.getpid(), "since": f"{datetime.now():%H:%M:%S}"})
        _wait_for_dvc()
        yield
    finally:
        lock.release()


def _holder() -> str:
    try:
        found = read_json(HOLDER)
    except DataError:  # it has only just begun
        return "another run of this workspace"
    return f"{found['what']} (process {found['pid']}, since {found['since']})"


def _wait_for_dvc() -> None:
    """Wait while a DVC command of another process is at work, which knows nothing of our lock; say for which."""
    told = None
    while other := _other():
        if other != told:
            say(f"Waiting for {_command(other)} (process {other}) to end …")
        told = other
        time.sleep(0.5)


def _other() -> int | None:
    """Find a living process that holds DVC's lock or is running a stage; not this one, nor one that waits for it."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
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
    return next((pid for pid in holders if pid not in own and psutil.pid_exists(pid)), None)


def _command(pid: int) -> str:
    """Name what a process is: "dvc repro", say."""
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return "another process"
    named = [Path(word.partition("\n")[0]).name for word in words if not word.startswith("-")]
    return " ".join(named[1:3]) if len(named) > 1 and named[0].startswith("python") else " ".join(named[:2])


if __name__ == "__main__":
    with workspace_lock(" ".join(Path(word).name for word in sys.argv[1:])):
        done = subprocess.run(sys.argv[1:])
    sys.exit(done.returncode)
