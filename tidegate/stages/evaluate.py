"""Evaluate: forecast every test origin with every candidate, and compare them on identical origins.

Reads artifacts/windows and artifacts/models, and the data gate's findings and Data Docs. Writes artifacts/evaluation:
metrics.json, by_station.csv, by_step.csv and learning_curves.csv. Adds test metrics, figures and what the data gate
said to each candidate's MLflow run. Stops where there is no seasonal naive candidate to compare with, or a candidate's
forecasts are not finite.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import models
from tidegate import plots, tracking, windows
from tidegate.artifacts import (
    DATA_DOCS,
    EVALUATION,
    FINDINGS,
    HISTORY,
    MODELS,
    WINDOWS,
    read_json,
    replacing,
    write_json,
)
from tidegate.errors import GateClosed
from tidegate.metrics import Comparison
from tidegate.panel import Forecasts
from tidegate.report import Report
from tidegate.scoring import TestSet, read_test, score
from tidegate.settings import Settings

FORECASTS_DRAWN = 7


def run(settings: Settings, report: Report) -> str:
    """Evaluate all candidates; give one line of which is best."""
    baseline = models.baseline_of(settings.models, settings.window)
    test = read_test()
    compared = {}
    for done, name in enumerate(settings.models):
        report(done, len(settings.models), name)
        compared[name] = test.compare(forecasts_of(name, test))
    scores = score(compared, test.metrics, baseline, settings.evaluate.metric)
    with replacing(EVALUATION) as folder:
        folder.mkdir()
        write_json(folder / "metrics.json", scores)
        by_station(compared, test).to_csv(folder / "by_station.csv", index=False, float_format="%.6g")
        by_step(compared, test).to_csv(folder / "by_step.csv", index=False, float_format="%.6g")
        learning_curves(list(settings.models)).to_csv(folder / "learning_curves.csv", index=False)
    horizon = None if test.panel.spec.alert else _horizon_figure(settings, test, compared)
    for name in settings.models:
        drawn = {"forecast": _forecast_figure(name, settings, test, compared[name])}
        if horizon:
            drawn["error_by_horizon"] = horizon
        else:
            drawn["reliability"] = _reliability_figure(name, compared[name])
        if history := tracking.learning_curve(name):
            drawn["learning_curve"] = plots.learning_curve(history)
        tracking.record_evaluation(tracking.run_of(settings, name), scores[name], drawn, [FINDINGS, DATA_DOCS])
    metric = settings.evaluate.metric
    best = min(scores, key=lambda name: scores[name][metric])
    return f"{len(test.starts):,} origins; best {best}: {metric} {scores[best][metric]:.4g}"


def forecasts_of(name: str, test: TestSet) -> Forecasts:
    """Forecast all test origins with a trained candidate, in units: (windows, horizon, targets).

    Raises:
        GateClosed: a forecast is not finite.
    """
    model, _ = models.load(MODELS / name)
    forecasts = test.scaler.in_units(model.predict(test.panel, test.starts), test.panel.spec, test.starts[:, 0])
    broken = int((~np.isfinite(forecasts.point)).any(axis=(1, 2)).sum())
    if broken:
        raise GateClosed(
            f"The evaluation gate is closed: {broken} of {len(test.starts)} forecasts of {name} are not finite: "
            "lower train.learning_rate or train.clip_norm, and train it anew."
        )
    return forecasts


def by_station(compared: dict[str, Comparison], test: TestSet) -> pd.DataFrame:
    """Score each candidate at each station, for each target."""
    rows = []
    for name, own in compared.items():
        for row, station in enumerate(test.panel.spec.stations):
            here = test.starts[:, 0] == row
            for column, target in enumerate(test.panel.spec.targets):
                part = own.part(windows=here, targets=slice(column, column + 1))
                if part.any():
                    figures = {key: metric(part) for key, metric in test.metrics.items()}
                    rows.append({"model": name, "station": station, "target": target, **figures})
    return pd.DataFrame(rows)


def by_step(compared: dict[str, Comparison], test: TestSet) -> pd.DataFrame:
    """Score each candidate at each step ahead, where anything was measured."""
    rows = []
    for name, own in compared.items():
        for ahead in range(own.measured.shape[1]):
            part = own.part(steps=slice(ahead, ahead + 1))
            if part.any():
                figures = {key: metric(part) for key, metric in test.metrics.items()}
                rows.append({"model": name, "step": ahead + 1, **figures})
    return pd.DataFrame(rows)


def learning_curves(names: list[str]) -> pd.DataFrame:
    """Put the learning curves of all candidates that have one into one table."""
    curves = [pd.read_csv(MODELS / name / HISTORY).assign(model=name) for name in names]
    return pd.concat([curve for curve in curves if len(curve)] or curves[:1], ignore_index=True)


def _horizon_figure(settings: Settings, test: TestSet, compared: dict[str, Comparison]) -> Figure:
    curves = {name: np.nanmean(np.abs(own.errors[..., 0]), axis=0) for name, own in compared.items()}
    return plots.error_by_step(curves, settings.dataset.variables[test.panel.spec.targets[0]].unit)


def _reliability_figure(name: str, own: Comparison) -> Figure:
    known = np.isfinite(own.measured)
    return plots.reliability(name, own.point[known], own.measured[known])


def _forecast_figure(name: str, settings: Settings, test: TestSet, own: Comparison) -> Figure:
    """Draw the candidate's forecasts, end to end, at its best, median and worst station over the last days."""
    spec = test.panel.spec
    unit = settings.dataset.variables[spec.targets[0]].unit
    begins = pd.Timestamp(read_json(WINDOWS / windows.SPEC)["begins"])
    absolute = np.nanmean(np.abs(own.errors)[..., 0], axis=1)
    mean = pd.Series(absolute).groupby(test.starts[:, 0]).mean().sort_values()
    places = dict.fromkeys([mean.index[0], mean.index[len(mean) // 2], mean.index[-1]])
    panels = []
    for row, rank in zip(places, ("best", "median", "worst"), strict=False):
        here = np.flatnonzero(test.starts[:, 0] == row)
        apart = 1 if spec.alert else spec.horizon
        shown = here[::-apart][: FORECASTS_DRAWN * (spec.horizon // apart)][::-1]
        steps = (test.starts[shown, 1, None] + spec.lookback + np.arange(spec.outcomes)).ravel()
        title = f"{name} at {spec.stations[row]} ({rank} station, mean absolute error {mean[row]:.3g} {unit})"
        times = list(begins + steps * pd.Timedelta(spec.frequency))
        band = None if own.quantiles is None else own.quantiles[shown, :, 0][..., [0, -1]].reshape(-1, 2)
        panels.append(plots.Span(title, times, own.measured[shown, :, 0].ravel(), own.point[shown, :, 0].ravel(), band))
    label = "probability" if spec.alert else f"{spec.targets[0]}, {unit}"
    within = f"{spec.quantiles[-1] - spec.quantiles[0]:.0%} interval"
    return plots.forecast_against_measurement(panels, label, within)
