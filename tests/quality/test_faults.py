"""The fault matrix: each fault, planted alone into clean data, is caught by its rule and by no other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from workspaces import ROOT, set_params

from tidegate.errors import GateClosed
from tidegate.measurements import frame as long_frame
from tidegate.quality import drift, suite
from tidegate.stages import validate
from tidegate.workspace import settings
from tidegate.workspace.columns import KEYS
from tidegate.workspace.progress import no_progress

HOURS = 31 * 24  # of March 2024, in which the clock was changed on the 31st at 01:00 UTC
ACCEPTED_HOURS = 16 * 24
STATIONS = ("A", "B", "C")
VARIABLES = {
    "low": {"unit": "°C", "min": -60, "max": 60, "spike": 15, "stuck_steps": 5, "revision": 0.5},
    "high": {"unit": "°C", "min": -60, "max": 60, "spike": 15, "stuck_steps": 5},
}
RULES = {
    "off_grid": {"severity": "quarantine", "tolerance": 0.02},
    "sentinel": {"severity": "quarantine", "tolerance": 0.02},
    "range": {"severity": "quarantine", "tolerance": 0.02},
    "relation": {"severity": "quarantine", "tolerance": 0.02},
    "stuck": {"severity": "quarantine", "tolerance": 0.02},
    "spike": {"severity": "quarantine", "tolerance": 0.02},
    "gap": {"severity": "fail", "steps": 24},
    "missing": {"severity": "fail", "tolerance": 0.1},
    "freshness": {"severity": "fail", "steps": 12},
    "unmeasured": {"severity": "warn"},
    "clock_change": {"severity": "warn"},
    "stations": {"severity": "warn"},
    "drift": {"severity": "warn", "psi": 1.0, "ks": 0.5, "values": 200},
    "revision": {"severity": "warn"},
}
CLOSING = {"gap", "missing", "freshness"}  # what closes the gate at these tolerances

Rng = np.random.Generator
Plant = Callable[[pd.DataFrame, Rng], pd.DataFrame]


def clean_rows() -> pd.DataFrame:
    """Make two temperatures of which one is always the higher; two decimals, so that none repeats for long."""
    times = pd.date_range("2024-03-01", periods=HOURS, freq="h", tz="UTC", unit="us")
    parts = []
    for place, name in enumerate(STATIONS):
        rng = np.random.default_rng(place)
        daily = 6 * np.sin(2 * np.pi * np.arange(HOURS) / 24)
        low = daily + rng.normal(0, 1, HOURS)
        high = low + 4 + np.abs(rng.normal(0, 1, HOURS))
        parts.append(pd.DataFrame({"station": name, "time": times, "low": low.round(2), "high": high.round(2)}))
    return pd.concat(parts, ignore_index=True)


def somewhere(rows: pd.DataFrame, rng: Rng, length: int = 1, before: int = HOURS) -> np.ndarray:
    """Draw so many rows of one station that follow each other, apart from the ends and from the change of the clock."""
    station, first = rng.integers(len(STATIONS)), rng.integers(20, min(before, HOURS - 60) - length)
    return np.arange(station * HOURS + first, station * HOURS + first + length)


def setting(column: str, length: int, value: Callable[[pd.Series], object]) -> Plant:
    def plant(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
        where = somewhere(rows, rng, length)
        rows.loc[where, column] = value(rows.loc[where, column])
        return rows

    return plant


def between_steps(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    extra = rows.loc[somewhere(rows, rng)]
    return pd.concat([rows, extra.assign(time=extra["time"] + pd.Timedelta("20min"))])


def crossed(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    where = somewhere(rows, rng)
    rows.loc[where, "high"] = rows.loc[where, "low"] - 0.1
    return rows


def hole(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    return rows.drop(index=somewhere(rows, rng, 30))


def scattered(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    station = rng.integers(len(STATIONS)) * HOURS
    rows.loc[station + rng.choice(HOURS, HOURS // 6, replace=False), "low"] = np.nan
    return rows


def silence(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    end, length = (rng.integers(len(STATIONS)) + 1) * HOURS, rng.integers(13, 20)
    return rows.drop(index=np.arange(end - length, end))


def never(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    rows.loc[rows["station"] == rng.choice(STATIONS), "high"] = np.nan
    return rows


def lost_hour(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    change = pd.Timestamp("2024-03-31 01:00", tz="UTC") - pd.Timedelta(hours=int(rng.integers(0, 2)))
    return rows[~((rows["station"] == rng.choice(STATIONS)) & (rows["time"] == change))]


def stranger_or_vanished(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    station = rng.choice(STATIONS)
    if rng.random() < 0.5:
        return rows[rows["station"] != station]
    return pd.concat([rows, rows[rows["station"] == station].assign(station="D")])


def drifted(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    station = rng.integers(len(STATIONS)) * HOURS
    new = np.arange(station + ACCEPTED_HOURS + int(rng.integers(0, 72)), station + HOURS)
    rows.loc[new, "high"] += rng.uniform(15, 30)
    return rows


def revised(rows: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    (where,) = somewhere(rows, rng)
    moment = rows.loc[where, "time"] + pd.Timedelta("2D")
    new = rows.loc[[where]].assign(arrived=moment)
    old = new.assign(low=new["low"] - rng.uniform(1, 3), replaced=moment)
    versions = pd.concat([old, new.assign(replaced=pd.Series(pd.NaT, new.index, dtype="datetime64[us, UTC]"))])
    long_frame.write_frame(Path("data/revisions/2024-03.parquet"), versions)
    return rows


FAULTS: dict[str, Plant] = {
    "off_grid": between_steps,
    "sentinel": setting("low", 1, lambda _: -999),
    "range": setting("high", 1, lambda _: 61.0),
    "relation": crossed,
    "stuck": setting("high", 8, lambda values: values.max() + 1),
    "spike": setting("high", 1, lambda values: values + 30),
    "gap": hole,
    "missing": scattered,
    "freshness": silence,
    "unmeasured": never,
    "clock_change": lost_hour,
    "stations": stranger_or_vanished,
    "drift": drifted,
    "revision": revised,
}


def found_in(rows: pd.DataFrame) -> tuple[set[str], bool]:
    """Validate rows; give the rules that found something, and whether the gate closed."""
    long_frame.write_frame(Path("data/measurements/2024-03.parquet"), rows.sort_values(KEYS, ignore_index=True))
    closed = False
    try:
        validate.run(settings.load_settings(), no_progress)
    except GateClosed:
        closed = True
    return set(pd.read_csv("artifacts/findings.csv")["rule"]), closed


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose first sixteen days have been accepted before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    set_params(
        tmp_path,
        {
            "dataset.variables": VARIABLES,
            "dataset.time_zone": "Europe/Berlin",
            "dataset.relations": ["low <= high"],
            "dataset.targets": ["low"],
            "dataset.covariates": [],
            "validate.rules": RULES,
        },
    )
    rows = clean_rows()
    early = rows[rows["time"] < rows["time"].min() + pd.Timedelta(hours=ACCEPTED_HOURS)]
    profiles = [drift.profile(early["station"], early["time"], early[name]).assign(variable=name) for name in VARIABLES]
    long_frame.write_frame(Path("data/accepted.parquet"), pd.concat(profiles).astype({"variable": "str"}))
    return tmp_path


def test_clean_data_raise_none(place: Path) -> None:
    assert found_in(clean_rows()) == (set(), False)


def test_each_rule_has_a_fault() -> None:
    assert set(FAULTS) == set(suite.Rules.model_fields)


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 10), marks=pytest.mark.long)])
@pytest.mark.parametrize("rule", FAULTS)
def test_a_fault_is_caught_by_its_rule_and_by_no_other_wherever_it_is(place: Path, rule: str, seeds: range) -> None:
    for seed in seeds:
        rng = np.random.default_rng([seed, list(FAULTS).index(rule)])
        rows = FAULTS[rule](clean_rows(), rng)
        assert found_in(rows) == ({rule}, rule in CLOSING), f"seed {seed}"
