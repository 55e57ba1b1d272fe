"""Evaluate: forecast every test origin with every candidate, and compare them on identical origins.

Reads artifacts/windows and artifacts/models. Writes artifacts/evaluation: metrics.json, by_station.csv, by_step.csv
and learning_curves.csv. Adds test metrics and figures to each candidate's MLflow run. Stops where there is no seasonal
naive candidate to compare with, or a candidate's forecasts are not finite.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import models
from tidegate import plots, tracking, windows
from tidegate.artifacts import EVALUATION, HISTORY, MODELS, WINDOWS, read_json, replacing, write_json
from tidegate.errors import GateClosed
from tidegate.metrics import METRICS, Array
from tidegate.report import Report
from tidegate.scoring import TestSet, read_test, score
from tidegate.settings import Settings

FORECASTS_DRAWN = 7


def run(settings: Settings, report: Report) -> str:
    """Evaluate all candidates; give one line of which is best."""
    baseline = models.baseline_of(settings.models)
    test = read_test()
    forecasts = {}
    for done, name in enumerate(settings.models):
        report(done, len(settings.models), name)
        forecasts[name] = forecasts_of(name, test)
    errors = {name: forecast - test.measured for name, forecast in forecasts.items()}
    scores = score(errors, test.scale, baseline, settings.evaluate.metric)
    with replacing(EVALUATION) as folder:
        folder.mkdir()
        write_json(folder / "metrics.json", scores)
        by_station(errors, test).to_csv(folder / "by_station.csv", index=False, float_format="%.6g")
        by_step(errors, test.scale).to_csv(folder / "by_step.csv", index=False, float_format="%.6g")
        learning_curves(list(settings.models)).to_csv(folder / "learning_curves.csv", index=False)
    for name in settings.models:
        drawn = {
            "error_by_horizon": _horizon_figure(settings, test, errors),
            "forecast": _forecast_figure(name, settings, test, forecasts[name]),
        }
        if history := tracking.learning_curve(name):
            drawn["learning_curve"] = plots.learning_curve(history)
        tracking.record_evaluation(tracking.run_of(settings, name), scores[name], drawn)
    metric = settings.evaluate.metric
    best = min(scores, key=lambda name: scores[name][metric])
    return f"{len(test.starts):,} origins; best {best}: {metric} {scores[best][metric]:.4g}"


def forecasts_of(name: str, test: TestSet) -> Array:
    """Forecast all test origins with a trained candidate, in units: (windows, horizon, targets).

    Raises:
        GateClosed: a forecast is not finite.
    """
    model, _ = models.load(MODELS / name)
    forecasts = test.scaler.unscale(model.predict(test.panel, test.starts), test.starts[:, 0])
    broken = int((~np.isfinite(forecasts)).any(axis=(1, 2)).sum())
    if broken:
        raise GateClosed(
            f"The evaluation gate is closed: {broken} of {len(forecasts)} forecasts of {name} are not finite: "
            "lower train.learning_rate or train.clip_norm, and train it anew."
        )
    return forecasts


def by_station(errors: dict[str, Array], test: TestSet) -> pd.DataFrame:
    """Score each candidate at each station, for each target."""
    rows = []
    for name, error in errors.items():
        for row, station in enumerate(test.panel.spec.stations):
            here = test.starts[:, 0] == row
            for column, target in enumerate(test.panel.spec.targets):
                part = error[here, :, column], test.scale[here, :, column]
                if np.isfinite(part[0]).any():
                    figures = {key: metric(*part) for key, metric in METRICS.items()}
                    rows.append({"model": name, "station": station, "target": target, **figures})
    return pd.DataFrame(rows)


def by_step(errors: dict[str, Array], scale: Array) -> pd.DataFrame:
    """Score each candidate at each step ahead, where anything was measured."""
    rows = []
    for name, error in errors.items():
        for ahead in range(error.shape[1]):
            part = error[:, ahead : ahead + 1]
            if np.isfinite(part).any():
                figures = {key: metric(part, scale) for key, metric in METRICS.items()}
                rows.append({"model": name, "step": ahead + 1, **figures})
    return pd.DataFrame(rows)


def learning_curves(names: list[str]) -> pd.DataFrame:
    """Put the learning curves of all candidates that have one into one table."""
    curves = [pd.read_csv(MODELS / name / HISTORY).assign(model=name) for name in names]
    return pd.concat([curve for curve in curves if len(curve)] or curves[:1], ignore_index=True)


def _horizon_figure(settings: Settings, test: TestSet, errors: dict[str, Array]) -> Figure:
    curves = {name: np.nanmean(np.abs(error[..., 0]), axis=0) for name, error in errors.items()}
    return plots.error_by_step(curves, settings.validate_.variables[test.panel.spec.targets[0]].unit)


def _forecast_figure(name: str, settings: Settings, test: TestSet, forecasts: Array) -> Figure:
    """Draw the candidate's forecasts, end to end, at its best, median and worst station over the last days."""
    spec = test.panel.spec
    unit = settings.validate_.variables[spec.targets[0]].unit
    begins = pd.Timestamp(read_json(WINDOWS / windows.SPEC)["begins"])
    absolute = np.nanmean(np.abs(forecasts - test.measured)[..., 0], axis=1)
    mean = pd.Series(absolute).groupby(test.starts[:, 0]).mean().sort_values()
    places = dict.fromkeys([mean.index[0], mean.index[len(mean) // 2], mean.index[-1]])
    panels = []
    for row, rank in zip(places, ("best", "median", "worst"), strict=False):
        here = np.flatnonzero(test.starts[:, 0] == row)
        shown = here[:: -spec.horizon][:FORECASTS_DRAWN][::-1]
        steps = (test.starts[shown, 1, None] + spec.lookback + np.arange(spec.horizon)).ravel()
        title = f"{name} at {spec.stations[row]} ({rank} station, mean absolute error {mean[row]:.3g} {unit})"
        times = list(begins + steps * pd.Timedelta(spec.frequency))
        panels.append((title, times, test.measured[shown, :, 0].ravel(), forecasts[shown, :, 0].ravel()))
    return plots.forecast_against_measurement(panels, f"{spec.targets[0]}, {unit}")
