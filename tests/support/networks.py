"""A small network whose regime changes at a known date, as CSV files."""

from pathlib import Path

import numpy as np
import pandas as pd
from workspaces import set_params

from tidegate.evaluation.comparison import Array

STATIONS = ("north", "south", "west")
AHEAD = 6  # steps by which the wind comes before the level


def write_network(folder: Path, days: int, change: pd.Timestamp, late_until: pd.Timestamp | None = None) -> None:
    """Let a workspace read a network, from 2024 on: levels that follow the wind, and from a date on go against it.

    The level has a daily cycle, which repeating yesterday knows; the sensor in the west drifts slowly. Up to
    `late_until`, a row in fifty arrives five hours after it was measured.
    """
    rng = np.random.default_rng(7)
    times = pd.date_range("2024-01-01", periods=24 * days, freq="h", tz="UTC")
    parts = []
    for number, station in enumerate(STATIONS):
        wind = _autoregression(rng, len(times) + AHEAD, 0.95)
        sign = np.where(times < change, 1.0, -1.0)
        cycle = 4 * np.sin(2 * np.pi * (times.hour.to_numpy() - number) / 24)
        level = 20 + cycle + 3 * sign * wind[:-AHEAD] + _autoregression(rng, len(times), 0.5)
        level += 0.01 * np.arange(len(times)) / 24 * (station == "west")
        late = (rng.random(len(times)) < 0.02) & (late_until is not None and times < late_until)
        arrived = times + pd.to_timedelta(5 * late, unit="h")
        columns = {"time": times, "arrived": arrived, "level": level.round(3), "wind": wind[AHEAD:].round(3)}
        parts.append(pd.DataFrame({"station": station, **columns}))
    (folder / "in").mkdir()
    pd.concat(parts).to_csv(folder / "in" / "network.csv", index=False)
    options = {"paths": "in/*.csv", "station": "station", "time": "time", "arrived": "arrived"}
    set_params(
        folder,
        {
            "dataset.source": "files",
            "dataset.options": options,
            "dataset.variables": {"level": {"unit": "m"}, "wind": {"unit": "m/s"}},
            "dataset.targets": ["level"],
            "dataset.covariates": ["wind"],
        },
    )


def _autoregression(rng: np.random.Generator, steps: int, memory: float) -> Array:
    """Give a stationary series of unit variance whose neighbours correlate by `memory`."""
    shocks, values = rng.standard_normal(steps), np.empty(steps)
    values[0] = shocks[0]
    for step in range(1, steps):
        values[step] = memory * values[step - 1] + np.sqrt(1 - memory**2) * shocks[step]
    return values
