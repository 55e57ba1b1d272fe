"""Replay a span of the past: what would the pipeline have forecast, and who would have been champion?

A replay has a workspace of its own in replays/, a clone of this one with its changes, settings and data, and an MLflow
store of its own: nothing outside it is read after it has begun, or changed. In it the pipeline goes through the span
day by day (replay_days.py). A replay that was interrupted continues where it stopped.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tidegate.errors import DataError, UserError
from tidegate.measurements import months
from tidegate.pipeline.console import terminal
from tidegate.workspace import identity
from tidegate.workspace.params import digest, typed_time
from tidegate.workspace.paths import DATA, REPLAYS, SERIES, read_json, remove, write_json

DAY = pd.Timedelta(days=1)
EVERY = re.compile(r"([1-9]\d{0,3})\s*([dw])")
PLAN = Path("replay.json")  # within a replay's workspace
PERIODS, EVENTS, FIGURE = Path("replay.csv"), Path("events.csv"), Path("replay.png")  # what comes of it
CODE = ("params.yaml", "dvc.yaml", "tidegate", "models", "flows")
# A replay tells nobody, writes into no database, and has its own store.
NOT_INHERITED = ("MLFLOW_", "DVC_", "PREFECT_", "TIDEGATE_")


@dataclass(frozen=True)
class Plan:
    """The span of a replay, in days, and how often is trained in it."""

    first: str
    last: str
    every: int

    @property
    def days(self) -> pd.DatetimeIndex:
        """The beginnings of its days (UTC): at the first is trained, and from then on forecast."""
        return pd.date_range(self.first, self.last, freq="D", tz="UTC")

    def trains_at(self, day: pd.Timestamp) -> bool:
        """Say whether the schedule asks for a training at the beginning of a day."""
        return (day - self.days[0]) // DAY % self.every == 0

    @property
    def folder(self) -> Path:
        """The workspace of the replay."""
        return REPLAYS / f"{self.first}--{self.last}--{self.every}d"


def plan_of(first: str, last: str | None, every: str) -> Plan:
    """Make a plan of what a user has typed.

    Raises:
        UserError: a time or an interval cannot be read, or data/ does not reach so far.
        DataError: data/ holds no rows.
    """
    matched = EVERY.fullmatch(every.strip().lower())
    if matched is None:
        raise UserError(f"--every is {every!r}: give days or weeks, such as 7d or 1w.")
    days = int(matched[1]) * (7 if matched[2] == "w" else 1)
    newest = months.newest_time()
    if newest is None:
        raise DataError("data/ holds no rows: run tidegate ingest first.")
    begin, end = typed_time(first).floor("D"), (typed_time(last) if last else newest).floor("D")
    if end <= begin:
        raise UserError(f"A replay from {begin:%Y-%m-%d} to {end:%Y-%m-%d} has no day: give a later --to.")
    if end > newest:
        raise UserError(f"data/ ends at {newest:%Y-%m-%d %H:%M} UTC: give a --to up to that, or ingest newer rows.")
    return Plan(f"{begin:%Y-%m-%d}", f"{end:%Y-%m-%d}", days)


def prepare(plan: Plan, anew: bool) -> bool:
    """Make the workspace of a replay, unless it is there; say whether it was.

    Raises:
        UserError: it was begun from other code, settings or data; or this is no git repository.
    """
    basis = _basis()
    if plan.folder.exists() and not anew:
        begun = read_json(plan.folder / PLAN) if (plan.folder / PLAN).exists() else {}
        if begun.get("basis") == basis:
            return True
        if begun:
            raise UserError(
                f"{plan.folder}/ was begun with other code, settings or data than are here now: tidegate replay "
                "--anew begins it again."
            )
    remove(plan.folder)
    _clone(plan.folder)
    _link_data(plan.folder)
    write_json(plan.folder / PLAN, {**asdict(plan), "basis": basis})  # the last: without it, it is made again
    return False


def read_plan() -> Plan:
    """Read the plan of the replay whose workspace this is.

    Raises:
        UserError: this is none.
    """
    if not PLAN.exists():
        raise UserError(f"{PLAN} is not here: tidegate replay makes the workspace of a replay, and starts this in it.")
    content = read_json(PLAN)
    return Plan(content["first"], content["last"], content["every"])


def result(plan: Plan) -> dict[str, Any]:
    """Give what has come of a replay that is done: its folder and figure, its periods, and what was trained in it."""
    periods, events = (pd.read_csv(plan.folder / name) for name in (PERIODS, EVENTS))
    return {"folder": plan.folder, "figure": plan.folder / FIGURE, "periods": periods, "trainings": events}


def run_days(plan: Plan) -> int:
    """Run the days of a replay in its workspace, by the code that lies there; give the exit code."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tidegate", "replay-days", *(["--quiet"] if terminal.errors_alone else [])],
        cwd=plan.folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True,
        stdout=terminal.out.file.fileno(), stderr=terminal.err.file.fileno(),
    )  # fmt: skip
    try:
        return process.wait()
    except KeyboardInterrupt:  # Ctrl-C reaches this process alone; the other says that it was stopped
        process.terminate()
        return process.wait()


def _basis() -> str:
    """Give a digest of what a replay is made from: code, settings and data."""
    code = [Path(name) for name in _files() if name.split("/")[0] in CODE]
    return digest(identity.made_from(DATA, *code))


def _files() -> list[str]:
    """List the files of this workspace that git tracks or would track.

    Raises:
        UserError: it is no git repository with a commit.
    """
    listed = identity.repository_files()
    if listed is None:
        raise UserError("A replay works in a clone of this workspace: make it a git repository first (git init, git "
                        "add, git commit).")  # fmt: skip
    return listed


def _clone(folder: Path) -> None:
    """Clone this repository, with what is not committed yet."""
    folder.parent.mkdir(exist_ok=True)
    done = subprocess.run(
        ["git", "clone", "-q", str(Path.cwd()), str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DataError(f"git clone failed: {' '.join(done.stderr.split())}.")
    listed = set(_files())
    for name in listed:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(name, folder / name)
    for path in folder.rglob("*"):  # what the commit has and the working tree has not
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(".git/") and name not in listed:
            path.unlink()


def _link_data(folder: Path) -> None:
    """Give the replay the rows of data/: all that were ever received, but not what was found in them later."""
    for path in [*DATA.rglob("*/*.parquet"), DATA / SERIES]:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)  # a month that changes is a new file: none is written to
        except OSError:  # on another disk
            shutil.copyfile(path, target)
