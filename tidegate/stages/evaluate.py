"""Evaluate: forecast from every test origin with every candidate, and compare them on identical origins.

Reads artifacts/windows and artifacts/models, and the data gate's findings and Data Docs. Writes artifacts/evaluation:
metrics.json, by_station.csv, by_step.csv, by_day.parquet and learning_curves.csv. Adds test metrics, figures, findings
and Data Docs to each candidate's MLflow run. Stops if there is no baseline candidate to compare with, or if a
candidate's forecasts are not finite.
"""

import numpy as np

import models
from tidegate.errors import GateClosed
from tidegate.evaluation import plots
from tidegate.evaluation.breakdown import BY_DAY, by_day, by_station, by_step, learning_curves, medians
from tidegate.evaluation.figures import forecast_figure, horizon_figure, reliability_figure
from tidegate.evaluation.origins import TestOrigins, origin_times, read_test_origins, score
from tidegate.measurements.frame import write_frame
from tidegate.tracking import runs
from tidegate.windows.panel import Forecasts
from tidegate.workspace.identity import made_from
from tidegate.workspace.paths import (
    DATA_DOCS,
    EVALUATION,
    FINDINGS,
    MADE_FROM,
    MODELS,
    WINDOWS,
    atomic_output,
    write_json,
)
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def run(settings: Settings, progress: Progress) -> str:
    """Evaluate all candidates; give one line that names the best."""
    baseline = models.baseline_of(settings.models, settings.window)
    test = read_test_origins()
    comparisons = {}
    for done, name in enumerate(settings.models):
        progress(done, len(settings.models), name)
        comparisons[name] = test.compare(forecasts_of(name, test))
    scores = score(comparisons, test.metrics, baseline, settings.evaluate.metric)
    with atomic_output(EVALUATION) as folder:
        folder.mkdir()
        at_stations = by_station(comparisons, test)
        for name, median in medians(at_stations, "mase").items():
            scores[name]["mase_median"] = median
        write_json(folder / "metrics.json", scores)
        at_stations.to_csv(folder / "by_station.csv", index=False, float_format="%.6g")
        write_frame(folder / BY_DAY, by_day(comparisons, baseline, test, origin_times(test)))
        by_step(comparisons, test).to_csv(folder / "by_step.csv", index=False, float_format="%.6g")
        write_json(folder / MADE_FROM, made_from(WINDOWS, *(MODELS / name for name in settings.models)))
        learning_curves(list(settings.models)).to_csv(folder / "learning_curves.csv", index=False)
    horizon = None if test.panel.spec.alert else horizon_figure(settings, test, comparisons)
    for name in settings.models:
        drawings = {"forecast": forecast_figure(name, settings, test, comparisons[name])}
        if horizon:
            drawings["error_by_horizon"] = horizon
        else:
            drawings["reliability"] = reliability_figure(name, comparisons[name])
        if history := runs.learning_curve(name):
            drawings["learning_curve"] = plots.learning_curve(history)
        runs.record_evaluation(runs.ensure_run(settings, name), scores[name], drawings, [FINDINGS, DATA_DOCS])
    metric = settings.evaluate.metric
    best = min(scores, key=lambda name: scores[name][metric])
    return f"{len(test.starts):,} origins; best {best}: {metric} {scores[best][metric]:.4g}"


def forecasts_of(name: str, test: TestOrigins) -> Forecasts:
    """Forecast from all test origins with a trained candidate, in the targets' units: (windows, horizon, targets).

    Raises:
        GateClosed: a forecast is not finite.
    """
    model, _ = models.load(MODELS / name)
    forecasts = test.scaler.in_units(model.predict(test.panel, test.starts), test.panel.spec, test.starts[:, 0])
    not_finite = int((~np.isfinite(forecasts.point)).any(axis=(1, 2)).sum())
    if not_finite:
        raise GateClosed(
            f"The evaluation gate is closed: {not_finite} of {len(test.starts)} forecasts of {name} are not finite: "
            "lower train.learning_rate or train.clip_norm, and train it again."
        )
    return forecasts
