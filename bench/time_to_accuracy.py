"""Seconds until a net has the validation error at which Darts' or NeuralForecast's net of the same cell ends.

    .venv/bin/python bench/time_to_accuracy.py            about half an hour on two cores

ETTh1 (oil temperature, the six loads as past covariates; 12 months of training, 4 of validation) and Beijing (PM2.5 of
eight stations, the weather as past covariates; three years, half a year), 96 hours → 24, standardised by the training
span, gaps filled from the hour before. A peer's net has 64 units, its library's own defaults and the absolute error as
loss; Darts' BlockRNNModel takes ten epochs of ETTh1, two of Beijing, which has 24 times as many windows;
NeuralForecast's takes the thousand steps that are its default, on ETTh1 alone, for it makes every window of its
stations anew in each step. The validation error at which it ends is the mark. Ours has 64 units and the recipe of
params.yaml. All are timed from the first step on, compiling and validation included, imports apart; in turns.
Target: 5 times faster. Needs both peers: see bench/peers/README.md.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras  # here, so that its import is not timed
import numpy as np
import page
import pandas as pd
from rich.table import Table

from models import recurrent
from models.interface import Training
from tidegate.windows.panel import Panel
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.settings import load_settings

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
PEERS = ROOT / "bench" / "peers"
LOOKBACK, HORIZON, UNITS = 96, 24, 64
Curve = list[tuple[float, float]]  # seconds and validation error, after each epoch
WEATHER = ["TEMP", "PRES", "DEWP", "RAIN", "WSPM"]


@dataclass(frozen=True)
class Problem:
    """Standardised measurements (stations, steps, columns), the target first; validation begins at a step."""

    name: str
    values: np.ndarray
    split: int
    lengths: dict[str, int]  # of each peer's training, as it counts
    rounds: int


def main() -> None:
    problems = [etth1(), beijing()] if DATA.exists() else []
    missing = {name for problem in problems for name in problem.lengths if not python_of(name).exists()}
    if missing or not problems:
        raise SystemExit(f"{DATA} and the peers' environments are needed: see bench/peers/README.md.")
    columns = ("data, cell", "peer", "its error", "in, s", "ours, s", "ours reaches it in", "times faster")
    table = Table(*columns, title="Time to accuracy (target: 5 times faster)")
    for problem in problems:
        for cell in ("lstm", "gru"):
            for row in rows_of(problem, cell):
                table.add_row(*row)
                print(*row, sep="  ", flush=True)
    page.show([table])


def rows_of(problem: Problem, cell: str) -> Iterator[list[str]]:
    """Train in turns; give the cells of a row for each peer."""
    theirs, own = dict[str, list[Curve]](), list[Curve]()
    for _ in range(problem.rounds):
        for name in problem.lengths:
            theirs.setdefault(name, []).append(peers(name, problem, cell))
        own.append(ours(problem, cell))
    for name, curves in theirs.items():
        yield [f"{problem.name}, {cell}", name, *compared(list(zip(curves, own, strict=True)))]


def compared(rounds: list[tuple[Curve, Curve]]) -> list[str]:
    """Give the cells of a row from the learning curves of both, the peer's first."""
    marks = [theirs[-1][1] for theirs, _ in rounds]
    seconds = statistics.median(theirs[-1][0] for theirs, _ in rounds)
    reached = []
    for (_, curve), mark in zip(rounds, marks, strict=True):
        reached += [next(((time, number + 1) for number, (time, error) in enumerate(curve) if error <= mark), None)]
    first = [f"{statistics.median(marks):.4f}", f"{seconds:.0f}"]
    if not all(reached):
        best = min(error for _, curve in rounds for _, error in curve)
        return [*first, "–", f"not reached: {best:.4f}", "–"]
    ours = statistics.median(time for time, _ in filter(None, reached))
    epochs = " and ".join(sorted({str(number) for _, number in filter(None, reached)}))
    return [*first, f"{ours:.1f}", f"epoch {epochs}", f"{seconds / ours:.1f}"]


def ours(problem: Problem, cell: str) -> Curve:
    """Train ours; give its learning curve."""
    stations, steps, columns = problem.values.shape
    names = tuple(f"S{number}" for number in range(stations)), tuple(f"x{number}" for number in range(columns))
    spec = WindowSpec(*names, ("x0",), "1h", LOOKBACK, HORIZON, 24)
    last = steps - LOOKBACK - HORIZON + 1
    train = starts(stations, 0, problem.split - LOOKBACK - HORIZON + 1)
    validation = starts(stations, problem.split - LOOKBACK, last)
    keras.utils.clear_session()
    curve, began = Curve(), time.perf_counter()

    def progress(done: float, total: float, note: str = "", loss: float | None = None) -> None:
        if loss is not None:
            curve.append((time.perf_counter() - began, loss))

    panel = Panel.create(problem.values, np.ones(problem.values.shape, bool), spec)
    family = recurrent.Family(recurrent.Options(cell=cell, units=UNITS), spec)
    family.fit(Training(panel, train, validation, load_settings(ROOT / "params.yaml").train), progress)
    return curve


def starts(stations: int, first: int, end: int) -> np.ndarray:
    """Name the windows of all stations that begin from `first` to before `end`: (windows, 2)."""
    grid = np.meshgrid(np.arange(stations), np.arange(first, end), indexing="ij")
    return np.stack([part.ravel() for part in grid], axis=1).astype(np.int32)


def python_of(peer: str) -> Path:
    return PEERS / peer / ".venv" / "bin" / "python"


def peers(name: str, problem: Problem, cell: str) -> Curve:
    """Train a peer's net in its environment; give its learning curve."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.npz"
        np.savez(path, values=problem.values, split=problem.split)
        words = [str(python_of(name)), str(PEERS / name / "accuracy.py"), str(path), cell, str(problem.lengths[name])]
        env = {**os.environ, "PYTHONPATH": str(PEERS), "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
        done = subprocess.run(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return [tuple(row) for row in json.loads(done.stdout.splitlines()[-1])]


def etth1() -> Problem:
    rows = pd.read_csv(DATA / "ett" / "ETTh1.csv")
    columns = ["OT", *(name for name in rows.columns if name not in ("date", "OT"))]
    months = 30 * 24
    values, lengths = rows[columns].to_numpy(np.float32)[None, : 16 * months], {"darts": 10, "neuralforecast": 1000}
    return problem_of("ETTh1", values, 12 * months, lengths, rounds=2)


def beijing() -> Problem:
    stations = []
    for path in sorted((DATA / "beijing").glob("PRSA_Data_*.csv")):
        rows = pd.read_csv(path)[["PM2.5", *WEATHER]].ffill().bfill()
        stations.append(rows.to_numpy(np.float32))
    years = 365 * 24
    return problem_of("Beijing", np.stack(stations)[:, : 7 * years // 2], 3 * years, {"darts": 2}, rounds=1)


def problem_of(name: str, values: np.ndarray, split: int, lengths: dict[str, int], rounds: int) -> Problem:
    train = values[:, :split]
    return Problem(name, (values - train.mean((0, 1))) / train.std((0, 1)), split, lengths, rounds)


if __name__ == "__main__":
    sys.exit(main())
