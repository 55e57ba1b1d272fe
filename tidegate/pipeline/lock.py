"""The lock of a workspace: one run at a time. A second run prints which process it waits for, and then waits.

DVC's own commands do not take this lock, and fail instead of waiting. To let one wait, run
`python -m tidegate.pipeline.lock dvc repro`.
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

LOCK = Path(".tidegate") / "lock"  # an OS file lock: released even when its process is killed
HOLDER = LOCK.with_name("holder.json")
RWLOCK = DVC_LOCKS / "rwlock"  # DVC's: which processes read and write which paths while stages run


@contextmanager
def workspace_lock(what: str) -> Iterator[None]:
    """Hold the workspace's lock, after waiting for any other run or DVC command; re-entrant within a process.

    `what` describes this run to those that wait for it.
    """
    LOCK.parent.mkdir(exist_ok=True)
    # One lock object per process, for all its threads: a flow that a command starts must not wait for the command.
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
        _remove_torn_rwlock()
        yield
    finally:
        lock.release()


def _holder() -> str:
    """Describe the run that holds the lock."""
    try:
        holder = read_json(HOLDER)
    except DataError:  # the holder has not written it yet
        return "another run of this workspace"
    return f"{holder['what']} (process {holder['pid']}, since {holder['since']})"


def _wait_for_dvc() -> None:
    """Wait while another process runs a DVC command, which does not take our lock; print which one."""
    announced = None
    while pid := _dvc_process():
        if pid != announced:
            say(f"Waiting for {_command_of(pid)} (process {pid}) to end …")
        announced = pid
        time.sleep(0.5)


def _remove_torn_rwlock() -> None:
    """Remove DVC's list of readers and writers if a process was killed while it wrote it: DVC refuses to read that.

    A living process writes it in far less than a second, and those of a dead one have no meaning.
    """
    for _ in range(20):
        try:
            json.loads(RWLOCK.read_text())
        except OSError:
            return
        except ValueError:
            time.sleep(0.1)
        else:
            return
    RWLOCK.unlink(missing_ok=True)


def _dvc_process() -> int | None:
    """Find a living process that holds DVC's lock or runs a stage, other than this process and its parents."""
    ignored_pids = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    holders = []
    with suppress(OSError, ValueError):
        rwlock = json.loads(RWLOCK.read_text())
        holders += [reader["pid"] for readers in rwlock.get("read", {}).values() for reader in readers]
        holders += [writer["pid"] for writer in rwlock.get("write", {}).values()]
    with suppress(OSError, ValueError):
        with (DVC_LOCKS / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holders.append(int(lock.read()))
    return next((pid for pid in holders if pid not in ignored_pids and psutil.pid_exists(pid)), None)


def _command_of(pid: int) -> str:
    """Give the name of a process's command, for example "dvc repro"."""
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return "another process"
    names = [Path(word.partition("\n")[0]).name for word in words if not word.startswith("-")]
    return " ".join(names[1:3]) if len(names) > 1 and names[0].startswith("python") else " ".join(names[:2])


if __name__ == "__main__":
    with workspace_lock(" ".join(Path(word).name for word in sys.argv[1:])):
        done = subprocess.run(sys.argv[1:])
    sys.exit(done.returncode)
