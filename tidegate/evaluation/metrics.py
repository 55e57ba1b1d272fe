"""How wrong forecasts are. Pure functions of forecasts beside what was measured; what was not measured is left out.

A metric is one function and one row of METRICS, from which settings, result tables, tuning and classification take it.
There are two kinds: of values, whose functions take a `Comparison`, and of classes, whose functions take `Classes`. An
alert is a choice between two classes; whole sequences may have more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tidegate.errors import SettingsError
from tidegate.workspace.params import require_known
from tidegate.workspace.settings import Settings

# scikit-learn takes a second to import: it is loaded by the metrics that need it, not where settings are checked.

Array = npt.NDArray[np.float64]
LEAST_OF_MEDIAN = 0.1  # of the stations' scales
SURE = 1e-7  # log loss takes no probability to be nearer to 0 or 1


@dataclass(frozen=True)
class Comparison:
    """Forecasts beside what was measured, in units: (windows, horizon, targets), quantiles (…, levels).

    `measured` is NaN where nothing was; `scale` (windows, 1, targets) is `seasonal_scale` of each window's station.
    """

    point: npt.NDArray[Any]
    measured: Array
    scale: Array
    quantiles: npt.NDArray[Any] | None = None
    levels: tuple[float, ...] = ()

    def part(self, windows: Any = slice(None), steps: Any = slice(None), targets: Any = slice(None)) -> "Comparison":
        """Take some windows, steps and targets."""
        quantiles = None if self.quantiles is None else self.quantiles[windows][:, steps][:, :, targets]
        point, measured = (cells[windows][:, steps][:, :, targets] for cells in (self.point, self.measured))
        return Comparison(point, measured, self.scale[windows][:, :, targets], quantiles, self.levels)

    def any(self) -> bool:
        """Say whether anything was measured."""
        return bool(np.isfinite(self.measured).any())

    @property
    def errors(self) -> Array:
        """Forecast less measurement."""
        return np.asarray(self.point - self.measured, np.float64)


@dataclass(frozen=True)
class Classes:
    """Probabilities (rows, classes) of classes 0, 1, … beside the true class of each row, `truth` (rows,)."""

    truth: npt.NDArray[np.int64]
    probabilities: Array
    predicted: npt.NDArray[np.int64]  # (rows,)
    averaged: npt.NDArray[np.int64]  # the classes whose F1 is averaged
    ranked: npt.NDArray[np.int64]  # the classes whose ranking is judged, each against the rest

    @classmethod
    def of_alerts(cls, compared: Comparison) -> "Classes":
        """Take an alert as the second of two classes, predicted at a probability of one half or more."""
        known = np.isfinite(compared.measured)
        chance = np.asarray(compared.point[known], np.float64)
        both = np.stack([1 - chance, chance], axis=1)
        predicted = (chance >= 0.5).astype(np.int64)
        return cls(compared.measured[known].astype(np.int64), both, predicted, np.arange(2), np.array([1]))

    @classmethod
    def of_sequences(cls, truth: npt.NDArray[np.int64], probabilities: npt.NDArray[Any]) -> "Classes":
        """Judge each sequence by its likeliest class; classes that do not occur are left out of averages."""
        held = np.clip(probabilities.astype(np.float64), SURE, None)
        present = np.unique(truth)
        likeliest = probabilities.argmax(axis=1)
        return cls(truth, held / held.sum(axis=1, keepdims=True), likeliest, present, present)


def mae(compared: Comparison) -> float:
    """Mean absolute error, in the target's unit (with several targets, over all of them)."""
    return float(np.nanmean(np.abs(compared.errors)))


def rmse(compared: Comparison) -> float:
    """Root of the mean squared error, in the target's unit (with several targets, over all of them)."""
    return float(np.sqrt(np.nanmean(compared.errors**2)))


def mase(compared: Comparison) -> float:
    """Mean absolute scaled error: below 1 is better than seasonal naive was, one season ahead, on the training span.

    The scale is `floored`, so that no station whose training span hardly varies rules the mean. Hyndman and Koehler,
    Another look at measures of forecast accuracy, International Journal of Forecasting 22 (2006).
    """
    return float(np.nanmean(np.abs(compared.errors) / compared.scale))


