"""Latency and throughput of `tidegate serve` on loopback, while the champion changes every other second.

    .venv/bin/python bench/serving.py                         about 4 minutes on two cores; prints a table
    .venv/bin/python bench/serving.py --workspace ../mine     with the champion of a workspace, which stays as it is

Each client keeps a connection and asks again and again for one station's forecast, from two lookbacks of rows in JSON.
The registry gets the champion's version a second time, and its alias goes to and fro between the two, so that the
service loads a version every two seconds. `ratio` is the median at one client to that of `Forecaster.forecast` on the
same rows in this process, measured before and after. Target: no failed request.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import page
import pandas as pd
from rich.table import Table

from tidegate.forecasting.forecaster import Forecaster
from tidegate.tracking import registry
from tidegate.tracking.store import open_client

ROOT = Path(__file__).parent.parent
CLIENTS = (1, 8, 64)
CHANGE_SECONDS = 2
CALLS = 100  # of the forecaster in this process, before and after


@dataclass
class Asked:
    """What the clients of one level got."""

    elapsed: float = 0.0  # seconds until the last had its answer
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--workspace", type=Path, help="a workspace with a champion, which is copied")
    options.add_argument("--seconds", type=float, default=20, help="of each number of clients")
    given = options.parse_args()
    workspace = given.workspace and given.workspace.absolute()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "workspace"
        if workspace:
            shutil.copytree(workspace, copy, symlinks=True, ignore=shutil.ignore_patterns("logs"))
        else:
            subprocess.run(["git", "clone", "-q", ROOT, copy], check=True)
            subprocess.run([sys.executable, "-m", "tidegate", "run"], cwd=copy, check=True, stdout=subprocess.DEVNULL)
        os.chdir(copy)
        measure(given.seconds)


def measure(seconds: float) -> None:
    champion = registry.champion("tidegate")
    assert champion is not None
    forecaster = Forecaster.load(*registry.version_files(champion))
    rows = rows_of_one_station(forecaster)
    second = open_client().create_model_version("tidegate", champion.source, champion.run_id, tags=champion.tags)
    body = json.dumps(json.loads(rows.to_json(orient="records", date_format="iso")))
    plain = timed_calls(forecaster, rows)
    with serving() as port, changing([str(second.version), str(champion.version)]):
        ask_for(port, body, Asked(), time.monotonic() + 2)  # both warm
        results = {clients: level(port, body, clients, seconds) for clients in CLIENTS}
    plain = statistics.median(plain + timed_calls(forecaster, rows))
    candidate = champion.tags["tidegate.candidate"]
    table = Table(
        "clients", "requests", "failed", "p50, ms", "p95, ms", "p99, ms", "requests/s", "versions", "ratio",
        title=f"tidegate serve, {candidate}; Forecaster.forecast itself: {1000 * plain:.1f} ms",
    )  # fmt: skip
    for clients, asked in results.items():
        p50, p95, p99 = np.percentile(asked.seconds, [50, 95, 99])
        figures = [f"{1000 * value:.1f}" for value in (p50, p95, p99)]
        ratio = f"{p50 / plain:.2f}" if clients == 1 else ""
        rate, versions = f"{len(asked.seconds) / asked.elapsed:.1f}", " ".join(sorted(asked.versions))
        table.add_row(str(clients), f"{len(asked.seconds):,}", str(len(asked.failed)), *figures, rate, versions, ratio)
    page.show([table])
    for clients, asked in results.items():
        if asked.failed:
            raise SystemExit(f"{clients} clients: {len(asked.failed)} requests failed; the first: {asked.failed[0]}")


def rows_of_one_station(forecaster: Forecaster) -> pd.DataFrame:
    """Give the newest two lookbacks of a station."""
    spec = forecaster.spec
    rows = pd.read_parquet("artifacts/clean.parquet", columns=["station", "time", *spec.features])
    return rows[rows["station"] == spec.stations[0]].sort_values("time").tail(2 * spec.lookback_steps)


def timed_calls(forecaster: Forecaster, rows: pd.DataFrame) -> list[float]:
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        forecaster.forecast(rows)
        seconds.append(time.perf_counter() - began)
    return seconds


@contextmanager
def serving() -> Iterator[int]:
    words = ["-m", "tidegate", "serve", "--port", "0", "--poll-seconds", "1"]
    code = {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}  # this one, whatever a copied workspace holds
    process = subprocess.Popen([sys.executable, *words], env=os.environ | code, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline().split(":")[2])
    finally:
        process.terminate()
        process.wait()


@contextmanager
def changing(versions: list[str]) -> Iterator[None]:
    """Move the champion's alias from version to version within the block."""
    client, ended = open_client(), threading.Event()

    def change() -> None:
        turn = 0
        while not ended.wait(CHANGE_SECONDS):
            client.set_registered_model_alias("tidegate", registry.CHAMPION, versions[turn % len(versions)])
            turn += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def level(port: int, body: str, clients: int, seconds: float) -> Asked:
    """Let so many clients ask for so long."""
    asked, began = Asked(), time.monotonic()
    until = began + seconds
    threads = [threading.Thread(target=ask_for, args=(port, body, asked, until)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked.elapsed = time.monotonic() - began
    return asked


def ask_for(port: int, body: str, asked: Asked, until: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while time.monotonic() < until:
        began = time.perf_counter()
        try:
            connection.request("POST", "/forecast", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        except OSError as error:
            asked.failed.append(repr(error))
            connection.close()
            continue
        asked.seconds.append(time.perf_counter() - began)
        if answer.status == 200:
            asked.versions.add(answer.headers["Tidegate-Version"])
        else:
            asked.failed.append(f"{answer.status} {content!r}")
    connection.close()


if __name__ == "__main__":
    main()
