"""Evaluate: forecast from every test origin with every candidate, and compare them on identical origins.

Reads artifacts/windows and artifacts/models, and the data gate's findings and Data Docs. Writes artifacts/evaluation:
metrics.json, by_station.csv, by_step.csv, by_hour.csv, by_day.parquet, calibration.csv, learning_curves.csv, and in
forecasts.parquet those that figures show; and artifacts/scores: the metrics that matter, a file a candidate. Adds test
metrics, tables, figures, findings and Data Docs to each candidate's MLflow run, and a description to the experiment.
Stops if there is no baseline candidate to compare with, or if a candidate's forecasts are not finite.
"""

import numpy as np
import pandas as pd

import models
from tidegate.errors import GateClosed
from tidegate.evaluation.breakdown import BY_DAY, by_day, by_station, by_step, learning_curves, medians
from tidegate.evaluation.colours import colours_of
from tidegate.evaluation.details import shown_forecasts, write_details
from tidegate.evaluation.figures import figures_of
from tidegate.evaluation.metrics import shown_metrics
from tidegate.evaluation.origins import TestOrigins, origin_times, read_test_origins, score
from tidegate.evaluation.score_table import MEDIAN
from tidegate.measurements.frame import write_frame
from tidegate.tracking import pages, results, runs
from tidegate.windows.panel import Forecasts
from tidegate.workspace.identity import made_from
from tidegate.workspace.paths import (
    DATA_DOCS,
    EVALUATION,
    FINDINGS,
    MADE_FROM,
    MODELS,
    SCORES,
    WINDOWS,
    atomic_output,
    write_json,
)
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings

SKILL = "skill"  # of `score`, beside the metrics


def run(settings: Settings, progress: Progress) -> str:
    """Evaluate all candidates; give one line that names the best."""
    baseline = models.baseline_of(settings.models, settings.window)
    test = read_test_origins()
    comparisons = {}
    for done, name in enumerate(settings.models):
        progress(done, len(settings.models), name)
        comparisons[name] = test.compare(forecasts_of(name, test))
    shown = shown_forecasts(comparisons, test)
    scores = score(comparisons, test.metrics, baseline, settings.evaluate.metric)
    with atomic_output(EVALUATION) as folder:
        folder.mkdir()
        at_stations = by_station(comparisons, test)
        for name, median in medians(at_stations, "mase").items():
            scores[name][MEDIAN] = median
        write_json(folder / "metrics.json", scores)
        at_stations.to_csv(folder / "by_station.csv", index=False, float_format="%.6g")
        write_frame(folder / BY_DAY, by_day(comparisons, baseline, test, origin_times(test)))
        at_steps = by_step(comparisons, test)
        at_steps.to_csv(folder / "by_step.csv", index=False, float_format="%.6g")
        write_details(folder, comparisons, shown, test)
        write_json(folder / MADE_FROM, made_from(WINDOWS, *(MODELS / name for name in settings.models)))
        learning_curves(list(settings.models)).to_csv(folder / "learning_curves.csv", index=False)
    with atomic_output(SCORES) as folder:
        folder.mkdir()
        for name, own in scores.items():
            write_json(folder / f"{name}.json", {key: own[key] for key in shown_metrics(settings) if key in own})
    drawings = figures_of(settings, test, comparisons, shown, baseline, colours_of(settings.models, baseline))
    _record(settings, scores, drawings, {"by_station": at_stations, "by_step": at_steps})
    metric = settings.evaluate.metric
    best = min(scores, key=lambda name: scores[name][metric])
    return f"{len(test.starts):,} origins; best {best}: {metric} {scores[best][metric]:.4g}"


def _record(
    settings: Settings,
    scores: dict[str, dict[str, float]],
    drawings: dict[str, dict[str, bytes]],
    tables: dict[str, pd.DataFrame],
) -> None:
    """Add the results to the candidates' runs, and say in the experiment how to read them."""
    first = [*shown_metrics(settings), SKILL]
    for name in settings.models:
        own = {key: table[table["model"] == name].drop(columns="model") for key, table in tables.items()}
        run_id = runs.ensure_run(settings, name)
        results.record_evaluation(run_id, scores[name], first, own, drawings[name], [FINDINGS, DATA_DOCS])
    pages.describe_experiment(settings, runs.last_day(), first)


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