def pinball(compared: Comparison) -> float:
    """Mean pinball loss over the levels: max(τ (y − q), (τ − 1)(y − q)), in the target's unit."""
    return sum(_pinball_by_level(compared)) / len(compared.levels)


def crps(compared: Comparison) -> float:
    """Continuous ranked probability score, in the target's unit, as twice the integral of pinball loss over the levels.

    Each level stands for the levels nearest to it, up to 0 and 1. For a point forecast it would be the MAE. Gneiting
    and Raftery, Strictly Proper Scoring Rules, J. Am. Stat. Assoc. 102 (2007).
    """
    return 2 * float(np.dot(level_weights(compared.levels), _pinball_by_level(compared)))


def level_weights(levels: tuple[float, ...]) -> Array:
    """Give the share of the probabilities that each level stands for: those nearest to it (levels,)."""
    ascending = np.asarray(levels)
    return np.diff(np.concatenate([[0.0], (ascending[1:] + ascending[:-1]) / 2, [1.0]]))


def coverage(compared: Comparison) -> float:
    """Share of the measurements within the outermost quantiles."""
    low, high = _quantiles(compared)[..., 0], _quantiles(compared)[..., -1]
    measured = np.isfinite(compared.measured)
    inside = (compared.measured >= low) & (compared.measured <= high)
    return float(inside[measured].mean())


def width(compared: Comparison) -> float:
    """Mean distance between the outermost quantiles, in the target's unit."""
    distance = _quantiles(compared)[..., -1] - _quantiles(compared)[..., 0]
    return float(distance[np.isfinite(compared.measured)].mean())


def accuracy(classes: Classes) -> float:
    """Share of the rows whose predicted class is the true one."""
    return float(np.mean(classes.predicted == classes.truth))


def macro_f1(classes: Classes) -> float:
    """Mean of the classes' F1; a class neither predicted nor present counts 0."""
    from sklearn.metrics import f1_score

    labels = {"labels": classes.averaged, "average": "macro", "zero_division": 0}
    return float(f1_score(classes.truth, classes.predicted, **labels))


def brier(classes: Classes) -> float:
    """Mean squared error of the probability of an alert; of more than two classes the mean sum of squares.

    Brier, Monthly Weather Review 78 (1950).
    """
    from sklearn.metrics import brier_score_loss

    labels = np.arange(classes.probabilities.shape[1])
    return float(brier_score_loss(classes.truth, classes.probabilities, labels=labels))


def log_loss(classes: Classes) -> float:
    """Mean negative logarithm of the true class's probability, which is taken to be at least 1e-7 from 0 and 1."""
    from sklearn.metrics import log_loss as mean_log_loss

    held = np.clip(classes.probabilities, SURE, 1 - SURE)
    held /= held.sum(axis=1, keepdims=True)
    return float(mean_log_loss(classes.truth, held, labels=np.arange(held.shape[1])))


def auroc(classes: Classes) -> float:
    """Area under the ROC curve, the mean over classes of each against the rest; NaN if there is but one class."""
    from sklearn.metrics import roc_auc_score

    return _mean_over_classes(classes, roc_auc_score, needs_rest=True)


def average_precision(classes: Classes) -> float:
    """Precision averaged over recall, as steps, the mean over classes; NaN where no class occurs."""
    from sklearn.metrics import average_precision_score

    return _mean_over_classes(classes, average_precision_score)


@dataclass(frozen=True)
class Metric:
    """A metric, and where it appears."""

    kind: Literal["values", "classes"]
    function: Callable[[Any], float]
    label: str  # a column of the result tables; {unit} is the target's
    ranks: bool = False  # candidates may be ranked by it (evaluate.metric): less is better
    shown: bool = True  # in the result table of forecasts; the others stand in metrics.json and MLflow
    percent: bool = False

    def __call__(self, compared: Comparison) -> float:
        """Score forecasts, or alerts."""
        return self.function(compared if self.kind == "values" else Classes.of_alerts(compared))


