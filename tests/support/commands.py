"""Commands of `tidegate` in this process, and those that must be refused."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from workspaces import ENVIRONMENT, require_success, set_params

import models  # noqa: F401  sets what Keras reads of the environment, once for all commands
from tidegate.cli import app, servers
from tidegate.pipeline.console import terminal
from tidegate.tracking import store

HEADER = "station,time,x\n"
TRACKING = "MLFLOW_TRACKING_URI"  # set by MLflow too, to the store of the last workspace


def invoke(workspace: Path, *words: str, check: bool = True, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run `tidegate` with these words in a workspace, in this process: all but the start is that of a process.

    What needs a Prefect server (Prefect reads its address once a process), ends the process or is killed must be a
    process: `workspaces.run_in` starts one.
    """
    before = Path.cwd()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with _streams(out.fileno(), err.fileno()), _environment(env):
            os.chdir(workspace)
            try:
                with patch.object(servers, "prefect_server", _no_server):
                    app(args=list(words), prog_name="tidegate")
            except SystemExit as end:
                code = end.code
            finally:
                os.chdir(before)
        out.seek(0)
        err.seek(0)
        assert code is None or isinstance(code, int), code
        done = subprocess.CompletedProcess(["tidegate", *words], code or 0, out.read(), err.read())
    if check:
        require_success(workspace, done)
    return done


def _no_server(_: int) -> None:
    raise AssertionError("this command needs a Prefect server: run_in starts a process for it")


@contextmanager
def _streams(out: int, err: int) -> Iterator[None]:
    """Have the file descriptors 1 and 2, and Python's streams over them, lead elsewhere."""
    kept = os.dup(1), os.dup(2)
    seen = sys.stdout, sys.stderr, terminal.out, terminal.err
    for stream in seen[:2]:
        stream.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    type(terminal).__init__(terminal)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)
        sys.stdout, sys.stderr, terminal.out, terminal.err = seen


@contextmanager
def _environment(env: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment; the tracking store is the one that they name, or the workspace's own."""
    with patch.dict(os.environ, env):
        remote = {**ENVIRONMENT, **env}.get(TRACKING)
        os.environ.pop(TRACKING, None)
        if remote:
            os.environ[TRACKING] = remote
        with patch.object(store, "REMOTE", remote):
            yield


def hours(count: int, station: str = "A") -> str:
    """Write so many hours of one station as CSV."""
    days = [f"2024-{1 + day // 28:02d}-{1 + day % 28:02d}" for day in range(count // 24 + 1)]
    times = [f"{day} {hour:02d}:00" for day in days for hour in range(24)][:count]
    return "".join(f"{station},{time},{5 + number % 24 + number % 7}\n" for number, time in enumerate(times))


def own_files(workspace: Path, content: str | bytes | None) -> None:
    """Point a workspace at a file of ours."""
    (workspace / "in").mkdir(exist_ok=True)
    if content is not None:
        (workspace / "in" / "a.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    set_params(
        workspace,
        {
            "dataset.source": "files",
            "dataset.options": {"paths": "in/*.csv", "station": "station", "time": "time"},
            "dataset.variables": {"x": {"unit": "m"}},
            "dataset.targets": ["x"],
            "dataset.covariates": [],
        },
    )


def refused(workspace: Path, *words: str, code: int = 2, **env: str) -> str:
    """Run a command that must be refused in one sentence; give it."""
    done = invoke(workspace, *words, check=False, **env)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == (1 if code == 2 else 2)
    return done.stderr.strip()


def refused_stage(workspace: Path, stage: str, *before: str) -> str:
    """Run a stage that must be refused, after others; give the sentence."""
    for verb in before:
        invoke(workspace, verb)
    return refused(workspace, stage)
