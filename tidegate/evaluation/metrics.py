"""How wrong forecasts are, by every metric that the product knows; what was not measured is left out.

A metric is one function and one row of METRICS, from which settings, result tables, tuning and classification take it.
There are two kinds: a metric of values is the mean of a loss of each value (losses.py), so that it can be summed up
part by part; a metric of classes is a function of all their probabilities. An alert is a choice between two classes;
whole sequences may have more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tidegate.errors import SettingsError
from tidegate.evaluation import losses
from tidegate.evaluation.comparison import SURE, Array, Classes, Comparison
from tidegate.evaluation.losses import Loss
from tidegate.workspace.params import require_known
from tidegate.workspace.settings import Settings

# scikit-learn takes a second to import: it is loaded by the metrics that need it, not where settings are checked.

LEAST_OF_MEDIAN = 0.1  # of the stations' scales


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
    """A metric, and where it appears. It has a loss, whose mean it is, or a function of classes, or both."""

    label: str  # a column of the result tables; {unit} is the target's
    loss: Loss | None = None  # of each value
    of_classes: Callable[[Classes], float] | None = None
    root: bool = False  # of the mean
    ranks: bool = False  # candidates may be ranked by it (evaluate.metric): less is better
    shown: bool = True  # in the result table of forecasts; the others stand in metrics.json and MLflow
    percent: bool = False

    def __post_init__(self) -> None:
        """Refuse a metric that ranks without a loss: a champion is compared loss by loss.

        Raises:
            TypeError: it is one.
        """
        if self.ranks and self.loss is None:
            raise TypeError(f"a metric that ranks must be the mean of a loss: {self.label}")

    @property
    def kind(self) -> Literal["values", "classes"]:
        """Say what it judges."""
        return "classes" if self.of_classes else "values"

    def of_mean(self, loss: float) -> float:
        """Give the metric of values with this mean loss."""
        return float(np.sqrt(loss)) if self.root else float(loss)

    def __call__(self, compared: Comparison) -> float:
        """Score forecasts, or alerts."""
        if self.loss is not None:
            return self.of_mean(float(np.nanmean(self.loss(compared))))
        if self.of_classes is not None:
            return self.of_classes(Classes.of_alerts(compared))
        raise TypeError(f"{self.label} has neither a loss nor a function of classes")


METRICS = {
    "mae": Metric("MAE, {unit}", losses.absolute, ranks=True),
    "rmse": Metric("RMSE, {unit}", losses.squared, root=True, ranks=True),
    "mase": Metric("MASE", losses.scaled, ranks=True),  # below 1: better than seasonal naive was, on the training span
    "crps": Metric("CRPS, {unit}", losses.crps, ranks=True),
    "pinball": Metric("pinball loss, {unit}", losses.pinball, shown=False),
    "coverage": Metric("coverage", losses.inside, percent=True),
    "width": Metric("width, {unit}", losses.width, shown=False),
    "brier": Metric("Brier", losses.squared, brier, ranks=True),
    "log_loss": Metric("log loss", losses.log, log_loss, ranks=True),
    "auroc": Metric("AUROC", of_classes=auroc),
    "average_precision": Metric("AP", of_classes=average_precision),
    "accuracy": Metric("accuracy", of_classes=accuracy, shown=False),
    "macro_f1": Metric("macro F1", of_classes=macro_f1),
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


def _mean_over_classes(classes: Classes, score: Callable[..., float], needs_rest: bool = False) -> float:
    """Score each ranked class against the rest; classes that do not occur are left out, and the mean may be NaN."""
    scores = []
    for number in classes.ranked:
        present = classes.truth == number
        if present.any() and not (present.all() and needs_rest):
            scores.append(score(present, classes.probabilities[:, number]))
    return float(np.mean(scores)) if scores else float("nan")
