"""Whatever is given, a forecast holds its interval, is marked as a baseline, or is refused in one sentence.

Damage is drawn at random, of values of three sizes, and put to what issues forecasts and to the registered model; its
server is held to the same answers in test_served.py.
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workspaces import ROOT, TINY, built_once, set_params

import models
from models.interface import Training
from tidegate.forecasting.fallback import Fallback
from tidegate.forecasting.forecaster import Forecaster
from tidegate.forecasting.served import BadRequest, Served
from tidegate.measurements import frame as long_frame
from tidegate.stages import validate, window
from tidegate.windows.store import SPEC, read_windows
from tidegate.workspace.columns import KEYS
from tidegate.workspace.paths import WINDOWS
from tidegate.workspace.progress import no_progress
from tidegate.workspace.settings import load_settings

pytestmark = pytest.mark.slow

HOUR = pd.Timedelta("1h")
LOOKBACK, HORIZON, STEPS = 24, 6, 400 * 24
STATIONS = ("7", "B", "C")
TIMES = pd.date_range("2023-01-01", periods=STEPS, freq="h", tz="UTC", unit="us")
SCALES = (1e-9, 1.0, 1e9)
TEST_PART = int(0.82 * STEPS)


def measurements(scale: float) -> pd.DataFrame:
    """A level with a daily season, a plan that moves it and is known ahead, and a covariate that goes with it."""
    parts = []
    for place, name in enumerate(STATIONS):
        rng = np.random.default_rng(place)
        noise = np.zeros(STEPS)
        for step in range(1, STEPS):
            noise[step] = 0.8 * noise[step - 1] + rng.normal()
        plan = rng.integers(0, 3, STEPS // 6).repeat(6).astype(float)
        level = 20 + 5 * np.sin(2 * np.pi * np.arange(STEPS) / 24) + noise + 2 * plan
        flow = 3 * level + rng.normal(0, 2, STEPS)
        columns = {"level": level * scale, "flow": flow * scale, "plan": plan}
        parts.append(pd.DataFrame({"station": name, "time": TIMES, **columns}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module", params=SCALES, ids=lambda scale: f"{scale:g}")
def version(request: pytest.FixtureRequest, shared: Path) -> tuple[Forecaster, Served, pd.DataFrame]:
    """What issues forecasts, the registered model as MLflow loads it, and the measurements."""
    scale = request.param
    folder = built_once(shared / f"promise-{scale:g}", lambda folder: _train(folder, scale))
    model, spec = folder / "model", folder / WINDOWS / SPEC
    served = Served()
    served.load_context(SimpleNamespace(artifacts={"model": str(model), "spec": str(spec)}))
    return Forecaster.load(model, spec), served, measurements(scale)


def _train(folder: Path, scale: float) -> None:
    """Train a linear model in a folder, and measure its baseline as `register` does."""
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    roles = {"targets": ["level"], "covariates": ["flow"], "known": ["plan"]}
    changes = {f"dataset.{role}": names for role, names in roles.items()}
    changes["dataset.variables"] = {"level": {"unit": "m"}, "flow": {"unit": "m"}, "plan": {"unit": "1"}}
    windows = {name: value for name, value in TINY.items() if name.startswith("window.")}
    set_params(folder, {**windows, **changes})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        frame = measurements(scale)
        for month, part in frame.groupby(frame["time"].dt.strftime("%Y-%m")):
            long_frame.write_frame(Path(f"data/measurements/{month}.parquet"), part.sort_values(KEYS))
        for stage in (validate, window):
            stage.run(load_settings(), no_progress)
        panel, starts = read_windows()
        training = Training(panel, starts["train"], starts["validation"], load_settings().train)
        section = load_settings().models["linear"]
        model, _ = models.fit("linear", section, training, no_progress, None)
        Path("model").mkdir()
        models.save(model, section, panel.spec, Path("model"))
        Fallback.measured(panel, np.concatenate([starts["train"], starts["validation"]])).save(WINDOWS)


def damages() -> st.SearchStrategy[dict[str, Any]]:
    """What may be wrong with the measurements that a caller gives."""
    return st.fixed_dictionaries(
        {
            "origin": st.integers(TEST_PART, STEPS - HORIZON - 2),
            "late": st.dictionaries(st.sampled_from(STATIONS), st.integers(1, 30), max_size=2),
            "given": st.sampled_from([2 * LOOKBACK, 2 * LOOKBACK, LOOKBACK, 12, 3, 1]),
            "hole": st.tuples(st.integers(1, 2 * LOOKBACK), st.sampled_from([0, 0, 1, 3, 12])),
            "share": st.sampled_from([0.0, 0.0, 0.05, 0.3, 1.0]),
            "off_grid": st.booleans(),
            "plan": st.sampled_from(["all", "all", "none", "half", "one station"]),
            "value": st.sampled_from([None, None, None, 1e3, -1e3]),
            "name": st.sampled_from(["7", "7", 7, 7.0, "unknown", "07"]),
            "seed": st.integers(0, 99),
        }
    )


def damage(measured: pd.DataFrame, how: dict[str, Any]) -> pd.DataFrame:
    """Give what a caller would, from an origin, spoilt."""
    random, origin = np.random.default_rng(how["seed"]), TIMES[how["origin"]]
    span = measured["time"].between(origin - (2 * LOOKBACK - 1) * HOUR, origin + HORIZON * HOUR)
    rows = measured[span].reset_index(drop=True)
    age = (origin - rows["time"]) // HOUR
    gone = (age >= how["given"]) | (random.random(len(rows)) < how["share"])
    gone |= age.between(how["hole"][0], sum(how["hole"]) - 1)
    for station, steps in how["late"].items():
        gone |= (rows["station"] == station) & (age < steps)
    ahead = age < 0
    for name in ("level", "flow"):
        rows[name] = rows[name].mask(gone | ahead)
    lacking = {"all": age > age.max(), "none": ahead, "half": age < -3, "one station": ahead & (rows["station"] == "B")}
    rows["plan"] = rows["plan"].mask(lacking[how["plan"]])
    if how["value"]:
        rows["level"] = rows["level"].mask(age == 2, rows["level"] * how["value"])
    if how["off_grid"]:
        rows = pd.concat([rows, rows[age > 0].assign(time=rows["time"] + pd.Timedelta("17min"))], ignore_index=True)
    if how["name"] != "7":
        rows["station"] = rows["station"].astype(object).where(rows["station"] != "7", how["name"])
    return rows


def check(rows: pd.DataFrame, how: dict[str, Any], stations: int) -> None:
    """Hold rows to what each forecast promises."""
    levels = [name for name in rows.columns if name.startswith("q0")]
    assert np.isfinite(rows[["forecast", *levels]].to_numpy()).all(), json.dumps(how)
    assert (rows[levels].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None), json.dumps(how)
    assert set(rows["method"]) <= {"model", "baseline"}
    assert ((rows["method"] == "baseline") == (rows["reason"] != "")).all(), json.dumps(how)
    ahead = (rows["time"] - rows["origin"]) // HOUR
    assert ahead.tolist() == [*range(1, HORIZON + 1)] * stations
    if how["plan"] == "none":
        assert set(rows["method"]) == {"baseline"}, json.dumps(how)


def answer(served: Served, rows: pd.DataFrame) -> pd.DataFrame | str:
    try:
        return served.predict(None, rows)
    except BadRequest as refusal:
        assert refusal.message.endswith(".") and "\n" not in refusal.message and len(refusal.message) < 300
        return str(refusal.message)


@given(how=damages())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_given_is_forecast_marked_or_refused(
    version: tuple[Forecaster, Served, pd.DataFrame], how: dict[str, Any]
) -> None:
    forecaster, served, measured = version
    rows = damage(measured, how)
    got = answer(served, rows)
    if isinstance(got, str):
        unknown = f"Station {how['name']} is none of those" in got
        assert unknown or "has no level in the last 24 steps" in got or "No row has a value" in got, got
    else:
        assert how["name"] not in ("unknown", "07")
        check(got, how, len(STATIONS))
        issued = forecaster.forecast_all(forecaster.check_rows(rows), pd.DatetimeIndex([got["origin"].iloc[0]]))
        assert issued.drop(columns="late_steps").equals(got), json.dumps(how)


def test_intervals_hold_whatever_the_damage(version: tuple[Forecaster, Served, pd.DataFrame]) -> None:
    _, served, measured = version
    truth = measured.set_index(KEYS)["level"]
    drawn = []
    for seed in range(250):
        random = np.random.default_rng(seed)
        how = {
            "origin": int(random.integers(TEST_PART, STEPS - HORIZON - 2)),
            "late": {str(random.choice(STATIONS)): int(random.integers(1, 12))} if seed % 2 else {},
            "given": int(random.choice([2 * LOOKBACK] * 6 + [LOOKBACK, 12, 3, 1])),
            "hole": (int(random.integers(1, LOOKBACK)), int(random.choice([0, 0, 0, 1, 3, 12]))),
            "share": float(random.choice([0, 0, 0, 0, 0.05, 0.3])),
            "off_grid": bool(seed % 3 == 0),
            "plan": str(random.choice(["all", "all", "all", "half"])),
            "value": None,
            "name": "7",
            "seed": seed,
        }
        got = answer(served, damage(measured, how))
        if not isinstance(got, str):
            drawn.append(got)
    rows = pd.concat(drawn)
    actual = truth.reindex(pd.MultiIndex.from_frame(rows[KEYS])).to_numpy()
    for method, part in rows.assign(held=(actual >= rows["q0.05"]) & (actual <= rows["q0.95"])).groupby("method"):
        assert len(part) > 300, method
        assert 0.86 <= part["held"].mean() <= 0.95, (method, part["held"].mean())
