"""What a forecast costs beside the net: frames in and out of a loaded model, and the start of `tidegate forecast`.

    .venv/bin/python bench/forecasting.py               about 5 minutes on two cores; prints three tables
    .venv/bin/python bench/forecasting.py --rounds 3 --calls 100

The champion is the linear model, which takes a tenth of a millisecond: what is seen is the cost of all around it.

1. A loaded forecaster, 72 steps of 4 variables → 24 steps: one station and up to 10,000 in one call, by timestamps and,
   as the registered model, through MLflow's pyfunc. Targets: one station p50 5 ms and p99 20 ms, pyfunc 8 ms.
2. Memory after 10,000 calls beside that after 1,000. Target: the same.
3. `tidegate forecast` in a process of its own, with nothing new and with one new origin, against imports that it
   cannot do without, in turns. Targets: 1.3 × `import mlflow, pandas, pyarrow` and 3 × `import pandas, pyarrow`.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import page
import pandas as pd
import psutil
from drawing import Drawing
from rich.table import Table
from ruamel.yaml import YAML

from tidegate.forecasting.forecaster import Forecaster
from tidegate.windows.arrival import ArrivalRules
from tidegate.windows.scaler import Scaler

ROOT = Path(__file__).parent.parent
CALLS = 10_000  # after which memory is measured
STATIONS = (10, 100, 1000, 10_000)  # at each of which the latency of a call is measured, besides one and six


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=7, help="of the starts")
    options.add_argument("--calls", type=int, default=1000, help="of a loaded forecaster, of each kind")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = trained_workspace(Path(folder) / "workspace")
        os.chdir(workspace)
        page.show([starts(given.rounds), *loaded(given.calls)])


def trained_workspace(workspace: Path) -> Path:
    """Clone the last commit, with two candidates that need no training worth the name, and run it."""
    subprocess.run(["git", "clone", "-q", ROOT, workspace], check=True)
    yaml, path = YAML(), workspace / "params.yaml"
    params = yaml.load(path)
    params["models"] = {name: params["models"][name] for name in ("seasonal_naive", "linear")}
    yaml.dump(params, path)
    run(workspace, "-m", "tidegate", "run")
    return workspace


def starts(rounds: int) -> Table:
    commands = {
        "import pandas, pyarrow": ("-c", "import pandas, pyarrow"),
        "import mlflow, pandas, pyarrow": ("-c", "import mlflow, pandas, pyarrow"),
        "tidegate forecast, nothing new": ("-m", "tidegate", "forecast"),
        "tidegate forecast, one new origin": ("-m", "tidegate", "forecast"),
    }
    run(Path.cwd(), *commands["tidegate forecast, nothing new"])
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    wall: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, words in commands.items():
            if name.endswith("one new origin"):
                shutil.rmtree("forecasts")
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            run(Path.cwd(), *words)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            wall[name].append(time.perf_counter() - began)
    table = Table("process", "CPU s", "of each round", "wall s", "× pandas", "× mlflow", title="A start")
    pandas, mlflow = (np.median(cpu[name]) for name in list(commands)[:2])
    for name in commands:
        middle = np.median(cpu[name])
        spread = f"{min(cpu[name]):.2f} – {max(cpu[name]):.2f}"
        ratios = f"{middle / pandas:.2f}", f"{middle / mlflow:.2f}"
        table.add_row(name, f"{middle:.2f}", spread, f"{np.median(wall[name]):.2f}", *ratios)
    return table


def loaded(calls: int) -> tuple[Table, Drawing, str]:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{Path('mlflow/mlflow.db').absolute()}")
    began = time.perf_counter()
    forecaster = Forecaster.load(Path("artifacts/models/linear"), Path("artifacts/windows/spec.json"))
    seconds = time.perf_counter() - began
    served = mlflow.pyfunc.load_model("models:/tidegate@champion")
    clean = pd.read_parquet("artifacts/clean.parquet")
    span = 2 * forecaster.spec.lookback_steps * pd.Timedelta(forecaster.spec.frequency)
    six = clean[clean["time"] > clean["time"].max() - span].reset_index(drop=True)
    one = six[six["station"] == six["station"].iloc[0]].reset_index(drop=True)
    text = one.assign(time=one["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    kinds: dict[str, tuple[Callable[[], object], int]] = {
        "one station": (lambda: forecaster.forecast(one), calls),
        "six stations": (lambda: forecaster.forecast(six), calls),
        "one station, pyfunc": (lambda: served.predict(one), calls),
        "one station, pyfunc, times as text": (lambda: served.predict(text), calls),
    }
    for stations in STATIONS:
        many, rows = for_many_stations(forecaster, one, stations)
        kinds[f"{stations:,} stations"] = partial(many.forecast, rows), max(5, calls // stations)
    title = f"Loaded (in {1000 * seconds:.0f} ms)"
    latency = dict[str, float]()
    table = Table("forecast", "p50, ms", "p95, ms", "p99, ms", "CPU: least, ms", "p50, ms", title=title)
    for name, (call, number) in kinds.items():
        wall, cpu = 1000 * np.array([timed(call) for _ in range(number + 2)][2:]).T
        figures = *np.percentile(wall, [50, 95, 99]), cpu.min(), np.median(cpu)
        table.add_row(name, *(f"{value:,.2f}" for value in figures))
        latency[name] = float(figures[0])
    memory = dict[int, float]()
    for number in range(1, CALLS + 1):
        forecaster.forecast(one)
        if number in (CALLS // 10, CALLS):
            memory[number] = psutil.Process().memory_info().rss / 1e6
    drawn = [(1, latency["one station"]), *((number, latency[f"{number:,} stations"]) for number in STATIONS)]
    says = "Milliseconds of a call against the stations in it"
    drawing = Drawing(
        "speed-forecast", says, "stations in a call", "ms a call", {"a linear champion": {"Forecaster": drawn}}
    )
    return table, drawing, "; ".join(f"{rss:.1f} MB after {number:,} calls" for number, rss in memory.items()) + "."


def for_many_stations(forecaster: Forecaster, one: pd.DataFrame, stations: int) -> tuple[Forecaster, pd.DataFrame]:
    """Make a forecaster of many stations like the first one, and their rows."""
    names = tuple(f"N{number:05d}" for number in range(stations))
    model = Forecaster.load(Path("artifacts/models/linear"), Path("artifacts/windows/spec.json")).model
    spec = replace(forecaster.spec, stations=names)
    model.spec = model.model.spec = spec
    mean, deviation, spike = (
        np.repeat(part[:1], stations, axis=0)
        for part in (forecaster.scaler.mean, forecaster.scaler.deviation, forecaster.rules.spike)
    )
    rules = ArrivalRules(forecaster.rules.stuck_steps, forecaster.rules.floor, forecaster.rules.relations, spike)
    rows = pd.concat([one] * stations, ignore_index=True)
    return Forecaster(model, spec, Scaler(mean, deviation), None, {}, rules), rows.assign(
        station=np.repeat(np.array(names, object), len(one))
    )


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Call; give the seconds, and those of this thread on a processor, which others at work do not lengthen as much."""
    began, before = time.perf_counter(), time.thread_time()
    call()
    return time.perf_counter() - began, time.thread_time() - before


def run(workspace: Path, *words: str) -> None:
    done = subprocess.run([sys.executable, *words], cwd=workspace, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{words} failed:\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