METRICS = {
    "mae": Metric("values", mae, "MAE, {unit}", ranks=True),
    "rmse": Metric("values", rmse, "RMSE, {unit}", ranks=True),
    "mase": Metric("values", mase, "MASE", ranks=True),
    "crps": Metric("values", crps, "CRPS, {unit}", ranks=True),
    "pinball": Metric("values", pinball, "pinball loss, {unit}", shown=False),
    "coverage": Metric("values", coverage, "coverage", percent=True),
    "width": Metric("values", width, "width, {unit}", shown=False),
    "brier": Metric("classes", brier, "Brier", ranks=True),
    "log_loss": Metric("classes", log_loss, "log loss", ranks=True),
    "auroc": Metric("classes", auroc, "AUROC"),
    "average_precision": Metric("classes", average_precision, "AP"),
    "accuracy": Metric("classes", accuracy, "accuracy", shown=False),
    "macro_f1": Metric("classes", macro_f1, "macro F1"),
}


def metrics_of(kind: str) -> dict[str, Metric]:
    """Give the metrics of values, or of classes."""
    return {name: metric for name, metric in METRICS.items() if metric.kind == kind}


def metrics_for(alert: object) -> dict[str, Metric]:
    """Give the metrics of what is forecast: an alert, or values if there is none."""
    return metrics_of("classes" if alert else "values")


def shown_metrics(settings: Settings) -> list[str]:
    """Name the metrics that matter of what is forecast, the one that ranks first."""
    metrics = metrics_for(settings.window.alert)
    names = [name for name, metric in metrics.items() if metric.shown and name != settings.evaluate.metric]
    return [settings.evaluate.metric, *names]


def check(settings: Settings) -> None:
    """Check that candidates can be ranked by `evaluate.metric`.

    Raises:
        SettingsError: it is unknown, or not for what is forecast.
    """
    name = settings.evaluate.metric
    require_known(name, [known for known, metric in METRICS.items() if metric.ranks], "evaluate.metric")
    if (METRICS[name].kind == "classes") != (settings.window.alert is not None):
        kind = "an alert is ranked by brier or log_loss" if settings.window.alert else "it is for alerts"
        raise SettingsError(f"params.yaml: evaluate.metric is {name}: {kind}.")


def skill(score: float, baseline: float) -> float:
    """Share of the baseline's error that is gone: 1 is perfect, 0 no better, negative worse."""
    return 1.0 - score / baseline


def rounded(score: float) -> float:
    """Round to six decimals, or to six digits where that is more: values may be of any size."""
    return round(score, 6) if abs(score) >= 0.1 else float(f"{score:.6g}")


def seasonal_scale(values: Array, season_steps: int) -> Array:
    """Mean absolute seasonal difference of (stations, steps, targets), missing steps left out: (stations, targets)."""
    difference = np.abs(values[:, season_steps:] - values[:, :-season_steps])
    counted = np.isfinite(difference)
    return np.where(counted, difference, 0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)


def floored(scale: Array) -> Array:
    """Raise the scales (stations, targets) of stations to a tenth of their median over the stations.

    A ratio to a scale near zero has no bound, and a mean of ratios is then that station's alone: the scale of a gauge
    that was dry in training says nothing of how wrong its forecasts may be.
    """
    return np.maximum(scale, LEAST_OF_MEDIAN * np.median(scale, axis=0))


def _quantiles(compared: Comparison) -> npt.NDArray[Any]:
    if compared.quantiles is None:
        raise TypeError("these forecasts have no quantiles")
    return compared.quantiles


def _pinball_by_level(compared: Comparison) -> list[float]:
    losses = []
    for column, level in enumerate(compared.levels):
        error = compared.measured - _quantiles(compared)[..., column]
        losses.append(float(np.nanmean(np.maximum(level * error, (level - 1) * error))))
    return losses


def _mean_over_classes(classes: Classes, score: Callable[..., float], needs_rest: bool = False) -> float:
    """Score each ranked class against the rest; classes that do not occur are left out, and the mean may be NaN."""
    scores = []
    for number in classes.ranked:
        present = classes.truth == number
        if present.any() and not (present.all() and needs_rest):
            scores.append(score(present, classes.probabilities[:, number]))
    return float(np.mean(scores)) if scores else float("nan")
