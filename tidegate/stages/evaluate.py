"""Evaluate: forecast from every test origin with every candidate, and compare them on identical origins.

Reads artifacts/windows and artifacts/models, and the data gate's findings and Data Docs. Writes artifacts/evaluation:
metrics.json, by_station.csv, by_step.csv, by_hour.csv, by_day.parquet, calibration.csv, learning_curves.csv, and in
forecasts.parquet those that figures show; and artifacts/scores: the metrics that matter, a file a candidate. Adds test
metrics, tables, figures, findings and Data Docs to each candidate's MLflow run, and a description to the experiment.
Stops if there is no baseline candidate to compare with, or if a candidate's forecasts are not finite.
"""

from functools import partial

import pandas as pd

import models
from tidegate.errors import GateClosed
from tidegate.evaluation.breakdown import BY_DAY, by_day, by_station, by_step, learning_curves, medians
from tidegate.evaluation.colours import colours_of
from tidegate.evaluation.comparison import Comparison
from tidegate.evaluation.details import shown_forecasts, write_details
from tidegate.evaluation.figures import figures_of
from tidegate.evaluation.metrics import shown_metrics
from tidegate.evaluation.origins import TestOrigins, first_not_finite, read_test_origins
from tidegate.evaluation.score_table import MEDIAN
from tidegate.evaluation.tally import score, tally
from tidegate.measurements.frame import write_frame
from tidegate.tracking import pages, results, runs
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
    candidates = {name: partial(comparison_of, name, models.load(MODELS / name)[0]) for name in settings.models}
    tallies = tally(candidates, test, progress)
    shown = shown_forecasts(candidates, tallies, test)
    scores = score(tallies, baseline, settings.evaluate.metric)
    with atomic_output(EVALUATION) as folder:
        folder.mkdir()
        at_stations = by_station(tallies, test)
        for name, median in medians(at_stations, "mase").items():
            scores[name][MEDIAN] = median
        write_json(folder / "metrics.json", scores)
        at_stations.to_csv(folder / "by_station.csv", index=False, float_format="%.6g")
        write_frame(folder / BY_DAY, by_day(tallies, baseline, test))
        at_steps = by_step(tallies)
        at_steps.to_csv(folder / "by_step.csv", index=False, float_format="%.6g")
        write_details(folder, tallies, shown, test)
        write_json(folder / MADE_FROM, made_from(WINDOWS, *(MODELS / name for name in settings.models)))
        learning_curves(list(settings.models)).to_csv(folder / "learning_curves.csv", index=False)
    with atomic_output(SCORES) as folder:
        folder.mkdir()
        for name, own in scores.items():
            write_json(folder / f"{name}.json", {key: own[key] for key in shown_metrics(settings) if key in own})
    drawings = figures_of(settings, test, tallies, shown, baseline, colours_of(settings.models, baseline))
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


def comparison_of(name: str, model: models.CalibratedModel, test: TestOrigins) -> Comparison:
    """Forecast from test origins with a trained candidate, and put it beside what was measured, in the targets' units.

    Raises:
        GateClosed: a forecast is not finite.
    """
    forecasts = test.in_units(model.predict(test.panel, test.starts))
    if where := first_not_finite(test, forecasts):
        raise GateClosed(
            f"The evaluation gate is closed: {name}'s forecast for {where} is not finite: lower train.learning_rate or "
            "train.clip_norm, and train it again."
        )
    return test.compare(forecasts)
