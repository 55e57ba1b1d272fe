"""Seconds until a net has the validation error at which Darts' net of the same cell ends.

    .venv/bin/python bench/time_to_accuracy.py            about half an hour on two cores; needs bench/peers/darts/.venv

ETTh1 (oil temperature, the six loads as past covariates; 12 months of training, 4 of validation) and Beijing (PM2.5 of
eight stations, the weather as past covariates; three years, half a year), 96 hours → 24, standardised by the training
span, gaps filled from the hour before. Darts' BlockRNNModel, 64 units, its own defaults and the absolute error as loss,
takes ten epochs of ETTh1, two of Beijing, which has 24 times as many windows; the last one's validation error is the
mark. Ours has 64 units and the recipe of params.yaml. Both are timed from the first step on, compiling and validation
included, imports apart; in turns. Target: 5 times faster.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
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
DARTS = ROOT / "bench" / "peers" / "darts"
LOOKBACK, HORIZON, UNITS = 96, 24, 64
WEATHER = ["TEMP", "PRES", "DEWP", "RAIN", "WSPM"]


@dataclass(frozen=True)
class Problem:
    """Standardised measurements (stations, steps, columns), the target first; validation begins at a step."""

    name: str
    values: np.ndarray
    split: int
    epochs: int  # of Darts
    rounds: int


def main() -> None:
    python = DARTS / ".venv" / "bin" / "python"
    if not DATA.exists() or not python.exists():
        raise SystemExit(f"{DATA} and {DARTS}/.venv are needed: see bench/peers/README.md.")
    columns = ("data, cell", "mark: Darts' error", "Darts, s", "ours, s", "ours reaches it in", "times faster")
    table = Table(*columns, title="Time to accuracy (target: 5 times faster)")
    for problem in (etth1(), beijing()):
        for cell in ("lstm", "gru"):
            rounds = [(darts(problem, cell, python), ours(problem, cell)) for _ in range(problem.rounds)]
            table.add_row(f"{problem.name}, {cell}", *compared(rounds))
            print(*(list(column.cells)[-1] for column in table.columns), sep="  ", flush=True)
    page.show([table])


def compared(rounds: list[tuple[list[tuple[float, float]], list[tuple[float, float]]]]) -> list[str]:
    """Give the cells of a row from the learning curves of both: seconds and validation error after each epoch."""
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


def ours(problem: Problem, cell: str) -> list[tuple[float, float]]:
    """Train ours; give its learning curve."""
    stations, steps, columns = problem.values.shape
    names = tuple(f"S{number}" for number in range(stations)), tuple(f"x{number}" for number in range(columns))
    spec = WindowSpec(*names, ("x0",), "1h", LOOKBACK, HORIZON, 24)
    last = steps - LOOKBACK - HORIZON + 1
    train = starts(stations, 0, problem.split - LOOKBACK - HORIZON + 1)
    validation = starts(stations, problem.split - LOOKBACK, last)
    keras.utils.clear_session()
    curve, began = list[tuple[float, float]](), time.perf_counter()

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


def darts(problem: Problem, cell: str, python: Path) -> list[tuple[float, float]]:
    """Train Darts' in its environment; give its learning curve."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.npz"
        np.savez(path, values=problem.values, split=problem.split)
        words = [str(python), str(DARTS / "accuracy.py"), str(path), cell, str(problem.epochs)]
        env = {**os.environ, "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
        done = subprocess.run(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return [tuple(row) for row in json.loads(done.stdout.splitlines()[-1])]


def etth1() -> Problem:
    rows = pd.read_csv(DATA / "ett" / "ETTh1.csv")
    columns = ["OT", *(name for name in rows.columns if name not in ("date", "OT"))]
    months = 30 * 24
    return problem_of(
        "ETTh1", rows[columns].to_numpy(np.float32)[None, : 16 * months], 12 * months, epochs=10, rounds=2
    )


def beijing() -> Problem:
    stations = []
    for path in sorted((DATA / "beijing").glob("PRSA_Data_*.csv")):
        rows = pd.read_csv(path)[["PM2.5", *WEATHER]].ffill().bfill()
        stations.append(rows.to_numpy(np.float32))
    years = 365 * 24
    return problem_of("Beijing", np.stack(stations)[:, : 7 * years // 2], 3 * years, epochs=2, rounds=1)


def problem_of(name: str, values: np.ndarray, split: int, **runs: int) -> Problem:
    train = values[:, :split]
    return Problem(name, (values - train.mean((0, 1))) / train.std((0, 1)), split, **runs)


if __name__ == "__main__":
    sys.exit(main())
