"""One at a time in a workspace: who comes second waits, says for whom, and then finds the work done."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from tidegate.artifacts import read_json, write_json
from tidegate.console import say
from tidegate.errors import DataError

LOCK = Path(".tidegate") / "lock"  # held by the operating system: it is free as soon as its holder is gone
HOLDER = LOCK.with_name("holder.json")


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Hold the workspace; a process that holds it already goes on at once."""
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
        yield
    finally:
        lock.release()


def _holder() -> str:
    try:
        found = read_json(HOLDER)
    except DataError:  # it has only just begun
        return "another run of this workspace"
    return f"{found['what']} (process {found['pid']}, since {found['since']})"
